"""The process that runs math-verify for `k15.graders.math.verifier`.

    python -P worker.py CPU_SECONDS MEMORY_BYTES

Speaks the protocol of `k15.graders.workers`. Two requests: {"answer", "gold"}, is the answer
equivalent to the gold one: {"equal": bool}, or null if the gold answer cannot be parsed; {"gold"},
can it be parsed: {"parsed": bool}. It is run by its path and imports nothing of k15, so that a
fresh worker is there after half a second of CPU time.
"""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

import math_verify.grader
import math_verify.parser
import sympy.core.random
from math_verify import LatexExtractionConfig, parse, verify
from sympy import Basic, Expr
from sympy.core.evalf import EvalfMixin

OUT_OF_MEMORY = 75  # exit status
DIGITS = 40  # to which constants have to agree
# Units are for k15.graders.math: here 2t would be 2, and \sin^2 t a number of tons.
READING = LatexExtractionConfig(
    normalization_config=replace(LatexExtractionConfig().normalization_config, units=False)
)
DECIMAL = re.compile(r"(\d*)\.(\d+)")


def serve(cpu_seconds: float, memory_bytes: int) -> None:
    """Answer requests until stdin ends, which it does when the parent does."""
    logging.disable()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a stray print must not look like a reply
    prove()
    end_when_out_of_memory()
    limit_memory(memory_bytes)
    send(replies, {"ready": True})
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin:
        # The kernel ends the process when the timer fires: no handler, nothing to be caught, and
        # time spent inside one C call counts, too.
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        try:
            reply = handle(json.loads(line))
        except (MemoryError, RecursionError):
            os._exit(OUT_OF_MEMORY)
        signal.setitimer(signal.ITIMER_PROF, 0)
        send(replies, reply)


def handle(request: dict[str, str]) -> dict[str, bool | None]:
    # sympy compares by random evaluation here and there; a verdict must not depend on what
    # was asked before
    sympy.core.random.seed(0)
    gold = parsed(request["gold"])
    if "answer" not in request:
        return {"parsed": bool(gold)}
    if not gold:
        return {"equal": None}
    answer = parsed(request["answer"])
    equal = verify(list(gold), list(answer), numeric_precision=DIGITS, timeout_seconds=None)
    return {"equal": bool(equal)}


@lru_cache(maxsize=1024)
def parsed(latex: str) -> tuple[Any, ...]:
    """The expressions that math-verify reads, none if it cannot read it.

    Decimals become fractions: math-verify compares floats to 6 places.
    """
    latex = DECIMAL.sub(lambda m: rf"\frac{{{m[1]}{m[2]}}}{{1{'0' * len(m[2])}}}", latex)
    found = parse(f"\\boxed{{{latex}}}", (READING,), parsing_timeout=None)
    return tuple(item for item in found if not isinstance(item, str))


def prove() -> None:
    """Stop at once if the libraries do not fit together: math-verify would grade all answers wrong
    without a word.
    """
    for answer, gold in ((r"50\%", "50"), (r"\frac{1}{2}", "0.5"), (r"\sqrt{12}", r"2\sqrt{3}")):
        if not handle({"answer": answer, "gold": gold})["equal"]:
            raise RuntimeError(
                f"math-verify does not find {answer} equal to {gold}: "
                "check the versions of math-verify and antlr4-python3-runtime"
            )


def end_when_out_of_memory() -> None:
    """math-verify takes a MemoryError for "not equal"; it has to be seen before it is swallowed."""
    for owner, name in (
        (math_verify.parser, "latex2sympy"),
        (math_verify.grader, "simplify"),
        (math_verify.grader, "solve"),
        (Basic, "doit"),
        (Expr, "round"),
        (EvalfMixin, "evalf"),
    ):
        setattr(owner, name, ending(getattr(owner, name)))


def ending(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)

    return guarded


def limit_memory(extra_bytes: int) -> None:
    """Allow so much address space above what is in use now (Linux only)."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + extra_bytes, used + extra_bytes))


def send(replies: Any, reply: dict[str, Any]) -> None:
    print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    serve(float(sys.argv[1]), int(sys.argv[2]))

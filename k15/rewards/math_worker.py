"""The process that runs math-verify for `k15.rewards.math`.

    python -P math_worker.py CPU_SECONDS MEMORY_BYTES

Speaks the protocol of `k15.rewards.workers`. Two requests: {"answer", "gold"}, is the answer
equivalent to the gold one: {"equal": bool}, or null if the gold answer cannot be parsed; {"gold"},
can it be parsed: {"parsed": bool}. It is run by its path and imports nothing of k15, so that a
fresh worker is there after half a second of CPU time.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import sympy.core.random
from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

OUT_OF_MEMORY = 75  # exit status
WITH_UNITS = LatexExtractionConfig()
# \sin^2 t is not a number of tons: what cannot be read without its unit is read with it
NO_UNITS = replace(
    WITH_UNITS, normalization_config=replace(WITH_UNITS.normalization_config, units=False)
)


def serve(cpu_seconds: float, memory_bytes: int) -> None:
    """Answer requests until stdin ends, which it does when the parent does."""
    logging.disable()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a stray print must not look like a reply
    limit_memory(memory_bytes)
    prove()
    send(replies, {"ready": True})
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin:
        # The kernel ends the process when the timer fires: no handler, nothing to be caught, and
        # time spent inside one C call counts, too.
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        try:
            reply = handle(json.loads(line))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        signal.setitimer(signal.ITIMER_PROF, 0)
        send(replies, reply)


def handle(request: dict[str, str]) -> dict[str, bool | None]:
    # sympy compares by random evaluation here and there; a verdict must not depend on what
    # was asked before
    sympy.core.random.seed(0)
    reading = next((r for r in (WITH_UNITS, NO_UNITS) if readable(request["gold"], r)), None)
    if "answer" not in request:
        return {"parsed": reading is not None}
    if reading is None:
        return {"equal": None}
    gold, answer = parsed(request["gold"], reading), parsed(request["answer"], reading)
    return {"equal": bool(verify(list(gold), list(answer), timeout_seconds=None))}


def readable(latex: str, reading: LatexExtractionConfig) -> bool:
    return any(not isinstance(item, str) for item in parsed(latex, reading))


@lru_cache(maxsize=1024)
def parsed(latex: str, reading: LatexExtractionConfig) -> tuple[Any, ...]:
    """What math-verify reads: expressions, then the text; the text alone if it cannot read it."""
    readings = (reading, ExprExtractionConfig())
    return tuple(parse(f"\\boxed{{{latex}}}", readings, parsing_timeout=None))


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

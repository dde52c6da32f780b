"""What programs make of inputs, all inputs of a program in one process of the sandbox.

Functions are called on the arguments that an input is the JSON of; other programs read it from
stdin, in a run of its own each. An input on which a program crashes or takes too long has no
output. The programs are ground truths, which vote: nothing keeps one of them from forging its own
output. Responses of a policy are graded by `k15.graders.code`, where they cannot.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from k15.graders.code.cases import AFTER_PRELUDE
from k15.graders.code.compare import same_output, same_value
from k15.problems.test_generation.reports import lines, sound
from k15.problems.test_generation.rules import Output
from k15.sandbox.protocol import Input, Limits, Program, Sandbox

TOLERANCE = 1e-6
LIMITS = Limits(cpu_seconds=3.0, memory_mib=512, output_bytes=2**22)
DEATHS = 3  # inputs that end the process of a function, after which it is given up
SLOW = 5  # inputs that take it too long, likewise

CALLS = """\
import copy, json, os, signal, sys

first, seconds, name, slow = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
with open("inputs.json", encoding="utf-8") as file:
    inputs = json.load(file)
report = os.fdopen(os.dup(1), "w")
null = os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 1)
namespace = {"__name__": "solution"}
for path in "prelude.py", "program.py":
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec", dont_inherit=True), namespace)
function = namespace.get(name) or getattr(namespace["Solution"](), name)

def too_slow(*_):
    raise TimeoutError

signal.signal(signal.SIGPROF, too_slow)
for number in range(first, len(inputs)):
    print(json.dumps([number]), file=report, flush=True)
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        value = function(*copy.deepcopy(inputs[number]))
        signal.setitimer(signal.ITIMER_PROF, 0)
        line = json.dumps([number, value], allow_nan=False)
    except TimeoutError:
        line, slow = "", slow - 1
    except BaseException:
        line = ""
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    print(line, file=report, flush=True)
    if slow == 0:
        break
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """How programs of a problem are given an input."""

    function: str | None = None
    """Its name; None: the program reads stdin."""
    prelude: str = ""
    """Python that runs before each program, such as imports."""

    def same(self, one: Any, other: Any) -> bool:
        """Whether two outputs are one: numbers with decimals may differ in the seventh digit."""
        if self.function is None:
            return same_output(one.encode(), other.encode(), "float", TOLERANCE)
        return same_value(one, other, TOLERANCE)

    def arguments(self, given: str) -> list[Any] | None:
        """The arguments that an input holds; None where it is no list in JSON."""
        try:
            found = json.loads(given)
        except ValueError:
            return None
        return found if isinstance(found, list) else None


def observed(
    sandbox: Sandbox,
    interface: Interface,
    program: str,
    inputs: Sequence[str],
    *,
    limits: Limits = LIMITS,
) -> list[Output | None]:
    """The program's output on each input. Raises GraderFailure if the sandbox broke."""
    look = printed if interface.function is None else returned
    return look(sandbox, interface, program, inputs, limits)


def printed(
    sandbox: Sandbox, interface: Interface, program: str, inputs: Sequence[str], limits: Limits
) -> list[Output | None]:
    """What a program prints; one that prints nothing has no output."""
    files = {"prelude.py": interface.prelude.encode(), "program.py": program.encode()}
    laid_down = Program(source=AFTER_PRELUDE, files=files)
    runs = sandbox.run(laid_down, [Input(stdin=given.encode()) for given in inputs], limits)
    texts = (outcome.stdout if outcome.cause == "ok" else b"" for outcome in map(sound, runs))
    return [Output(text.decode(errors="replace")) if text.strip() else None for text in texts]


def returned(
    sandbox: Sandbox, interface: Interface, program: str, inputs: Sequence[str], limits: Limits
) -> list[Output | None]:
    """What a function returns, as JSON has it; a value that JSON does not have is no output."""
    found: list[Output | None] = [None] * len(inputs)
    files = {
        "prelude.py": interface.prelude.encode(),
        "program.py": program.encode(errors="replace"),
        "inputs.json": f"[{', '.join(inputs)}]".encode(),
    }
    laid_down = Program(source=CALLS, files=files)
    first = deaths = 0
    whole = replace(limits, cpu_seconds=limits.cpu_seconds * 2 * SLOW)
    while first < len(inputs) and deaths < DEATHS:
        arguments = (str(first), str(limits.cpu_seconds), str(interface.function), str(SLOW))
        [outcome] = map(sound, sandbox.run(laid_down, [Input(arguments=arguments)], whole))
        begun = first
        for number, *value in lines(outcome):
            begun = number + 1
            if value:
                found[number] = Output(value[0])
        if outcome.cause in ("ok", "cpu") or begun == first:
            break  # at its end, too slow, or it does not even load
        first, deaths = begun, deaths + 1
    return found

"""Runs a generator program in a sandbox: each of its runs prints one input.

The program finds the number of its run in `sys.argv[1]`, `random` seeded by it, and CYaRon to
import. It may print nothing, crash, loop or print without end: such a run gives no input, and the
others go on.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from k15.config.errors import ConfigError
from k15.graders.code.trial import ending
from k15.problems.test_generation.reports import lines, sound
from k15.sandbox.protocol import Input, Limits, Outcome, Program, Sandbox

LIBRARIES = ("cyaron", "colorful", "xeger")
"""CYaRon and what it imports: sandboxes have the standard library alone, so they come along."""
LIMITS = Limits(cpu_seconds=20.0, wall_seconds=120.0, memory_mib=1024, output_bytes=2**24)
DEATHS = 3  # runs that end the process, after which the program is given up
MOST_RUNS = 2  # per input that is wanted: a generator may repeat itself
LONGEST = 2**18  # characters of an input

DRIVER = """\
import contextlib, io, json, os, random, sys

sys.path.insert(0, os.getcwd())
first, last = int(sys.argv[1]), int(sys.argv[2])
with open("generator.py", encoding="utf-8") as file:
    code = compile(file.read(), "generator.py", "exec")
report = os.fdopen(os.dup(1), "w")
for number in range(first, last):
    printed, error = io.StringIO(), ""
    sys.argv = ["generator.py", str(number)]
    random.seed(number)
    print(json.dumps([number]), file=report, flush=True)
    try:
        with contextlib.redirect_stdout(printed):
            exec(code, {"__name__": "__main__"})
    except SystemExit:
        pass
    except BaseException as raised:
        error = f"{type(raised).__name__}: {raised}"[:200]
    print(json.dumps([number, printed.getvalue(), error]), file=report, flush=True)
"""


def inputs(
    sandbox: Sandbox, generator: str, wanted: int, *, limits: Limits = LIMITS
) -> tuple[list[str], str]:
    """Up to `wanted` different inputs, and the last fault of the generator, for a person.

    Raises GraderFailure if the sandbox broke.
    """
    found: dict[str, None] = {}
    fault, first, deaths = "", 0, 0
    while len(found) < wanted and deaths < DEATHS:
        outcome = run(sandbox, generator, first, MOST_RUNS * wanted, limits)
        begun = first
        for number, *ended in lines(outcome):
            begun = number + 1
            if ended:
                fault = ended[1] or fault
                if not ended[1] and ended[0].strip() and len(ended[0]) <= LONGEST:
                    found.setdefault(ended[0])
        if outcome.cause == "ok":
            break
        fault = f"ended by {outcome.cause}: {ending(outcome.stderr)}"
        if begun == first:
            break  # it is no Python
        first, deaths = begun, deaths + 1
    return list(found)[:wanted], fault


def run(sandbox: Sandbox, generator: str, first: int, last: int, limits: Limits) -> Outcome:
    """The runs from number `first` on in one process, as far as it gets."""
    files = {**libraries(), "generator.py": generator.encode(errors="replace")}
    program = Program(source=DRIVER, files=files)
    [outcome] = sandbox.run(program, [Input(arguments=(str(first), str(last)))], limits)
    return sound(outcome)


@cache
def libraries() -> dict[str, bytes]:
    """The files of CYaRon and what it needs, by their paths.

    Raises ConfigError saying what to install.
    """
    files = {}
    for name in LIBRARIES:
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(f"{name} is not installed: pip install 'k15[curation]'")
        folder = Path(spec.submodule_search_locations[0])
        for file in filter(Path.is_file, folder.rglob("*")):
            inner = file.relative_to(folder.parent)
            if not {"tests", "__pycache__"} & {*inner.parts}:
                files[inner.as_posix()] = file.read_bytes()
    return files

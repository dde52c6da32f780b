"""What generated tests are worth: do they reject failing programs, and accept passing ones?

    python benchmarks/test_generation.py FOLDER
    python benchmarks/test_generation.py FOLDER --shown --most 1000

HumanEval problems with at least ten passing programs of CodeGen-16B (CodeT's samples, labelled by
the official tests). Ten of the passing programs vote; the inputs come from a fixed generator, made
of the calls in the statement and in asserts that the model wrote itself. The official tests are
never read.

Every program is run on every input once, of each problem the first `--most` with either label, and
what it makes of them is kept in `--kept`: from there a stopped benchmark goes on, and other
thresholds are judged at once. Prints the funnel, then which share of the programs is rejected.

Labels err: the official tests let wrong programs through. So programs labelled passing are counted
in two groups, by whether they give what the data set's own solution gives on all inputs. `--shown`
prints for each one that is rejected the input, its output and that of the solution.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k15.graders.code.suites import humaneval
from k15.journal import Journal, read
from k15.problems.test_generation.examples import arguments_in
from k15.problems.test_generation.fixed import Fixed
from k15.problems.test_generation.generation import Generated, funnel, judged, usable
from k15.problems.test_generation.generators import inputs
from k15.problems.test_generation.observing import Interface, observed
from k15.problems.test_generation.rules import Output, Same, Thresholds
from k15.problems.test_generation.special import needs_special_judge
from k15.problems.test_generation.tasks import Task
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import Limits

CODEGEN = "humaneval_codegen16b"
VOTERS = Thresholds().voters
AGREEING = (7, 10)
"""Of ten programs, so that a case is valid: the report's number, and all of them."""
LIMITS = Limits(cpu_seconds=1.0, memory_mib=512, output_bytes=2**22)
GROUPS = ("failing", "passing, as the solution", "passing, unlike it", "reference")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A problem's inputs, and what its programs make of them."""

    id: str
    generator: str
    """Its program; another one is run anew."""
    most: int
    """Programs with each label that were run."""
    given: Sequence[str]
    fault: str = ""
    outputs: Mapping[str, Sequence[Sequence[Sequence[Any] | None]]]
    """[group][programs][inputs]: the value in a list, or none."""

    def group(self, name: str) -> list[list[Output | None]]:
        """Outputs as the rules take them, [programs][inputs]."""
        return [[one and Output(one[0]) for one in row] for row in self.outputs[name]]


def rows(file: Path) -> dict[str, dict[str, Any]]:
    """The rows of a file by task."""
    text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return {row["task_id"]: row for row in map(json.loads, text.decode().splitlines())}


class HumanEval:
    """The problems, what the model wrote, and the labels."""

    def __init__(self, folder: Path) -> None:
        self.problems = rows(folder / "HumanEval.jsonl.gz")
        self.written = rows(folder / f"{CODEGEN}_solutions.jsonl.gz")
        self.asserts = rows(folder / f"{CODEGEN}_generated_tests.jsonl.gz")
        self.labels = rows(folder / f"{CODEGEN}_labels.jsonl")

    @property
    def names(self) -> list[str]:
        """Of the problems with enough passing programs."""
        return [name for name, row in self.labels.items() if row["n_passed"] >= VOTERS]

    def programs(self, name: str, *, passed: bool) -> list[str]:
        """The model's programs with a label, each once."""
        prompt, samples = self.problems[name]["prompt"], self.written[name]["samples"]
        labelled = zip(samples, self.labels[name]["passed"], strict=True)
        return [*dict.fromkeys(prompt + sample for sample, label in labelled if label == passed)]

    def groups(self, name: str, most: int) -> dict[str, list[str]]:
        """The programs that vote, so many of the others with each label, and the solution."""
        row, voters = self.problems[name], self.voters(name)
        passed = [one for one in self.programs(name, passed=True) if one not in voters]
        return {
            "voters": voters,
            "failing": self.programs(name, passed=False)[:most],
            "passing": passed[:most],
            "reference": [row["prompt"] + row["canonical_solution"]],
        }

    def task(self, name: str) -> Task:
        """The problem without its tests; its first passing programs vote."""
        row = self.problems[name]
        problem = humaneval(row)
        asserts = "\n".join(f"assert {text}" for text in self.asserts[name]["samples"])
        return Task(
            problem=problem,
            interface=Interface(function=row["entry_point"], prelude=problem.tests[0]["prelude"]),
            programs=self.voters(name),
            examples=arguments_in(asserts, row["entry_point"]),
        )

    def voters(self, name: str) -> list[str]:
        """Ten passing programs, different ones first."""
        distinct = self.programs(name, passed=True)
        again = [one for one in distinct for _ in range(VOTERS)]
        return [*distinct, *again][:VOTERS]


def seen(data: HumanEval, name: str, generator: str, most: int, sandbox: LocalSandbox) -> Seen:
    """Make the inputs, and run the programs on them."""
    task = data.task(name)
    printed, fault = inputs(sandbox, generator, Thresholds().cases)
    given = [text for text in printed if usable(task.interface, text)]
    outputs: dict[str, list[Any]] = defaultdict(list)
    for group, programs in data.groups(name, most).items():
        for program in programs:
            found = observed(sandbox, task.interface, program, given, limits=LIMITS)
            outputs[group].append([one and [one.value] for one in found])
    return Seen(
        id=name, generator=generator, most=most, given=given, fault=fault, outputs=dict(outputs)
    )


def all_seen(data: HumanEval, most: int, kept: Path) -> Iterator[Seen]:
    """Of each problem that has no special judge; what is kept is not run again."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    before = {(one.id, one.generator, one.most): one for one in read(kept, Seen)}
    journal, sandbox, write = Journal(kept), LocalSandbox(), Fixed()
    for name in data.names:
        generator = write(data.task(name))
        if generator is None or needs_special_judge(data.task(name).problem):
            print(f"{name}: several right outputs, or no example", file=sys.stderr, flush=True)
            continue
        if (one := before.get((name, generator, most))) is None:
            one = seen(data, name, generator, most, sandbox)
            journal.append(one)
            print(f"{name}: {len(one.given)} inputs", file=sys.stderr, flush=True)
        yield one
    sandbox.close()
    journal.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A program that was tried on the tests of a problem."""

    group: str
    """One of GROUPS."""
    number: tuple[str, int]
    """Where its outputs stand in `Seen.outputs`."""
    rejected_for: int | None
    """The number of the first input whose output is wrong; None: accepted."""


def verdicts(one: Seen, made: Generated, same: Same) -> Iterator[Verdict]:
    """Of every program, on the tests that are kept."""
    places = {json.dumps(json.loads(text)): place for place, text in enumerate(one.given)}
    tests = {places[json.dumps(test["arguments"])]: Output(test["output"]) for test in made.tests}
    [solution] = one.group("reference")
    own = {place: output for place, output in enumerate(solution) if output is not None}
    for kind in one.outputs:
        for number, outputs in enumerate(one.group(kind)):
            unlike = first_wrong(outputs, own, same) is not None
            passing = "passing, unlike it" if unlike else "passing, as the solution"
            yield Verdict(
                group=passing if kind in ("voters", "passing") else kind,
                number=(kind, number),
                rejected_for=first_wrong(outputs, tests, same),
            )


def first_wrong(
    outputs: Sequence[Output | None], wanted: Mapping[int, Output], same: Same
) -> int | None:
    """The number of the first input whose output is not the wanted one."""
    for place, value in wanted.items():
        got = outputs[place]
        if got is None or not same(got.value, value.value):
            return place
    return None


def show(one: Seen, found: Sequence[Verdict]) -> None:
    """The passing programs that are rejected, and what for."""
    for each in found:
        if each.rejected_for is None or not each.group.startswith("passing"):
            continue
        pair = (each.number, ("reference", 0))
        outputs = (one.group(kind)[number][each.rejected_for] for kind, number in pair)
        got, own = ("nothing" if each is None else json.dumps(each.value) for each in outputs)
        given = one.given[each.rejected_for].strip()
        print(f"  {each.group}: {given} is {got}, by the solution {own}")


def shares(found: Sequence[Verdict]) -> str:
    """How many of each group are rejected."""
    lines = []
    for group in GROUPS:
        of = [each.rejected_for is not None for each in found if each.group == group]
        lines.append(
            f"  {group}: {sum(of)} of {len(of)} rejected ({sum(of) / max(1, len(of)):.2%})"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=25)
    parser.add_argument("--kept", type=Path, default=Path("outputs/test_generation.jsonl"))
    parser.add_argument("--shown", action="store_true")
    options = parser.parse_args()
    data = HumanEval(options.folder)
    report(data, [*all_seen(data, options.most, options.kept)], shown=options.shown)


def report(data: HumanEval, everything: Sequence[Seen], *, shown: bool) -> None:
    """Once for each number of programs that have to agree."""
    for agreeing in AGREEING:
        print(f"{agreeing} of {VOTERS} agree:")
        found: list[Verdict] = []
        all_made: list[Generated] = []
        for one in everything:
            task = data.task(one.id)
            made = judged(
                task, one.given, one.group("voters"), one.fault, Thresholds(agreeing=agreeing)
            )
            tried = [*verdicts(one, made, task.interface.same)] if made.stage == "kept" else []
            if shown:
                print(f"{one.id} {made.stage} {made.valid}/{made.generated} {made.detail}")
                show(one, tried)
            found += tried
            all_made.append(made)
        print(f"  {json.dumps(funnel(all_made))}\n{shares(found)}")


if __name__ == "__main__":
    sys.exit(main())

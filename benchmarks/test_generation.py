"""What generated tests are worth: do they reject failing programs, and accept passing ones?

    python benchmarks/test_generation.py FOLDER

HumanEval problems with at least ten passing programs of CodeGen-16B (CodeT's samples, labelled by
the official tests). Ten of the passing programs vote; the inputs come from a fixed generator, made
of the calls in the statement and in asserts that the model wrote itself. The official tests are
never read. Prints the funnel, then which share of failing and of passing programs the tests reject.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

from k15.graders.code.suites import humaneval
from k15.problems.test_generation.examples import arguments_in
from k15.problems.test_generation.fixed import Fixed
from k15.problems.test_generation.generation import (
    Generated,
    funnel,
    generate,
)
from k15.problems.test_generation.observing import Interface, observed
from k15.problems.test_generation.rules import Output, Thresholds, passing
from k15.problems.test_generation.tasks import Task
from k15.sandbox.local import LocalSandbox

CODEGEN = "humaneval_codegen16b"
VOTERS = Thresholds().voters


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

    def programs(self, name: str, *, passed: bool) -> list[str]:
        """The model's programs with a label, each once."""
        prompt, samples = self.problems[name]["prompt"], self.written[name]["samples"]
        labelled = zip(samples, self.labels[name]["passed"], strict=True)
        return [*dict.fromkeys(prompt + sample for sample, label in labelled if label == passed)]

    def task(self, name: str) -> Task:
        """The problem without its tests; its first passing programs vote."""
        row = self.problems[name]
        problem = humaneval(row)
        return Task(
            problem=problem,
            interface=Interface(function=row["entry_point"], prelude=problem.tests[0]["prelude"]),
            programs=self.voters(name),
            examples=self.examples(name),
        )

    def voters(self, name: str) -> list[str]:
        """Ten passing programs, different ones first."""
        distinct = self.programs(name, passed=True)
        again = [one for one in distinct for _ in range(VOTERS)]
        return [*distinct, *again][:VOTERS]

    def examples(self, name: str) -> list[list[Any]]:
        """The arguments in the asserts that the model wrote."""
        asserts = "\n".join(f"assert {text}" for text in self.asserts[name]["samples"])
        return arguments_in(asserts, self.problems[name]["entry_point"])


def rejected(sandbox: LocalSandbox, task: Task, found: Generated, programs: list[str]) -> list[str]:
    """The programs that fail a test."""
    given = [json.dumps(test["arguments"]) for test in found.tests]
    expected = [Output(test["output"]) for test in found.tests]
    failing = []
    for program in programs:
        outputs = [(one,) for one in observed(sandbox, task.interface, program, given)]
        if passing(outputs, expected, task.interface.same) != [True]:
            failing.append(program)
    return failing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--parity", type=int, choices=(0, 1), default=None)
    parser.add_argument("--agreeing", type=int, default=Thresholds().agreeing)
    parser.add_argument("--fresh", type=float, default=0.5)
    options = parser.parse_args()
    thresholds = Thresholds(agreeing=options.agreeing)
    data, sandbox, found = HumanEval(options.folder), LocalSandbox(), []
    names = [name for name, row in data.labels.items() if row["n_passed"] >= VOTERS]
    if options.parity is not None:
        names = names[options.parity :: 2]
    totals = {
        "failing": [0, 0],
        "passing": [0, 0],
        "passing, not voting": [0, 0],
        "reference": [0, 0],
    }
    for name in names[: options.limit]:
        started = time.process_time()
        task = data.task(name)
        one = generate(
            task,
            Fixed(fresh=options.fresh),
            sandbox,
            thresholds=thresholds,
        )
        found.append(one)
        line = f"{name:<14} {one.stage:<18} {one.valid:>3}/{one.generated:<3} {one.detail[:60]}"
        if one.stage == "kept":
            groups = {
                "failing": data.programs(name, passed=False),
                "passing": data.programs(name, passed=True),
            }
            groups["passing, not voting"] = [p for p in groups["passing"] if p not in task.programs]
            reference = data.problems[name]["prompt"] + data.problems[name]["canonical_solution"]
            groups["reference"] = [reference]
            out = {k: rejected(sandbox, task, one, some) for k, some in groups.items()}
            for group, some in groups.items():
                totals[group][0] += len(out[group])
                totals[group][1] += len(some)
            line += "  " + ", ".join(f"{k} {len(out[k])}/{len(v)}" for k, v in groups.items())
        print(f"{line}  {time.process_time() - started:.1f}s", flush=True)
    print(json.dumps(funnel(found)))
    for group, (out_of, number) in totals.items():
        print(f"{group}: {out_of} of {number} rejected ({out_of / max(1, number):.1%})")
    sandbox.close()


if __name__ == "__main__":
    sys.exit(main())

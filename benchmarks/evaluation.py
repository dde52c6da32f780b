"""What an evaluation costs beside its engine and its grader, in CPU milliseconds per sample.

    python benchmarks/evaluation.py        500 problems x 8 samples; --help lists the options

The engine answers from memory and the grader compares strings; both are timed and taken off. What
is left is encoding, decoding, scheduling, writing each line, the scores with their intervals and
the report.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from k15.engines.protocol import Completion, Request, Sampling
from k15.engines.scripted import ScriptedEngine
from k15.evaluation.benchmark import Benchmark
from k15.evaluation.evaluator import Evaluator
from k15.evaluation.problems_file import read_problems, write_problems
from k15.evaluation.prompting.base import Once
from k15.evaluation.report import write_report
from k15.evaluation.results import results, write_results
from k15.graders.base import Verdict
from k15.models.tiny import tiny_policy
from k15.types import Problem

RESPONSE = r"We add the parts, $\frac{{1}}{{2}}n(n+1)$ each. " * 8 + r"So it is \boxed{{{answer}}}."


class Sums(Benchmark):
    """As many sums as wanted."""

    name = "sums"

    def __init__(self, problems: int, samples: int) -> None:
        super().__init__(samples=samples, temperature=1.0, pass_at=[1, samples], majority_at=[4])
        self.size, self.seconds = problems, 0.0

    def problems(self) -> list[Problem]:
        return [
            Problem(
                id=str(a),
                prompt=({"role": "user", "content": f"What is ${a} + 1$?"},),
                answer=str(a + 1),
            )
            for a in range(self.size)
        ]

    def grade(self, problem: Problem, response: str) -> Verdict:
        started = time.thread_time()
        answer = response.rpartition(r"\boxed{")[2].partition("}")[0]
        verdict = Verdict(correct=answer == problem.answer, extracted=answer, how="equal")
        self.seconds += time.thread_time() - started
        return verdict


class TimedEngine:
    """A scripted engine that knows how long it took."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine, self.seconds = engine, 0.0

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        completions = self.engine.generate(requests, sampling)
        while True:
            started = time.thread_time()
            completion = next(completions, None)
            self.seconds += time.thread_time() - started
            if completion is None:
                return
            yield completion


def once(problems: int, samples: int, folder: Path) -> dict[str, float]:
    """CPU seconds of one evaluation."""
    policy = tiny_policy(context=4096)
    benchmark = Sums(problems, samples)
    script = {
        policy.encode(problem): [policy.encode_response(RESPONSE.format(answer=answer))]
        for index, problem in enumerate(benchmark.problems())
        for answer in [problem.answer if index % 3 else "0"]
    }
    engine = TimedEngine(ScriptedEngine(lambda request, index: script[request.tokens][0]))
    started = time.process_time()
    evaluator = Evaluator(
        benchmarks={"sums": benchmark},
        promptings={"plain": Once(name="plain", instruction="")},
        run_dir=folder,
    )
    evaluator.run(engine, policy)  # type: ignore[arg-type]
    ran = time.process_time()
    write_problems(folder, "sums", benchmark, benchmark.problems())
    named: dict[str, Any] = {"model": "scripted", "settings": {}}
    write_results(
        folder,
        results(evaluator.samples(), read_problems(folder), {"sums": benchmark}, **named),
    )
    scored = time.process_time()
    write_report(folder)
    return {
        "running": ran - started - engine.seconds - benchmark.seconds,
        "scores": scored - ran,
        "report": time.process_time() - scored,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs = []
    for _ in range(options.repetitions):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(once(options.problems, options.samples, Path(folder)))
    each = 1000 / (options.problems * options.samples)
    print("CPU milliseconds per sample beside engine and grader, median (min-max)")
    totals = [sum(run.values()) for run in runs]
    for name, values in (*((n, [run[n] for run in runs]) for n in runs[0]), ("all", totals)):
        low, high = min(values) * each, max(values) * each
        print(f"{name:<10}{median(values) * each:6.3f} ({low:.3f}-{high:.3f})")


if __name__ == "__main__":
    main()

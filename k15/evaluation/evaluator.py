"""The run of an evaluation: every sample is generated once, stored, graded once, stored.

    problems x promptings x samples ──► generation ──► responses.jsonl ──► grading ──► samples.jsonl

What is in the files already is neither generated nor graded again: a killed run goes on where it
stopped, and responses made elsewhere are graded without a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from k15.engines.protocol import RolloutEngine
from k15.evaluation.benchmark import Benchmark
from k15.evaluation.generation import Generation, Open
from k15.evaluation.grading import Grading
from k15.evaluation.prompting.base import Prompting, Reply
from k15.evaluation.samples import Key, Response, Sample
from k15.graders.base import GraderFailure
from k15.journal import Journal, read
from k15.models.codec import Codec
from k15.progress import phase
from k15.types import Problem


class Evaluator:
    """Generates and grades the samples of benchmarks under all promptings."""

    def __init__(
        self,
        *,
        benchmarks: Mapping[str, Benchmark],
        promptings: Mapping[str, Prompting],
        run_dir: Path,
        seed: int = 0,
        threads: int = 4,
        retries: int = 2,
        backoff: float = 0.5,
        max_ungraded: float = 0.05,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Say what to run.

        Args:
            benchmarks: by the name that stands in all files.
            promptings: likewise.
            run_dir: where the files are; the only state there is.
            seed: with the same weights it gives the same samples.
            threads: responses graded, and programs of prompting modes run, at the same time.
            retries: how often a grader is asked again after a GraderFailure.
            backoff: seconds before the first retry, doubled for each further one.
            max_ungraded: share of samples whose grader may break before the run stops.
            rank: this process answers every `ranks`-th sample, from the `rank`-th on.
            ranks: processes.
        """
        self.benchmarks, self.promptings = dict(benchmarks), dict(promptings)
        self.run_dir, self.seed, self.threads = run_dir, seed, threads
        self.retries, self.backoff, self.max_ungraded = retries, backoff, max_ungraded
        self.rank, self.ranks = rank, ranks
        self.ungraded: dict[Key, str] = {}

    @cached_property
    def problems(self) -> dict[str, dict[str, Problem]]:
        """Of each benchmark, by id, at most its `limit`."""
        chosen = {}
        for name, benchmark in self.benchmarks.items():
            problems = benchmark.problems()[: benchmark.limit]
            chosen[name] = {problem.id: problem for problem in problems}
            if len(chosen[name]) < len(problems):
                raise ValueError(f"benchmark {name}: two problems have the same id")
        return chosen

    def wanted(self, rank: int, ranks: int) -> dict[Key, None]:
        """The samples of a rank, those of one problem behind each other."""
        keys = [
            (name, prompting, problem, index)
            for name, benchmark in self.benchmarks.items()
            for prompting in self.promptings
            for problem in self.problems[name]
            for index in range(benchmark.samples)
        ]
        return dict.fromkeys(keys[rank::ranks])

    def samples(self) -> list[Sample]:
        """The graded samples of all ranks that belong to the benchmarks as they are now."""
        wanted = self.wanted(0, 1)
        return [line for line in self._read("samples", Sample) if line.key in wanted]

    def run(self, engine: RolloutEngine | None, codec: Codec | None) -> None:
        """Generate and grade what is missing of this rank's samples.

        Without an engine, the responses that are there are graded.

        Raises:
            ValueError: a prompt that does not fit into the context, before anything is generated.
            GraderFailure: more than `max_ungraded` of the samples could not be graded.
            Exception: whatever the engine raises; another run on the same folder goes on.
        """
        responses = {line.key: line for line in self._read("responses", Response)}
        done = {line.key for line in self._read("samples", Sample)}
        wanted = self.wanted(self.rank, self.ranks)
        with ExitStack() as stack:
            for benchmark in self.benchmarks.values():
                stack.enter_context(benchmark)
            for prompting in self.promptings.values():
                stack.enter_context(prompting)
            grading = self._grading()
            stack.callback(grading.close)
            for key in wanted:
                if key in responses and key not in done:
                    grading.submit(responses[key])
            if engine is not None and codec is not None:
                todo = [key for key in wanted if key not in responses and key not in done]
                self._generate(todo, grading, engine, codec)
            grading.finish()
            self.ungraded = grading.failed

    def _generate(
        self, todo: Sequence[Key], grading: Grading, engine: RolloutEngine, codec: Codec
    ) -> None:
        journal = Journal(self._path("responses"))

        def finished(key: Key, reply: Reply | GraderFailure) -> None:
            if isinstance(reply, GraderFailure):
                grading.fail(key, str(reply))
            else:
                response = Response.at(key, reply.text, reply.tokens, reply.finish)
                journal.append(response)
                grading.submit(response)
            progress.update()

        with phase("generate", len(todo), " samples") as progress:
            try:
                Generation(
                    engine,
                    codec,
                    seed=self.seed,
                    threads=self.threads,
                    retries=self.retries,
                    backoff=self.backoff,
                    finished=finished,
                ).run([self._opened(key) for key in todo])
            finally:
                journal.close()

    def _opened(self, key: Key) -> Open:
        benchmark = self.benchmarks[key[0]]
        solving = self.promptings[key[1]].solve(self.problems[key[0]][key[2]], benchmark)
        return Open(key, solving, benchmark)

    def _grading(self) -> Grading:
        def find(response: Response) -> tuple[Benchmark, Problem]:
            name = response.benchmark
            return self.benchmarks[name], self.problems[name][response.id]

        journal = Journal(self._path("samples"))
        return Grading(
            journal,
            find,
            threads=self.threads,
            retries=self.retries,
            backoff=self.backoff,
            max_ungraded=self.max_ungraded,
        )

    def _path(self, what: str) -> Path:
        rank = f"-{self.rank}" if self.ranks > 1 else ""
        return self.run_dir / f"{what}{rank}.jsonl"

    def _read(self, what: str, kind: Any) -> Iterator[Any]:
        """The lines of all ranks, also of a run that had another number of them."""
        for path in sorted(self.run_dir.glob(f"{what}*.jsonl")):
            yield from read(path, kind)

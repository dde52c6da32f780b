"""Never train on what is reported: says which training problems a benchmark asks, too."""

from __future__ import annotations

from collections.abc import Mapping

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.evaluation.benchmark import Benchmark
from k15.problems.curation.contamination import asked
from k15.problems.sources import ProblemSource

LISTED = 5  # problems that are named one by one


class BenchmarkOverlap(Callback):
    """Warns once, before training, of questions in text that are in both.

    Questions with pictures are not compared: the same picture may be stored in many ways. What is
    asked in other words `k15.problems.curation` finds, before there is a run.
    """

    def __init__(
        self, source: ProblemSource, benchmarks: Mapping[str, Benchmark] | None = None
    ) -> None:
        """Without benchmarks it does nothing."""
        self.source, self.benchmarks = source, dict(benchmarks or {})

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare, and print a line per benchmark that shares questions."""
        if not self.benchmarks or not trainer.is_global_zero:
            return
        trained = asked(self.source.train)
        for name, benchmark in self.benchmarks.items():
            if shared := trained.keys() & asked(benchmark.problems()).keys():
                ids = sorted(trained[question] for question in shared)
                more = ", ..." if len(ids) > LISTED else ""
                print(
                    f"warning: benchmark {name} asks {len(ids)} questions that are trained on, so "
                    f"its score says little: {', '.join(ids[:LISTED])}{more}",
                    flush=True,
                )

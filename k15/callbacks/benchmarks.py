"""Benchmarks while training: the evaluator of `evaluate.py` on the weights as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.engines.protocol import RolloutEngine
from k15.engines.sync import sync, weights_version
from k15.evaluation.benchmark import Benchmark
from k15.evaluation.evaluator import Evaluator
from k15.evaluation.problems_file import read_problems, write_problems
from k15.evaluation.prompting.base import Once, Prompting
from k15.evaluation.results import Results, results, write_results
from k15.models.policy import Policy


class Benchmarks(Callback):
    """Runs benchmarks every few epochs, in `<run_dir>/benchmarks/epoch_XXXX`.

    Scores are logged as `benchmark/<name>/<prompting>/accuracy` and `.../tokens_mean`. An epoch
    that was measured before, in the run that is resumed, is not measured again.
    """

    def __init__(
        self,
        policy: Policy,
        engine: RolloutEngine,
        run_dir: str,
        benchmarks: Mapping[str, Benchmark] | None = None,
        promptings: Mapping[str, Prompting] | None = None,
        every_n_epochs: int = 5,
        seed: int = 0,
    ) -> None:
        """Without benchmarks it does nothing; without promptings it asks for a chain of thought."""
        self.policy, self.engine = policy, engine
        self.run_dir, self.seed = Path(run_dir, "benchmarks"), seed
        self.benchmarks = dict(benchmarks or {})
        self.promptings = dict(promptings or {"cot": Once()})
        self.every_n_epochs = every_n_epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After every `every_n_epochs`-th epoch, and after the last one."""
        done = trainer.current_epoch + 1
        last = done == trainer.max_epochs
        if not self.benchmarks or (done % self.every_n_epochs and not last):
            return
        found = self.measure(trainer, self.run_dir / f"epoch_{done:04d}")
        for score in found["scores"]:
            name = f"benchmark/{score['benchmark']}/{score['prompting']}"
            figures = score["metrics"]
            pl_module.log(f"{name}/accuracy", figures["accuracy"]["value"], rank_zero_only=True)
            pl_module.log(f"{name}/tokens_mean", figures["tokens_mean"], rank_zero_only=True)

    def measure(self, trainer: Trainer, folder: Path) -> Results:
        """The scores of the weights as they are."""
        folder.mkdir(parents=True, exist_ok=True)
        evaluator = Evaluator(
            benchmarks=self.benchmarks,
            promptings=self.promptings,
            run_dir=folder,
            seed=self.seed,
            rank=trainer.global_rank,
            ranks=trainer.world_size,
        )
        sync(self.engine, self.policy.model, weights_version(trainer))
        evaluator.run(self.engine, self.policy)
        self.engine.sleep()
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            for name, benchmark in self.benchmarks.items():
                write_problems(folder, name, benchmark, list(evaluator.problems[name].values()))
        trainer.strategy.barrier()
        found = results(
            evaluator.samples(),
            read_problems(folder),
            self.benchmarks,
            model=str(folder),
            settings={"seed": self.seed},
            ungraded=list(evaluator.ungraded),
        )
        if trainer.is_global_zero:
            write_results(folder, found)
        return found

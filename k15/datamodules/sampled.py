"""What a model learns from its own answers: drawn and graded once, then kept on the disk.

    problems ─► engine, with the weights that training starts from ─► graders ─► samples.jsonl
                                                                                     │
    batches ◄─ examples or pairs ◄─ those of each problem that teach something ◄─────┘

The samples are drawn in `prepare_data`, so by one process; all read them in `setup`. They lie in a
folder that is named by what made them: every stage that starts from the same weights finds them
there, and one with other weights or settings makes its own.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch.utils.data import DataLoader

from k15.config.errors import ConfigError
from k15.datamodules.demonstrations import LengthBuckets
from k15.datamodules.loader import ResumableData, ResumableLoader, SharedLoader
from k15.datamodules.usable import Usable
from k15.engines.protocol import RolloutEngine
from k15.engines.sync import sync
from k15.folders import locked
from k15.models.policy import Policy
from k15.problems.sources import ProblemSource
from k15.progress import phase
from k15.rewards.base import RewardCallback
from k15.rewards.scorer import Scorer
from k15.rollouts.drawing import Drawing, drawn, why_not_asked
from k15.rollouts.samples import SETTINGS, Sample, SampleFile, mark_of, named_by
from k15.shard import shard_of
from k15.types import Example, Problem, RolloutGroup
from k15.weights.digest import weights_digest

Item = TypeVar("Item")
PLAIN = (str, int, float, bool, type(None), tuple)
"""Types of a reward's attributes that tell how it grades."""


class SampledData(ResumableData, Generic[Item]):
    """Samples of the source's problems; a subclass says what is learned from those of one.

    `samples` is the folder in which the samples of each model have a folder of their own;
    `samples_from` names one that was made before, which is refused if something else made it. The
    first `held_out_problems` of the held-out ones are sampled, too, for `val/loss`. Up to
    `max_refused` (a share) of the problems may be unusable: they are named and left out.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        source: ProblemSource,
        engine: RolloutEngine,
        rewards: Mapping[str, RewardCallback],
        drawing: Drawing,
        samples: str,
        run_dir: str,
        samples_from: str | None = None,
        tokens_per_batch: int = 1024,
        held_out_problems: int = 100,
        max_refused: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.prepare_data_per_node = False  # runs lie on a disk that all nodes share
        if samples_from is not None and not (Path(samples_from) / SETTINGS).is_file():
            raise ConfigError(f"datamodule.samples_from={samples_from}: no samples there")
        self.policy, self.source, self.engine = policy, source, engine
        self.scorer = Scorer(rewards)
        self.drawing = drawing
        self.samples, self.samples_from = Path(samples), samples_from
        self.run_dir = Path(run_dir)
        self.tokens_per_batch = tokens_per_batch
        self.held_out_problems = held_out_problems
        self.usable = Usable(policy, "problems", max_refused=max_refused)
        self.seed = seed
        self.train: list[Item] = []
        self.held_out: list[Item] = []

    @abstractmethod
    def items(self, problem: Problem, samples: Sequence[Sample]) -> list[Item]:
        """What is learned from a problem's samples."""

    @abstractmethod
    def why_nothing(self, samples: Sequence[Sample]) -> str:
        """Why there is nothing in these, in a few words."""

    @abstractmethod
    def length(self, item: Item) -> int:
        """What an item counts of `tokens_per_batch`."""

    @cached_property
    def file(self) -> SampleFile:
        """The samples of the weights that training starts from: asked for before any step."""
        made_by = {
            "weights": weights_digest(self.policy.model),
            "drawing": asdict(self.drawing),
            "graders": {n: described(one) for n, one in self.scorer.rewards.items() if one.outcome},
        }
        folder = self.samples_from or self.samples / named_by(made_by)
        return SampleFile(Path(folder), made_by)

    @cached_property
    def problems(self) -> dict[str, list[Problem]]:
        """Those that can be asked and graded, of both sides; the others are named.

        Raises ValueError if they are more than the share.
        """
        held_out = list(islice(self.source.held_out, self.held_out_problems))
        sides = {"train": self.source.train, "held_out": held_out}
        found = {
            side: [problem for problem in problems if self._can_be_used(problem)]
            for side, problems in sides.items()
        }
        self.usable.report()
        return found

    def prepare_data(self) -> None:
        """Draw and grade what the folder does not have yet."""
        if self.train:
            return
        there = self.file.read()
        wanted = [problem for side in self.problems.values() for problem in side]
        missing = [problem for problem in wanted if self._mark(problem) not in there]
        if not missing:
            return
        print(f"samples of {len(missing)} problems are drawn into {self.file.folder}", flush=True)
        if self.trainer is not None:
            self.policy.model.to(self.trainer.strategy.root_device)
        sync(self.engine, self.policy.model, 0)
        self.scorer.start_iteration()
        progress = phase("sample", len(missing), " problems")
        with locked(self.file.folder), progress:
            for _ in self.file.write(self._scored(missing)):
                progress.update()
        self.engine.sleep()

    def setup(self, stage: str) -> None:
        """Choose what is learned from, and say of how many problems; runs once.

        Raises ConfigError if that is nothing.
        """
        if self.train:
            return
        there, report = self.file.read(), {}
        for side, into in (("train", self.train), ("held_out", self.held_out)):
            reasons: Counter[str] = Counter()
            for problem in self.problems[side]:
                samples = there.get(self._mark(problem), [])
                found = self.items(problem, samples) if samples else []
                into += found
                if not found:
                    reasons[self.why_nothing(samples) if samples else "not graded"] += 1
            every = len(self.problems[side])
            report[side] = {"problems": every, "used": every - reasons.total(), "items": len(into)}
            report[side] |= {f"left out: {reason}": n for reason, n in sorted(reasons.items())}
            print(f"{side}: {', '.join(f'{name} {n}' for name, n in report[side].items())}")
        self._write({"samples": str(self.file.folder), **report})
        if not self.train:
            self.nothing_teaches(report["train"])

    def nothing_teaches(self, report: Mapping[str, int]) -> None:
        """Raises ConfigError: there is nothing to train on."""
        raise ConfigError(
            f"no problem's samples teach anything: {report}; start from a better model, draw more "
            "(datamodule.drawing.samples_per_problem), or let answers be longer "
            "(data.max_response_tokens)"
        )

    def train_dataloader(self) -> DataLoader:
        """Batches of items, each under the token budget."""
        batches = self._batches(self.train)
        return ResumableLoader(self.train, batches, shard_of(self.trainer), within=self)

    def val_dataloader(self) -> DataLoader:
        """Of problems that are not trained on."""
        batches = self._batches(self.held_out)
        return SharedLoader(self.held_out, batches, shard_of(self.trainer))

    def example(self, problem: Problem, sample: Sample) -> Example:
        """A sample as it was drawn."""
        prompt = self.policy.encode(problem)
        return Example(
            prompt_tokens=prompt, response_tokens=tuple(sample.tokens), images=problem.images
        )

    def _scored(self, problems: Sequence[Problem]) -> Iterator[RolloutGroup]:
        """Groups whose grader broke are left out, and drawn again at the next start."""
        for group in drawn(self.engine, self.policy, problems, self.drawing):
            scored = self.scorer.score(group)
            if scored is not None:
                yield scored

    def _mark(self, problem: Problem) -> str:
        return mark_of(problem, self.policy.encode(problem))

    def _can_be_used(self, problem: Problem) -> bool:
        setting = "data.max_response_tokens"
        reason = self.scorer.refusals([problem]).get(problem.id) or why_not_asked(
            self.policy, problem, self.drawing, setting
        )
        if reason:
            self.usable.refuse(problem.id, reason)
        else:
            self.usable.seen(problem.id)
        return not reason

    def _batches(self, items: Sequence[Item]) -> LengthBuckets:
        return LengthBuckets(list(map(self.length, items)), self.tokens_per_batch, self.seed)

    def _write(self, report: Mapping[str, Any]) -> None:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        (self.run_dir / "samples.json").write_text(json.dumps(report, indent=1) + "\n")


def described(reward: RewardCallback) -> dict[str, Any]:
    """What a reward grades by, as far as its plain attributes tell."""
    own = {name: value for name, value in vars(reward).items() if not name.startswith("_")}
    plain = {name: value for name, value in own.items() if isinstance(value, PLAIN)}
    return {"class": f"{type(reward).__module__}.{type(reward).__qualname__}", **plain}

"""The long-CoT warm-up set (k1.5 §2.2): small, verified, written by prompting or by a teacher.

    problems ─► traces: prompted model, teacher, or demonstrator ─► graders ─► samples.jsonl
                                                                                   │
    SFT batches ◄─ bare question + trace ◄─ long_cot.jsonl ◄─ the longest right ones ◄─┘

The set is made in `prepare_data`, so by one process, before any step: a row of `samples.jsonl` when
a problem's answers are graded, so that a killed run goes on where it was. What is kept is written
into the run's folder, from where all ranks read it, and a resumed run again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from k15.config.errors import ConfigError
from k15.datamodules.demonstrations import DemonstrationData
from k15.datamodules.sampled import described
from k15.datamodules.usable import Usable
from k15.folders import locked
from k15.models.policy import Policy
from k15.problems.sources import DemonstratedSource
from k15.progress import phase
from k15.questions import Split
from k15.rewards.base import RewardCallback
from k15.rewards.scorer import Scorer
from k15.rollouts.kept import KEPT, Kept, best, read_kept, rows_of, write_kept
from k15.rollouts.samples import Sample, SampleFile, mark_of, named_by
from k15.rollouts.shortest import NONE_RIGHT
from k15.rollouts.traces import Traces
from k15.types import Problem, RolloutGroup

SIDES: tuple[Split, Split] = ("train", "held_out")
Marked = Mapping[str, Sequence[Sample]]
"""The samples of each asked problem by its mark."""


class KeptTraces:
    """The kept traces as a source to learn from."""

    words: tuple[str, ...] = ()
    max_response_tokens = 0

    def __init__(self, pairs: Mapping[Split, Sequence[tuple[Problem, str]]]) -> None:
        self.pairs = pairs
        self.train: Sequence[Problem] = [problem for problem, _ in pairs["train"]]
        self.held_out: Sequence[Problem] = [problem for problem, _ in pairs["held_out"]]

    def demonstration(self, index: int, split: Split = "train") -> tuple[Problem, str]:
        """Number `index` of a side."""
        return self.pairs[split][index]


class LongCotData(DemonstrationData):
    """SFT on traces of the source's problems that every verifier agrees with.

    `traces` writes them for the first `problems` problems to train on (None: all), and for the
    first `held_out_problems` of the others, for `val/loss`. At most `traces_per_problem` are kept,
    the longest right ones, one of each form. `samples` is the folder in which all graded answers
    have a folder by what made them. Up to `max_refused` (a share) of the problems may be unusable.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        source: DemonstratedSource,
        traces: Traces,
        rewards: Mapping[str, RewardCallback],
        samples: str,
        run_dir: str,
        problems: int | None = None,
        held_out_problems: int = 20,
        traces_per_problem: int = 2,
        tokens_per_batch: int = 1024,
        max_refused: float = 0.01,
        seed: int = 0,
    ) -> None:
        for name, number in (("problems", problems), ("traces_per_problem", traces_per_problem)):
            if number is not None and number < 1:
                raise ConfigError(f"datamodule.{name}={number}: must be at least 1")
        super().__init__(
            policy=policy,
            source=source,
            tokens=None,
            tokens_per_batch=tokens_per_batch,
            held_out_examples=held_out_problems * traces_per_problem,
            max_refused=max_refused,
            seed=seed,
        )
        self.prepare_data_per_node = False  # runs lie on a disk that all nodes share
        self.traces, self.scorer = traces, Scorer(rewards)
        self.samples, self.run_dir = Path(samples), Path(run_dir)
        self.numbers = {"train": problems, "held_out": held_out_problems}
        self.traces_per_problem = traces_per_problem
        self.askable = Usable(policy, "problems", max_refused=max_refused)
        self.marks: dict[str, str] = {}
        """By the id of a problem in one form: of how it is asked and graded."""

    def prepare_data(self) -> None:
        """Have traces written and graded that are not there yet, and keep the best."""
        if (self.run_dir / KEPT).is_file():
            return
        asked = self._asked()
        made_by = {**self.traces.made_by(), "graders": self._graders()}
        file = SampleFile(self.samples / named_by(made_by), made_by)
        there = file.read()
        missing = [one for forms in asked.values() for one in forms.values()]
        missing = [one for one in missing if self.marks[one.id] not in there]
        if missing:
            self._write(file, missing)
        self._keep(asked, file)

    def setup(self, stage: str) -> None:
        """Learn from the kept traces as SFT does from demonstrations; runs once."""
        if self.train:
            return
        rows: dict[str, list[Kept]] = {}
        for row in read_kept(self.run_dir):
            rows.setdefault(row.problem, []).append(row)
        pairs: dict[Split, list[tuple[Problem, str]]] = {
            side: [
                (problem, row.trace)
                for problem in self._problems(side)
                for row in rows.get(problem.id, [])
            ]
            for side in SIDES
        }
        self.source = KeptTraces(pairs)
        super().setup(stage)

    def _problems(self, side: Split) -> list[Problem]:
        return self.traces.problems(side, self.numbers[side])

    def _asked(self) -> dict[str, dict[str, Problem]]:
        """The problems that can be asked and graded, of both sides, in all forms; by id.

        Raises ValueError if the others, which are named, are more than the share.
        """
        every = {problem.id: problem for side in SIDES for problem in self._problems(side)}
        found = {id: self.traces.forms(one) for id, one in every.items() if self._graded(one)}
        found = {id: forms for id, forms in found.items() if self._askable(id, forms)}
        self.askable.report()
        return found

    def _graded(self, problem: Problem) -> bool:
        reason = self.scorer.refusals([problem]).get(problem.id)
        if reason:
            self.askable.refuse(problem.id, reason)
        return not reason

    def _askable(self, id: str, forms: Mapping[str, Problem]) -> bool:
        reasons = filter(None, map(self.traces.why_not_asked, forms.values()))
        if reason := next(reasons, None):
            self.askable.refuse(id, reason)
        else:
            self.askable.seen(id)
            self.marks |= {p.id: mark_of(p, self.traces.encode(p)) for p in forms.values()}
        return not reason

    def _write(self, file: SampleFile, missing: Sequence[Problem]) -> None:
        print(f"answers to {len(missing)} prompts are written into {file.folder}", flush=True)
        self.scorer.start_iteration()
        progress = phase("trace", len(missing), " prompts")
        with locked(file.folder), progress:
            for _ in file.write(self._scored(missing)):
                progress.update()

    def _scored(self, missing: Sequence[Problem]) -> Iterator[RolloutGroup]:
        """Groups whose grader broke are left out, and written again at the next start."""
        device = self.trainer.strategy.root_device if self.trainer else None
        for group in self.traces.answers(missing, device):
            scored = self.scorer.score(group)
            if scored is not None:
                yield scored

    def _keep(self, asked: Mapping[str, Mapping[str, Problem]], file: SampleFile) -> None:
        """Write what is kept, and of how many problems and forms; ConfigError if that is nothing
        to train on.
        """
        there = file.read()
        rows: list[Kept] = []
        report: dict[str, Any] = {"samples": str(file.folder)}
        for side in SIDES:
            problems = [problem for problem in self._problems(side) if problem.id in asked]
            chosen = {one.id: self._chosen(asked[one.id], there) for one in problems}
            used = [problem for problem in problems if chosen[problem.id]]
            kept = [row for p in used for row in rows_of(p, chosen[p.id], self.run_dir)]
            figures = {"problems": len(problems), "used": len(used), "traces": len(kept)}
            report[side] = figures | {f"left out: {NONE_RIGHT}": len(problems) - len(used)}
            print(f"{side}: {', '.join(f'{name} {n}' for name, n in report[side].items())}")
            rows += kept
            if side == "train" and not kept:
                raise ConfigError(
                    f"no trace is right: {figures}; take a better model or easier problems, ask "
                    "more often (traces.drawing.samples_per_problem), or let answers be longer "
                    "(data.max_response_tokens)"
                )
        report["right"] = self._shares(asked, there)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        (self.run_dir / "samples.json").write_text(json.dumps(report, indent=1) + "\n")
        write_kept(self.run_dir, rows)

    def _chosen(self, forms: Mapping[str, Problem], there: Marked) -> list[tuple[str, Sample]]:
        samples = {form: there.get(self.marks[one.id], ()) for form, one in forms.items()}
        return best(samples, self.traces_per_problem)

    def _shares(self, asked: Mapping[str, Mapping[str, Problem]], there: Marked) -> dict[str, str]:
        """Of each form, how many of the answers are right: "12 of 80"."""
        right: Counter[str] = Counter()
        every: Counter[str] = Counter()
        for forms in asked.values():
            for form, one in forms.items():
                samples = there.get(self.marks[one.id], ())
                right[form] += sum(sample.right for sample in samples)
                every[form] += len(samples)
        return {form: f"{right[form]} of {every[form]}" for form in every}

    def _graders(self) -> dict[str, Any]:
        rewards = self.scorer.rewards.items()
        return {name: described(reward) for name, reward in rewards if reward.outcome}

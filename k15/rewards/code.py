"""Programs are graded by running them on the problem's tests, in a sandbox.

response ─ last fenced block ─► program ─ judge ─► verdict per test ─► 1 if all pass, or the share
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, get_args

from k15.graders.base import GraderFailure
from k15.graders.code.cases import read_case
from k15.graders.code.judge import Judge
from k15.graders.code.trial import JudgeFailure
from k15.markdown import code_block
from k15.rewards.base import RewardCallback
from k15.sandbox.protocol import LANGUAGES, Language, Limits

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from k15.graders.code.trial import Case
    from k15.sandbox.protocol import Sandbox
    from k15.types import Problem, RolloutGroup

Share = Literal["all", "fraction"]


class CodeReward(RewardCallback):
    """1.0 for a response whose program passes all tests of the problem, else 0.0 or their share."""

    outcome = True

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        reward: Share = "all",
        language: Language = "python",
        require_fence: bool = True,
        limits: Limits = Limits(),
        threads: int = 2,
        weight: float = 1.0,
        domains: Sequence[str] | None = ("code",),
    ) -> None:
        """Start nothing yet.

        Args:
            sandbox: where programs run.
            reward: "all", 1 if every test passes, stopping at the first that fails; "fraction", the
                share of tests that pass.
            language: of the programs, unless a problem's `meta["language"]` says otherwise.
            require_fence: see `code_block`.
            limits: of one test.
            threads: responses that are judged at the same time.
        """
        super().__init__(weight=weight, domains=domains)
        for name, value, choices in (
            ("reward", reward, get_args(Share)),
            ("language", language, LANGUAGES),
        ):
            if value not in choices:
                raise ValueError(f"rewards: {name}={value!r}: choose one of {', '.join(choices)}")
        if threads < 1:
            raise ValueError(f"rewards: threads={threads}: at least one is needed")
        self.sandbox = sandbox
        self.reward = reward
        self.language = language
        self.require_fence = require_fence
        self.threads = threads
        self.judge = Judge(sandbox, limits)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self.sandbox.start()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.sandbox.close()
        super().teardown(trainer, pl_module, stage)

    def check(self, problem: Problem) -> None:
        language = self._language(problem)
        cases = self._cases(problem)
        try:
            for case in cases:
                case.trial("", language)
        except (TypeError, ValueError) as error:  # arguments that JSON does not have
            raise ValueError(f"problem {problem.id!r}: {error}") from error

    def score(self, group: RolloutGroup) -> list[float]:
        cases, language = self._cases(group.problem), self._language(group.problem)

        def value(source: str | None) -> float:
            if source is None:
                return 0.0
            if self.reward == "all":
                return float(self.judge.passes(source, cases, language))
            return self.judge.fraction(source, cases, language)

        sources = [
            code_block(rollout.text, language, require_fence=self.require_fence)
            for rollout in group.rollouts
        ]
        distinct = list(dict.fromkeys(sources))  # a sharpened policy writes many programs twice
        try:
            with ThreadPoolExecutor(self.threads) as threads:
                values = dict(zip(distinct, threads.map(value, distinct), strict=True))
        except JudgeFailure as failure:
            raise GraderFailure(str(failure)) from failure
        return [values[source] for source in sources]

    def _cases(self, problem: Problem) -> list[Case]:
        if not problem.tests:
            raise ValueError(f"problem {problem.id!r} has no tests")
        try:
            return [read_case(test) for test in problem.tests]
        except ValueError as error:
            raise ValueError(f"problem {problem.id!r}: {error}") from error

    def _language(self, problem: Problem) -> Language:
        language = problem.meta.get("language", self.language)
        if language not in LANGUAGES:
            raise ValueError(
                f"problem {problem.id!r}: language={language!r}: "
                f"choose one of {', '.join(LANGUAGES)}"
            )
        return language

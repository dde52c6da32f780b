"""Reward models (k1.5 §2.3.5): a value head, and a chain of thought that ends in a JSON verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from k15.engines.protocol import RolloutEngine
from k15.engines.sync import sync, weights_version
from k15.graders.base import Verdict
from k15.graders.judges import CotJudge, Judged, ValueJudge
from k15.losses.reward import RewardLoss, binary
from k15.losses.terms import Terms
from k15.models.policy import Policy
from k15.models.value_head import add_value_head, scores
from k15.modules.language import LanguageModule
from k15.modules.supervised import SupervisedModule
from k15.modules.tallies import Tallies
from k15.types import JudgedExample, Share


class RewardModel(SupervisedModule):
    """The classic reward model: turns the policy's model into one with a value head, in place.

    `loss` is one of `k15.losses.reward`, `options` are `SupervisedModule`'s.
    """

    def __init__(self, policy: Policy, *, loss: RewardLoss = binary, **options: Any) -> None:
        super().__init__(add_value_head(policy), **options)
        self.loss = loss

    def terms(self, judged: Sequence[JudgedExample]) -> tuple[Terms, int]:
        """The scores against the labels."""
        texts = [example.prompt_tokens for example in judged]
        correct_B = torch.tensor([example.correct for example in judged], device=self.device)
        question_B = torch.tensor([example.question for example in judged], device=self.device)
        return self.loss(scores(self.policy, texts), correct_B, question_B), sum(map(len, texts))

    def validation_step(
        self, judged: Sequence[JudgedExample], batch_index: int, dataloader_idx: int = 0
    ) -> None:
        """Loss and accuracy on judgements that were not trained on."""
        super().validation_step(judged, batch_index)
        at_once = sum(len(example.prompt_tokens) for example in judged) + 1
        judge = ValueJudge(self.policy, tokens_per_batch=at_once * len(judged))
        judge_share(self.held_out, judged, judge.judge)


class CotRewardModel(LanguageModule):
    """The chain-of-thought reward model: next-token prediction on reasoning with verdict.

    Validation lets the model write through `engine`, greedily, at most `max_new_tokens`.
    """

    def __init__(
        self, policy: Policy, *, engine: RolloutEngine, max_new_tokens: int, **options: Any
    ) -> None:
        super().__init__(policy, **options)
        self.engine = engine
        self.max_new_tokens = max_new_tokens

    def on_validation_start(self) -> None:
        """The engine writes with the newest weights."""
        sync(self.engine, self.model, weights_version(self.trainer))

    def on_validation_end(self) -> None:
        """Room for training."""
        self.engine.sleep()

    def validation_step(
        self, judged: Sequence[JudgedExample], batch_index: int, dataloader_idx: int = 0
    ) -> None:
        """Loss and accuracy on judgements that were not trained on; a verdict that cannot be read
        counts as a wrong one here.
        """
        super().validation_step(judged, batch_index)
        judge = CotJudge(self.policy, self.engine, max_new_tokens=self.max_new_tokens, attempts=1)
        judge_share(self.held_out, judged, judge.judge)


def judge_share(
    held_out: Tallies,
    judged: Sequence[JudgedExample],
    judge: Callable[[list[tuple[int, ...]]], Sequence[Judged]],
) -> None:
    """Have a rank's share judged, if it has one, for `val/accuracy`;
    `val/accepted_{right,wrong}`, shares of the correct and of the wrong responses that pass;
    `val/unreadable`, verdicts that are none; `val/held_out`, how many.
    """
    verdicts = judge([example.prompt_tokens for example in judged])
    if isinstance(judged, Share) and judged.silent:
        return  # it was there for the others' sake, who wait for each other in the model
    for example, one in zip(judged, verdicts, strict=True):
        value = one.correct if isinstance(one, Verdict) else None
        passed = value is not None and value > 0.5
        right = value is not None and passed == example.correct
        held_out.add("accuracy", right, 1)
        held_out.add(f"accepted_{'right' if example.correct else 'wrong'}", passed, 1)
        held_out.add("unreadable", value is None, 1)
    held_out.add("held_out", len(judged))

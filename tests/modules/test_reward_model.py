"""Reward models as modules: what they minimise, and that their accuracy rises."""

import math
from functools import partial
from random import Random

import torch
from lightning.pytorch import LightningModule

from k15.datamodules.judgements import JudgementData, TaskJudgements
from k15.engines.transformers import TransformersEngine
from k15.graders.base import GraderFailure, Verdict
from k15.losses.reward import pairwise
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.models.value_head import scores
from k15.modules.reward_model import CotRewardModel, RewardModel, judge_share
from k15.modules.tallies import Tallies
from k15.shard import Shard
from k15.tasks.judging import Make24Judging
from k15.tasks.make24 import Make24
from k15.types import JudgedExample, Share
from tests.closeness import close
from tests.modules.fitting import fit


class Unfinished(Make24Judging):
    """Its wrong responses lack their end: seen at a glance, so that every seed learns it soon."""

    def broken(self, response: str, rng: Random) -> str:
        return response[: response.rindex("}")]


JUDGING = Unfinished(Make24(levels=[1]), unreadable=1.0)


def policy() -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=JUDGING.words, hidden_size=32, layers=1)


def trained(module: LightningModule, judgements: int, reasoning: bool) -> dict[str, float]:
    """Held-out figures after an epoch."""
    data = JudgementData(
        policy=module.policy,
        source=TaskJudgements(JUDGING, held_out_problems=7),
        judgements=judgements,
        tokens_per_batch=600,
        reasoning=reasoning,
    )
    trainer = fit(module, data)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def test_the_value_head_learns_to_tell_right_from_wrong() -> None:
    """Seeds 0 to 4 all reach accuracy 1.00, with losses from 0.12 to 0.16."""
    module = RewardModel(policy(), learning_rate=3e-3)
    figures = trained(module, judgements=2000, reasoning=False)
    assert figures["val/accuracy"] > 0.9
    assert figures["val/loss"] < 0.4 < math.log(2)
    balanced = (figures["val/accepted_right"] + 1 - figures["val/accepted_wrong"]) / 2
    close(figures["val/accuracy"], balanced)  # half are correct


def test_the_value_head_learns_from_pairs() -> None:
    """Seeds 0 to 4 all rank every pair, 1.00."""
    module = RewardModel(policy(), learning_rate=3e-3, loss=partial(pairwise))
    figures = trained(module, judgements=2000, reasoning=False)
    assert figures["val/pairs_ranked"] > 0.9


def test_the_loss_is_the_cross_entropy_of_the_scores() -> None:
    module = RewardModel(policy(), learning_rate=1e-3)
    torch.nn.init.normal_(module.model.score.weight)
    examples = [
        JudgedExample(prompt_tokens=(20, 21), response_tokens=(), correct=True, question=0),
        JudgedExample(prompt_tokens=(30, 31, 32), response_tokens=(), correct=False, question=0),
    ]
    right, wrong = scores(module.policy, [e.prompt_tokens for e in examples]).tolist()
    by_hand = (math.log1p(math.exp(-right)) + math.log1p(math.exp(wrong))) / 2
    terms, tokens = module.terms(examples)
    close(terms.means()["loss"], by_hand)
    assert tokens == 2 + 3


def test_the_chain_of_thought_learns_to_end_in_a_verdict() -> None:
    """Seeds 0 to 4 all reach accuracy 1.00 without an unreadable verdict."""
    of = policy()
    engine = TransformersEngine(of)
    module = CotRewardModel(of, engine=engine, max_new_tokens=16, learning_rate=1e-2)
    figures = trained(module, judgements=2000, reasoning=True)
    assert figures["val/unreadable"] < 0.05
    assert figures["val/accuracy"] > 0.9
    assert engine.version == module.global_step


def test_the_figures_of_some_verdicts() -> None:
    """Of two correct responses one passes; of three wrong ones one does, one verdict is none."""

    judged = [
        JudgedExample(prompt_tokens=(1,), response_tokens=(), correct=label, question=0)
        for label in (True, True, False, False, False)
    ]
    verdicts = [*(Verdict(correct=p) for p in (0.9, 0.4, 0.6, 0.0)), GraderFailure("no verdict")]
    silent = Share(judged)
    silent.silent = True
    found = Tallies()
    for share in (judged, silent):
        judge_share(found, share, lambda texts: verdicts)
    assert found.means(Shard()) == {
        "held_out": 5,
        "accuracy": 2 / 5,
        "accepted_right": 1 / 2,
        "accepted_wrong": 1 / 3,
        "unreadable": 1 / 5,
    }

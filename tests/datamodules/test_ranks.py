"""RL data on two processes: what one process would collect, or as much of it."""

from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from k15.datamodules.rl import RLDataModule
from k15.datamodules.samplers import Prioritized
from k15.engines.transformers import TransformersEngine
from k15.models.tiny import tiny_policy
from k15.problems.sources import TaskSource
from k15.rollouts.plan import RolloutPlan
from k15.tasks.make24 import Make24
from k15.types import RolloutGroup
from tests.modules.test_iteration import SIZES, Even
from tests.modules.test_rl import module_of
from tests.two_ranks import on_two, trainer_of

ITERATIONS = 3
OF_ALL = SIZES.problems_per_iteration


class Watching(Callback):
    """What every iteration has collected, and what a checkpoint would hold behind it."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.held_out: list[Any] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        state = trainer.datamodule.state_dict()
        waiting = trainer.datamodule.collector.buffer._groups
        self.seen.append(
            {
                "groups": [(*tokens_of(group), group.reward) for group in batch.groups],
                "waiting": [tokens_of(group) for group in waiting],
                "sampler": state["sampler"],
                "started": state["buffer"]["started"],
                "metrics": batch.metrics,
            }
        )

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.held_out.append([tokens_of(group) for group in batch.groups])


def tokens_of(group: RolloutGroup) -> tuple[Any, ...]:
    """What does not depend on rounding."""
    tokens = [[segment.tokens for segment in r.segments] for r in group.rollouts]
    return group.number, group.problem, tokens, [r.text for r in group.rollouts]


def collected(cut: bool, overlap: bool = False) -> tuple[list[dict[str, Any]], list[Any]]:
    """What `Watching` has seen."""
    torch.manual_seed(0)
    policy = tiny_policy(words=Make24().words, hidden_size=32, context=64, initializer_range=0.1)
    policy.stop_ids = tuple(range(1, len(policy.tokenizer), 8))  # one token in eight
    engine = TransformersEngine(policy, slots=8, copy=overlap)
    plan = RolloutPlan(
        sizes=SIZES,
        max_response_tokens=16,
        segment_tokens=None if cut else 6,
        cut_unfinished=cut,
        oversampling=1.5,
        overlap=overlap,
    )
    data = RLDataModule(
        policy=policy,
        source=TaskSource(Make24(seed=12), train_problems=40, held_out_problems=5),
        engine=engine,
        sampler=Prioritized(),
        rewards={"even": Even()},
        plan=plan,
    )
    watching = Watching()
    module = module_of(policy, engine=engine, problems_per_iteration=12, samples_per_problem=6)
    trainer_of(watching, max_epochs=ITERATIONS).fit(module, data)
    return watching.seen, watching.held_out


def without_times(metrics: dict[str, float]) -> dict[str, float]:
    return {k: v for k, v in metrics.items() if "seconds" not in k and "per_second" not in k}


@pytest.mark.parametrize("overlap", [False, True])
def test_uncut_iterations_are_those_of_one_process(overlap: bool) -> None:
    """Segments, so that groups wait; a sampler that learns from what all ranks have seen. What is
    collected in a thread meets that of the other rank, and not its gradients.
    """
    expected, held_out = collected(False, overlap)
    assert any(seen["waiting"] for seen in expected)
    for found, found_held_out in on_two(collected, False, overlap):
        assert found_held_out == held_out
        for ours, theirs in zip(found, expected, strict=True):
            metrics = without_times(theirs["metrics"])
            assert without_times(ours["metrics"]) == pytest.approx(metrics, rel=1e-4)
            assert ours == theirs | {"metrics": ours["metrics"]}


def test_cut_iterations_have_the_groups_that_are_wanted() -> None:
    """Half of them from each rank; both know all of them, and what waits, and draw on alike."""
    (first, _), (second, _) = on_two(collected, True)
    handed_out = [number for seen in first for number, *_ in seen["groups"]]
    assert len(handed_out) == len({*handed_out})  # none is trained on twice
    for ours, theirs in zip(first, second, strict=True):
        assert ours == theirs and ours["waiting"]
        numbers = [number for number, *_ in ours["groups"]]
        assert [sum(n % 2 == rank for n in numbers) for rank in (0, 1)] == [OF_ALL // 2] * 2

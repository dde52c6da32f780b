"""The engine's distance from the trainer, summed over micro-batches and ranks."""

from math import exp

import pytest
import torch

from k15.losses.policy_loss import LossInputs
from k15.modules.mismatch import mismatch
from k15.shard import Shard


def of(difference: list[float], fresh: list[bool]):
    """A response whose tokens the engine found so much more likely than the trainer."""
    reference_BT = torch.full((1, len(difference)), -2.0)
    inputs = LossInputs(
        logp_BT=reference_BT,
        reference_logp_BT=reference_BT,
        engine_logp_BT=reference_BT + torch.tensor([difference]),
        advantage_BT=torch.zeros(1, 1),
        mask_BT=torch.ones(1, len(difference), dtype=torch.bool),
        sequences=1.0,
        tokens=float(len(difference)),
    )
    return mismatch(inputs, torch.tensor([fresh]))


def test_figures_by_hand() -> None:
    """Fresh are 0.5, -0.1 and 0: of d = log mu - log pi, k3 is exp(-d) - 1 + d."""
    two = of([0.5, 7.0], [True, False]), of([-0.1, 0.0], [True, True])
    figures = sum(two).figures(Shard())
    assert figures["engine_mismatch"] == pytest.approx(0.6 / 3, rel=1e-5)
    assert figures["engine_mismatch_max"] == pytest.approx(0.5, rel=1e-6)
    divergence = (exp(-0.5) - 0.5 + exp(0.1) - 1.1) / 3
    assert figures["engine_mismatch_kl"] == pytest.approx(divergence, rel=1e-4)
    assert 0.5 <= figures["engine_mismatch_p95"] < 0.5 * 1.06


def test_the_95th_percentile_of_many() -> None:
    """95 of 100 tokens differ by at most 0.001, five by 1: rounded up by less than 6 %."""
    figures = of([1e-3] * 95 + [1.0] * 5, [True] * 100).figures(Shard())
    assert 1e-3 <= figures["engine_mismatch_p95"] < 1.06e-3
    more = of([1e-3] * 94 + [1.0] * 6, [True] * 100).figures(Shard())
    assert 1 <= more["engine_mismatch_p95"] < 1.06


def test_no_distance_is_too_small_or_too_large() -> None:
    """An engine that agrees is at 0; what a class has no room for is in the last one."""
    assert of([0.0], [True]).figures(Shard())["engine_mismatch_p95"] == pytest.approx(1e-9)
    for far in (1e6, float("inf"), float("nan")):
        assert of([far], [True]).figures(Shard())["engine_mismatch_p95"] == pytest.approx(100)
    assert of([0.5], [False]).figures(Shard()) == {}

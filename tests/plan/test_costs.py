"""Seconds from data sheets, and operations, by hand."""

import pytest

from k15.config import ConfigError
from k15.plan.costs import Device, Shares, Work, from_data_sheet, pairs_of
from k15.plan.parameters import Counts
from k15.plan.placement import Placement

DEVICE = Device(name="x", source="x", flops=1e12, bandwidth=1e9, link=1e6, network=1e5)
ALL = Shares(train=1.0, prefill=1.0, decode=1.0, link=1.0, step_seconds=0.5)
WORK = Work(products=10, trained_share=1.0, query=3)
COUNTS = Counts(
    trained=1_000_000, frozen=0, adapter=0, parts={}, linear=0, largest=0, largest_layer=0,
    products=10,
)  # fmt: skip


def costs(placement: Placement, **more):
    return from_data_sheet(
        DEVICE, ALL, WORK, COUNTS, placement, weight_bytes=4, computed_bytes=2,
        bytes_per_position=7, own_weights=more.get("own_weights", False),
    )  # fmt: skip


def test_pairs_are_tokens_with_those_before_them() -> None:
    assert pairs_of([3, 1]) == (1 + 2 + 3) + 1


def test_operations_of_the_passes() -> None:
    """5 tokens of 10 weights, 4 pairs of 3 numbers: 100 and 48; back twice as many."""
    assert WORK.forward(5, 4) == 2 * 10 * 5 + 4 * 3 * 4 == 148
    assert WORK.learn(5, 4) == 148 + 2 * 148
    again = Work(products=10, trained_share=1.0, query=3, recomputed=True)
    assert again.learn(5, 4) == 4 * 148
    frozen = Work(products=10, trained_share=0.0, query=3)
    assert frozen.learn(5, 4) == 148 + 100 + 2 * 48  # no gradients of weights


def test_a_decode_step_reads_all_weights_and_the_cache() -> None:
    found = costs(Placement(kind="gpu"))
    assert found.decode_step == 0.5 + 2e6 / 1e9
    assert found.decode(3, 10) == pytest.approx(found.decode_step + 3 * 20 / 1e12 + 70 / 1e9)
    assert found.exchange_step == found.exchange_micro_batch == found.sync == 0


def test_ddp_sends_gradients_twice_around_the_ring() -> None:
    found = costs(Placement(kind="gpu", devices=4))
    assert found.exchange_step == pytest.approx(2 * 0.75 * 4e6 / 1e6)
    assert costs(Placement(kind="gpu", devices=2, nodes=2)).exchange_step == pytest.approx(
        2 * 0.75 * 4e6 / 1e5
    )


def test_fsdp_gathers_weights_for_both_passes() -> None:
    found = costs(Placement(kind="gpu", devices=4, sharded=True))
    assert found.exchange_step == pytest.approx(0.75 * 4e6 / 1e6)
    assert found.exchange_micro_batch == pytest.approx(2 * 0.75 * 2e6 / 1e6)


def test_an_engine_beside_the_trainer_is_given_weights() -> None:
    assert costs(Placement(kind="gpu"), own_weights=True).sync == pytest.approx(2e6 / 1e6)


def test_what_cannot_be_is_named() -> None:
    with pytest.raises(ConfigError, match=r"device.flops=-1"):
        Device(name="x", source="x", flops=-1)
    with pytest.raises(ConfigError, match=r"shares.train=2"):
        Shares(train=2)
    assert Device(name="x", source="x").measured and not DEVICE.measured

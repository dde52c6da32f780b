"""Bytes, added up by hand."""

import pytest

from k15.plan.memory import Engine, capacity, memory_of
from k15.plan.parameters import Counts
from k15.plan.placement import Placement
from k15.plan.trace import Traced

NOTHING = Engine(kind="none")
PASSES = Traced(kept=1000, peak=1500)


def counts(trained: int = 100, frozen: int = 0, adapter: int = 0) -> Counts:
    return Counts(
        trained=trained, frozen=frozen, adapter=adapter, linear=60, largest=20, largest_layer=30,
        products=80, parts={"embedding": 20}, hidden=70,
    )  # fmt: skip


def rows(of=None, placement=None, engine=NOTHING, weight_bytes=4, computed_bytes=4, **more):
    place = placement or Placement()
    return memory_of(
        of or counts(),
        place,
        engine,
        PASSES,
        weight_bytes=weight_bytes,
        computed_bytes=computed_bytes,
        **more,
    )


def always(found) -> float:
    """Weights, gradients and optimizer."""
    return sum(found.phases["step"][name] for name in ("weights", "gradients", "optimizer"))


@pytest.mark.parametrize("weight_bytes", [4, 2])
def test_a_trained_weight_takes_16_bytes_in_every_type(weight_bytes: int) -> None:
    assert always(rows(weight_bytes=weight_bytes)) == 16 * 100


def test_frozen_weights_have_neither_gradient_nor_optimizer() -> None:
    """2 bytes for each of 1,000 frozen ones, 16 for each of the adapter's, which are float32."""
    found = rows(counts(trained=100, frozen=1000, adapter=100), weight_bytes=2, computed_bytes=2)
    assert always(found) == 2 * 1000 + 16 * 100


def test_what_a_micro_batch_takes_is_there_while_it_learns() -> None:
    learning = rows().phases["learning"]
    assert learning["activations"] == 1000 and learning["logits and what passes"] == 500
    assert rows().peak == 16 * 100 + 1500 and rows().fullest == "learning"


def test_ddp_has_buckets_and_fsdp_a_part_of_everything() -> None:
    ddp = rows(placement=Placement(kind="gpu", devices=4)).phases["learning"]
    assert ddp["DDP's buckets"] == 400
    sharded = rows(placement=Placement(kind="gpu", devices=4, sharded=True), computed_bytes=2)
    assert always(sharded) == 16 * 100 / 4
    # two layers of 30 and the embedding of 20, in bfloat16
    assert sharded.phases["learning"]["gathered layers"] == 2 * (2 * 30 + 20)


def test_muon_keeps_one_moment_of_hidden_matrices() -> None:
    """8 bytes for 30 of 100 weights, 4 for the others."""
    assert rows(muon=True).phases["step"]["optimizer"] == 8 * 30 + 4 * 70


def test_the_optimizer_and_the_first_weights() -> None:
    assert rows(optimizer_on_cpu=True).phases["learning"]["optimizer"] == 0
    assert rows(start_copy=True).phases["learning"]["weights at the start"] == 400


def test_a_step_takes_the_largest_tensor_twice_on_a_cpu_and_all_roots_on_a_gpu() -> None:
    assert rows().phases["step"]["what passes"] == 2 * 20 * 4
    gpu = Placement(kind="gpu")
    assert rows(placement=gpu).phases["step"]["what passes"] == 4 * 100
    # and float32 gradients of all masters
    narrow = rows(placement=gpu, weight_bytes=2).phases["step"]["what passes"]
    assert narrow == 4 * 100 + 4 * 100


def test_the_engine_in_this_process() -> None:
    """3 slots of 10 positions of 8 bytes; weights of linear layers cast to 2 bytes; four float32
    numbers for each slot and each of 7 tokens of the vocabulary.
    """
    engine = Engine(
        kind="transformers", slots=3, positions=10, bytes_per_position=8, vocabulary=7
    )  # fmt: skip
    found = rows(engine=engine, computed_bytes=2).phases["sampling"]
    assert found["keys and values"] == 3 * 10 * 8 and found["weights, cast"] == 2 * 60
    assert found["logits"] == 4 * 4 * 3 * 7


def test_vllm_has_weights_of_its_own_and_on_a_cpu_keeps_them() -> None:
    engine = Engine(kind="vllm", cache_bytes=5000, number_bytes=2)
    of = counts(trained=100, frozen=1000, adapter=100)
    gpu = rows(of, Placement(kind="gpu"), engine, weight_bytes=2, computed_bytes=2).phases
    assert gpu["sampling"]["the engine's weights"] == 2 * 1000  # the adapter is merged
    assert gpu["sampling"]["keys and values"] == 5000 and "keys and values" not in gpu["learning"]
    cpu = rows(of, Placement(), engine, weight_bytes=2, computed_bytes=2).phases
    assert cpu["learning"]["keys and values"] == 5000


@pytest.mark.parametrize(
    ("longest", "possible", "positions"),
    [(10, 133, 133), (200, 5000, 256), (300, 5000, 512), (600, 5000, 1024), (600, 700, 700)],
)
def test_slots_double_as_the_cache_does(longest: int, possible: int, positions: int) -> None:
    assert capacity(longest, possible) == positions

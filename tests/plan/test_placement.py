"""How many devices there are, and which part of the weights each has."""

import pytest

from k15.config import ConfigError, load
from k15.plan.placement import Placement, placement_of


def of(*words: str, **options) -> Placement:
    config = load("train", ["stage=rl", *words])
    return placement_of(config.trainer, **options)


def test_one_process_on_a_cpu() -> None:
    found = of()
    assert found == Placement() and (found.world, found.ranks, found.shards) == (1, 1, 1)


def test_each_rank_of_ddp_has_all_weights() -> None:
    found = of("trainer=ddp", "trainer.devices=8", "trainer.num_nodes=4")
    assert (found.kind, found.world, found.ranks, found.shards) == ("gpu", 32, 32, 1)


def test_sharding_and_tensor_parallel_divide_the_devices() -> None:
    found = of("trainer=ddp", "trainer.devices=8", sharding="full", tensor=2)
    assert (found.ranks, found.shards, found.tensor) == (4, 4, 2)


@pytest.mark.parametrize(
    "strategy",
    [
        "fsdp",
        {"_target_": "lightning.pytorch.strategies.ModelParallelStrategy"},
        {"_target_": "my.package.FSDP2Strategy", "tensor_parallel_size": 2},
    ],
)
def test_a_strategy_says_that_it_shards(strategy) -> None:
    found = placement_of({"accelerator": "gpu", "devices": 8, "strategy": strategy})
    tensor = 2 if "tensor_parallel_size" in strategy else 1
    assert found.sharded and found.tensor == tensor and found.shards == 8 // tensor


def test_devices_that_nobody_counted_are_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.devices=auto: say how many"):
        of("trainer=ddp")


def test_tensor_parallel_divides_the_world() -> None:
    with pytest.raises(ConfigError, match="tensor_parallel=3 does not divide the 8 devices"):
        of("trainer=ddp", "trainer.devices=8", tensor=3)

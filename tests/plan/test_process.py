"""Bytes of a process without tensors."""

from omegaconf import OmegaConf

from k15.plan.process import FIRST_USE, process_bytes, targets

NODE = {
    "data": {"_target_": "k15.shard.Shard", "rewards": [{"_target_": "no.such.Part"}]},
    "seed": 1,
}


def test_all_that_is_built_counts_wherever_it_stands() -> None:
    assert [*targets(NODE)] == ["k15.shard.Shard", "no.such.Part"]


def test_what_is_imported_is_measured_and_what_is_not_there_left_out() -> None:
    """It is not this process, which is made large: 1 GiB of zeros that are there."""
    large = bytearray(2**30)
    large[::4096] = b"1" * (2**30 // 4096)
    found = process_bytes(OmegaConf.create(NODE)) - FIRST_USE
    assert 0.005 < found / 2**30 < 0.5

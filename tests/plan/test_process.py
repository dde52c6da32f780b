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
    """An interpreter with torch has between 0.1 and 2 GiB."""
    found = process_bytes(OmegaConf.create(NODE)) - FIRST_USE
    assert 0.1 < found / 2**30 < 2.0

"""A digest goes by what the weights are, not by where they lie."""

from pathlib import Path

import torch

from k15.models.loading import load_policy
from k15.models.tiny import tiny_policy
from k15.weights.digest import weights_digest


def test_weights_are_told_apart(tmp_path: Path) -> None:
    policy = tiny_policy(hidden_size=32, layers=1)
    policy.save(tmp_path / "one")
    digest = weights_digest(policy.model)
    assert weights_digest(load_policy(str(tmp_path / "one")).model) == digest
    assert weights_digest(load_policy(str(tmp_path / "one"), dtype="bfloat16").model) != digest
    with torch.no_grad():
        next(policy.model.parameters())[0, 0] += 1e-6
    assert weights_digest(policy.model) != digest

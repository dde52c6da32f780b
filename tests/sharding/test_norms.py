"""How long the gradients are together, and that they are cut to a length."""

import torch
from torch import nn

from k15.sharding.norms import clip, gradient_norm
from tests.closeness import close


def parameters() -> list[nn.Parameter]:
    """Gradients (3, 0), (4) and none: 5 long together."""
    found = [nn.Parameter(torch.zeros(size)) for size in (2, 1, 4)]
    found[0].grad, found[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    return found


def test_long_gradients_are_cut() -> None:
    weights = parameters()
    close(clip(weights, 2.5), 5.0)
    close(weights[0].grad, torch.tensor([1.5, 0.0]))
    close(weights[1].grad, torch.tensor([2.0]))
    close(gradient_norm(weights), 2.5)


def test_short_ones_stay_as_they_are() -> None:
    weights = parameters()
    close(clip(weights, 6.0), 5.0)
    assert weights[0].grad.tolist() == [3.0, 0.0]


def test_without_gradients_there_is_no_length() -> None:
    assert float(gradient_norm([nn.Parameter(torch.zeros(3))])) == 0.0

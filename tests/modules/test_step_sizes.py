"""The first steps of an iteration, in numbers that a reader can redo."""

import pytest
import torch

from k15.modules.precision import AdamWWithMasters
from k15.modules.step_sizes import StepSizes

RATE = 0.1
BETAS = (0.9, 0.95)


def moves(how: str, iterations: list[list[float]], warmup_steps: int = 0) -> list[list[float]]:
    """What each gradient, by iteration, adds to a weight, in units of the learning rate."""
    weight = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
    optimizer = AdamWWithMasters([weight], lr=RATE, betas=BETAS, eps=0.0, weight_decay=0.0)
    sizes, taken, found = StepSizes(optimizer_state=how, warmup_steps=warmup_steps), 0, []
    for gradients in iterations:
        sizes.begin(optimizer)
        found.append([])
        for step, gradient in enumerate(gradients):
            before, weight.grad = weight.item(), torch.tensor(gradient, dtype=torch.float64)
            sizes.set_rates(optimizer, [RATE], step, len(gradients), taken)
            optimizer.step()
            found[-1].append((weight.item() - before) / RATE)
            taken += 1
    return found


def test_after_a_reset_a_step_is_the_learning_rate_whatever_the_gradient() -> None:
    assert moves("reset", [[-4.0], [-0.01]]) == [pytest.approx([1.0]), pytest.approx([1.0])]


def test_with_a_warmup_the_steps_of_each_iteration_rise() -> None:
    quarters = pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert moves("reset_with_warmup", [[-4.0] * 4, [-0.01] * 4]) == [quarters, quarters]


def test_second_moments_that_are_kept_keep_the_scale() -> None:
    """Gradients 1, 1, then 0.1: v = 0.05 (0.95^2 + 0.95 + 0.01) = 0.093125, over 1 - 0.95^3 =
    0.142625 it is 0.652936, and 0.1 over its root is 0.12376. The momentum of the iteration before
    is gone: with it m = 0.1 (0.9^2 + 0.9 + 0.1) / (1 - 0.9^3) = 0.66790, over the root 0.8266.
    """
    (_, (small,)) = moves("keep_second_moments", [[-1.0, -1.0], [-0.1]])
    root = (0.05 * (0.95**2 + 0.95 + 0.01) / (1 - 0.95**3)) ** 0.5
    assert small == pytest.approx(0.1 / root) == pytest.approx(0.12376, rel=1e-4)
    (_, (kept,)) = moves("keep", [[-1.0, -1.0], [-0.1]])
    momentum = 0.1 * (0.9**2 + 0.9 + 0.1) / (1 - 0.9**3)
    assert kept == pytest.approx(momentum / root) == pytest.approx(0.8266, rel=1e-4)


def test_a_first_iteration_is_adam_in_each_but_for_its_warmup() -> None:
    adam, *others = (
        moves(how, [[-1.0, -3.0, 2.0]]) for how in ("reset", "keep_second_moments", "keep")
    )
    assert all(other == [pytest.approx(adam[0])] for other in others)


def test_the_rate_rises_over_the_first_steps_of_the_run() -> None:
    """Behind the third step it is whole, also in later iterations."""
    found = moves("reset", [[-1.0, -1.0], [-1.0, -1.0]], warmup_steps=3)
    assert found == [pytest.approx([1 / 3, 2 / 3]), pytest.approx([1.0, 1.0])]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer_state": "forget"}, "module.optimizer_state='forget': choose reset, reset_w"),
        ({"warmup_steps": -1}, "module.warmup_steps=-1: must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        StepSizes(**settings)

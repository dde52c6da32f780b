from dataclasses import replace
from functools import partial

import pytest
import torch

from k15.losses.importance import sequence_mask, truncated_importance
from k15.losses.mirror_descent import mirror_descent
from k15.losses.policy_gradient import ppo_clip, reinforce
from k15.losses.policy_loss import LossInputs
from tests.closeness import close

# Two responses, the second of one token. pi_i/mu of the three tokens: 1.5, 0.8, 4; cap 2.
WEIGHT = torch.tensor([[1.5, 0.8], [4.0, 1.0]], dtype=torch.float64)
LOGP = torch.tensor([[-1.0, -0.5], [-2.0, 7.0]], dtype=torch.float64)


def example() -> LossInputs:
    return LossInputs(
        logp_BT=LOGP.clone().requires_grad_(),
        reference_logp_BT=LOGP,
        engine_logp_BT=LOGP - WEIGHT.log(),
        advantage_BT=torch.tensor([[1.0], [-2.0]], dtype=torch.float64),
        mask_BT=torch.tensor([[True, True], [True, False]]),
        sequences=2,
        tokens=3,
    )


def run(inputs, loss, cap=2.0):
    value, metrics = truncated_importance(inputs, loss=loss, cap=cap)
    (gradient,) = torch.autograd.grad(value, inputs.logp_BT)
    return value, gradient, metrics


def test_each_token_is_weighed_by_hand():
    value, gradient, metrics = run(example(), reinforce)
    # -1/2 (1 * (1.5 * -1 + 0.8 * -0.5)  +  -2 * (2 * -2)) = -1/2 (-1.9 + 8)
    close(value, -3.05)
    close(gradient, [[-0.75, -0.4], [2.0, 0.0]])  # -A w / sequences
    close(metrics["importance_weight"], (1.5 + 0.8 + 2.0) / 3)
    close(metrics["importance_truncated"], 1 / 3)
    assert "approx_kl" in metrics  # of the loss inside


def test_the_penalty_of_mirror_descent_is_not_weighed():
    """At A = 0 there is nothing to weigh: the weights leave no trace."""
    inputs = replace(example(), advantage_BT=torch.zeros(2, 1), reference_logp_BT=LOGP - 0.3)
    loss = partial(mirror_descent, tau=0.5)
    plain, _ = loss(inputs)
    close(run(inputs, loss)[0], plain.detach())
    assert plain > 0


def test_an_engine_that_agrees_changes_nothing():
    inputs = replace(example(), engine_logp_BT=LOGP)
    for loss in (reinforce, ppo_clip, partial(mirror_descent, tau=0.5)):
        value, gradient, metrics = run(inputs, loss)
        plain, _ = loss(inputs)
        torch.testing.assert_close(value, plain, atol=0, rtol=0)
        (expected,) = torch.autograd.grad(plain, inputs.logp_BT)
        torch.testing.assert_close(gradient, expected, atol=0, rtol=0)
        assert metrics["importance_weight"] == 1 and metrics["importance_truncated"] == 0


def test_without_truncation_it_is_the_gradient_under_the_trainers_policy():
    """E over mu of (pi_i/mu) A grad log pi = E over pi_i of A grad log pi: one token of three,
    drawn from mu = (0.5, 0.3, 0.2) as often as mu says, against the sum over pi_i.
    """
    mu = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    logits = torch.tensor([0.2, -0.4, 0.9], dtype=torch.float64, requires_grad=True)
    advantage = torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64)
    drawn = torch.tensor([0] * 5 + [1] * 3 + [2] * 2)
    logp = logits.log_softmax(-1)
    inputs = LossInputs(
        logp_BT=logp[drawn, None],
        reference_logp_BT=logp.detach()[drawn, None],
        engine_logp_BT=mu.log()[drawn, None],
        advantage_BT=advantage[drawn, None],
        mask_BT=torch.ones(10, 1, dtype=torch.bool),
        sequences=10,
        tokens=10,
    )
    value, _ = truncated_importance(inputs, loss=reinforce, cap=1e9)
    (gradient,) = torch.autograd.grad(value, logits, retain_graph=True)
    (expected,) = torch.autograd.grad(-(logp.exp().detach() * advantage * logp).sum(), logits)
    close(gradient, expected)


def test_a_cap_has_to_be_above_zero():
    with pytest.raises(ValueError, match=r"cap=0\.0"):
        run(example(), reinforce, cap=0.0)


def masked(inputs, loss, low=0.5, high=2.0):
    value, metrics = sequence_mask(inputs, loss=loss, low=low, high=high)
    (gradient,) = torch.autograd.grad(value, inputs.logp_BT)
    return value, gradient, metrics


def test_a_response_outside_the_band_is_left_out_and_counted():
    """s is sqrt(1.5 * 0.8) = 1.095 of the first response and 4 of the second, which is out."""
    value, gradient, metrics = masked(example(), reinforce)
    close(value, -0.5 * (1.0 * (-1.0 - 0.5)))  # of two sequences, as without the mask
    close(gradient, [[-0.5, -0.5], [0.0, 0.0]])
    close(metrics["sequences_masked"], 0.5)
    close(metrics["sequence_ratio"], (1.2**0.5 + 4.0) / 2)
    _, gradient, metrics = masked(example(), reinforce, low=0.999, high=1.09)
    assert not gradient.any() and metrics["sequences_masked"] == 1


def test_a_response_that_is_left_out_has_no_penalty():
    inputs = replace(example(), reference_logp_BT=LOGP - 3.0, engine_logp_BT=LOGP)
    loss = partial(mirror_descent, tau=0.5)
    value, gradient, _ = masked(inputs, loss)  # s is exp(-3) of both
    assert value == 0 and not gradient.any() and loss(inputs)[0] > 0


def test_with_the_same_weights_no_response_is_left_out():
    """Rounding of the engine's arithmetic is far inside the band."""
    rounding = torch.tensor([[1e-3, -1e-3], [1e-3, 0.0]], dtype=torch.float64)
    inputs = replace(example(), engine_logp_BT=LOGP + rounding)
    for loss in (reinforce, ppo_clip, partial(mirror_descent, tau=0.5)):
        value, gradient, metrics = masked(inputs, loss)
        plain, _ = loss(inputs)
        assert value == plain and metrics["sequences_masked"] == 0
        (expected,) = torch.autograd.grad(plain, inputs.logp_BT)
        torch.testing.assert_close(gradient, expected, atol=0, rtol=0)


@pytest.mark.parametrize("band", [{"low": 0.0}, {"low": 1.0}, {"high": 1.0}])
def test_the_band_lies_around_one(band):
    with pytest.raises(ValueError, match=r"a band around 1"):
        masked(example(), reinforce, **band)

"""What holds for every policy loss."""

from functools import partial

import pytest
import torch

from k15.losses.mirror_descent import mirror_descent
from k15.losses.policy_gradient import cispo, grpo, gspo, ppo_clip, reinforce
from tests.closeness import close

LOSSES = {
    "mirror_descent": partial(mirror_descent, tau=0.5),
    "mirror_descent normalized": partial(mirror_descent, tau=0.5, length_normalizer=7.0),
    "reinforce": reinforce,
    "grpo": partial(grpo, clip=0.1, kl_weight=0.04),
    "ppo_clip": partial(ppo_clip, clip_low=0.1, clip_high=0.2),
    "gspo": partial(gspo, clip_low=0.01, clip_high=0.02),
    "cispo": partial(cispo, clip_low=0.1, clip_high=0.2),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
S, T = 6, 5


def minibatch():
    """Six responses of 0 to 5 tokens, off-policy by about 0.2 nats per token."""
    generator = torch.Generator().manual_seed(0)
    logp = -torch.rand(S, T, generator=generator) * 3
    reference = logp + 0.2 * torch.randn(S, T, generator=generator)
    mask = torch.arange(T) < torch.tensor([5, 3, 4, 1, 0, 5])[:, None]
    return logp.requires_grad_(), reference, torch.randn(S, generator=generator), mask


def loss_gradient_metrics(loss, inputs, rows=slice(None)):
    logp, reference, advantage, mask = inputs
    value, metrics = loss(
        logp[rows], reference[rows], advantage[rows], mask[rows], sequences=S, tokens=18
    )
    (gradient,) = torch.autograd.grad(value, logp)
    return value.detach(), gradient, metrics


@every_loss
def test_cuts_add_up_to_the_whole(loss):
    inputs = minibatch()
    whole, gradient, metrics = loss_gradient_metrics(loss, inputs)
    assert gradient.abs().max() > 0.01
    for cuts in ([slice(0, 1), slice(1, 6)], [slice(0, 2), slice(2, 4), slice(4, 6)]):
        parts = [loss_gradient_metrics(loss, inputs, rows) for rows in cuts]
        close(sum(part[0] for part in parts), whole)
        close(sum(part[1] for part in parts), gradient)
        close({name: sum(part[2][name] for part in parts) for name in metrics}, metrics)


@every_loss
def test_masked_positions_have_no_influence(loss):
    logp, reference, advantage, mask = minibatch()
    expected = loss_gradient_metrics(loss, (logp, reference, advantage, mask))
    other = torch.where(mask, logp.detach(), 1e4).requires_grad_()
    actual = loss_gradient_metrics(
        loss, (other, torch.where(mask, reference, -1e4), advantage, mask)
    )
    torch.testing.assert_close(actual, expected, atol=0, rtol=0)
    assert actual[1][~mask].abs().max() == 0


@every_loss
def test_on_policy_without_advantage_nothing_moves(loss):
    logp, _, advantage, mask = minibatch()
    _, gradient, _ = loss_gradient_metrics(loss, (logp, logp.detach(), 0 * advantage, mask))
    assert gradient.abs().max() == 0


@every_loss
def test_good_responses_go_up_and_bad_ones_down(loss):
    logp, _, _, mask = minibatch()
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    _, gradient, _ = loss_gradient_metrics(loss, (logp, logp.detach(), advantage, mask))
    assert (-gradient * advantage[:, None] > 0).eq(mask).all()


@every_loss
def test_the_reference_gets_no_gradient(loss):
    logp, reference, advantage, mask = minibatch()
    reference.requires_grad_()
    value, metrics = loss(logp, reference, advantage, mask, sequences=S, tokens=18)
    value.backward()
    assert reference.grad is None
    assert not any(metric.requires_grad for metric in metrics.values())


@every_loss
@pytest.mark.parametrize("wrong", [0, 1, 2, 3])
def test_shapes_that_do_not_fit(loss, wrong):
    inputs = list(minibatch())
    inputs[wrong] = inputs[wrong][:-1]
    with pytest.raises(ValueError, match=r"must be the same \[B, T\]"):
        loss(*inputs, sequences=S, tokens=18)


@every_loss
def test_mask_of_numbers(loss):
    logp, reference, advantage, mask = minibatch()
    with pytest.raises(ValueError, match=r"mask_BT is torch\.float32"):
        loss(logp, reference, advantage, mask.float(), sequences=S, tokens=18)

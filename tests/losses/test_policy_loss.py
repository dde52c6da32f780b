"""What holds for every policy loss."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from k15.losses.importance import truncated_importance
from k15.losses.mirror_descent import mirror_descent
from k15.losses.policy_gradient import cispo, grpo, gspo, ppo_clip, reinforce
from k15.losses.policy_loss import LossInputs, check_loss
from tests.closeness import close

LOSSES = {
    "mirror_descent": partial(mirror_descent, tau=0.5),
    "mirror_descent normalized": partial(mirror_descent, tau=0.5, length_normalizer=7.0),
    "reinforce": reinforce,
    "grpo": partial(grpo, clip=0.1, kl_weight=0.04),
    "ppo_clip": partial(ppo_clip, clip_low=0.1, clip_high=0.2),
    "gspo": partial(gspo, clip_low=0.01, clip_high=0.02),
    "cispo": partial(cispo, clip_low=0.1, clip_high=0.2),
    "truncated_importance": partial(
        truncated_importance, loss=partial(mirror_descent, tau=0.5), cap=1.1
    ),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
S, T = 6, 5


def minibatch(**changed) -> LossInputs:
    """Six responses of 0 to 5 tokens, off-policy by about 0.2 nats per token."""
    generator = torch.Generator().manual_seed(0)
    logp = -torch.rand(S, T, generator=generator) * 3
    reference = logp + 0.2 * torch.randn(S, T, generator=generator)
    inputs = LossInputs(
        logp_BT=logp.requires_grad_(),
        reference_logp_BT=reference,
        advantage_BT=torch.randn(S, 1, generator=generator),
        engine_logp_BT=reference + 0.2 * torch.randn(S, T, generator=generator),
        mask_BT=torch.arange(T) < torch.tensor([5, 3, 4, 1, 0, 5])[:, None],
        sequences=S,
        tokens=18,
    )
    return replace(inputs, **changed)


def rows_of(inputs: LossInputs, rows: slice) -> LossInputs:
    names = [name for name in inputs.__dataclass_fields__ if name.endswith("_BT")]
    return replace(inputs, **{name: getattr(inputs, name)[rows] for name in names})


def loss_gradient_metrics(loss, inputs, rows=slice(None)):
    value, metrics = loss(rows_of(inputs, rows))
    (gradient,) = torch.autograd.grad(value, inputs.logp_BT)
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
    inputs = minibatch()
    mask = inputs.mask_BT
    other = minibatch(
        logp_BT=torch.where(mask, inputs.logp_BT.detach(), 1e4).requires_grad_(),
        reference_logp_BT=torch.where(mask, inputs.reference_logp_BT, -1e4),
        engine_logp_BT=torch.where(mask, inputs.engine_logp_BT, 2e4),
    )
    expected, actual = (loss_gradient_metrics(loss, each) for each in (inputs, other))
    torch.testing.assert_close(actual, expected, atol=0, rtol=0)
    assert actual[1][~mask].abs().max() == 0


@every_loss
def test_an_advantage_per_token_generalises_one_per_response(loss):
    """Equal ones are the response's; a token without advantage is not pushed: off-policy terms
    aside, its gradient is that of no advantage at all.
    """
    inputs = minibatch()
    spread = replace(inputs, advantage_BT=inputs.advantage_BT.expand(S, T).contiguous())
    expected, actual = (loss_gradient_metrics(loss, each) for each in (inputs, spread))
    close(actual, expected)
    first = torch.arange(T).expand(S, T) == 0
    only_first = replace(inputs, advantage_BT=spread.advantage_BT * first)
    nothing = replace(inputs, advantage_BT=0 * inputs.advantage_BT)
    some, none = (loss_gradient_metrics(loss, each)[1] for each in (only_first, nothing))
    close(some[~first], none[~first])
    close(some[first], expected[1][first])


@every_loss
def test_on_policy_without_advantage_nothing_moves(loss):
    inputs = minibatch(advantage_BT=torch.zeros(S, 1))
    on_policy = replace(inputs, reference_logp_BT=inputs.logp_BT.detach())
    assert loss_gradient_metrics(loss, on_policy)[1].abs().max() == 0


@every_loss
def test_good_responses_go_up_and_bad_ones_down(loss):
    inputs = minibatch(advantage_BT=torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])[:, None])
    on_policy = replace(inputs, reference_logp_BT=inputs.logp_BT.detach())
    _, gradient, _ = loss_gradient_metrics(loss, on_policy)
    assert (-gradient * inputs.advantage_BT > 0).eq(inputs.mask_BT).all()


@every_loss
def test_only_the_policy_gets_a_gradient(loss):
    inputs = minibatch()
    inputs.reference_logp_BT.requires_grad_()
    inputs.engine_logp_BT.requires_grad_()
    value, metrics = loss(inputs)
    value.backward()
    assert inputs.reference_logp_BT.grad is None and inputs.engine_logp_BT.grad is None
    assert not any(metric.requires_grad for metric in metrics.values())


@every_loss
def test_the_check_before_training_takes_it(loss):
    check_loss(loss)


TENSORS = [name for name in LossInputs.__dataclass_fields__ if name.endswith("_BT")]


@pytest.mark.parametrize("wrong", TENSORS)
def test_shapes_that_do_not_fit(wrong):
    with pytest.raises(ValueError, match=r"must be (the same )?\[B, "):
        minibatch(**{wrong: getattr(minibatch(), wrong)[:-1]})


@pytest.mark.parametrize("shape", [(S,), (S, T - 1), (1, T), (1, 1)])
def test_an_advantage_is_one_per_response_or_one_per_token(shape):
    with pytest.raises(ValueError, match=r"advantage_BT .* must be \[B, 1\] or \[B, T\]"):
        minibatch(advantage_BT=torch.zeros(shape))


def test_mask_of_numbers():
    with pytest.raises(ValueError, match=r"mask_BT is torch\.float32"):
        minibatch(mask_BT=minibatch().mask_BT.float())

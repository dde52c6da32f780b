import math

import pytest
import torch

from k15.losses.policy_gradient import cispo, grpo, gspo, ppo_clip, reinforce
from k15.losses.policy_loss import LossInputs
from tests.closeness import close

# Two responses; the second has one token. Ratios pi/pi_i of the three tokens: 1.5, 0.9, 0.5.
RATIO = [[1.5, 0.9], [0.5, 1.0]]
LOGP = [[-1.0, -0.5], [-2.0, 7.0]]
MASK = [[True, True], [True, False]]


def example(advantage=(1.0, -2.0), ratio=RATIO) -> LossInputs:
    logp = torch.tensor(LOGP, dtype=torch.float64, requires_grad=True)
    reference = logp.detach() - torch.tensor(ratio, dtype=torch.float64).log()
    return LossInputs(
        logp_BT=logp,
        reference_logp_BT=reference,
        engine_logp_BT=reference,
        advantage_BT=torch.tensor(advantage, dtype=torch.float64)[:, None],
        mask_BT=torch.tensor(MASK),
        sequences=2,
        tokens=3,
    )


def run(loss_function, inputs, **kwargs):
    """Loss, its gradient in logp, metrics."""
    loss, metrics = loss_function(inputs, **kwargs)
    (gradient,) = torch.autograd.grad(loss, inputs.logp_BT)
    return loss.detach(), gradient, metrics


def test_reinforce():
    loss, gradient, metrics = run(reinforce, example())
    close(loss, -(1.0 * -1.5 + -2.0 * -2.0) / 2)
    close(gradient, [[-0.5, -0.5], [1.0, 0.0]])  # -A / sequences
    # mean over 3 tokens of |log ratio| and of 1/ratio - 1 + log ratio
    logs = [math.log(1.5), math.log(0.9), math.log(0.5)]
    close(metrics["abs_log_ratio"], (logs[0] - logs[1] - logs[2]) / 3)
    close(metrics["approx_kl"], (2 / 3 + 10 / 9 + 2 - 3 + sum(logs)) / 3)


def test_ppo_clip():
    loss, gradient, metrics = run(ppo_clip, example(), clip_low=0.2, clip_high=0.28)
    # A = 1: min(1.5, 1.28) + min(0.9, 0.9); A = -2: min(-2 * 0.5, -2 * 0.8) = -1.6
    close(loss, -(1.28 + 0.9 - 1.6) / 3)
    close(gradient, [[0.0, -0.3], [0.0, 0.0]])  # d ratio/d logp = ratio; clipped tokens have none
    close(metrics["clip_fraction"], 2 / 3)


def test_ppo_clip_is_pessimistic_only():
    """Where the clip would make the objective better the token keeps its gradient."""
    _, gradient, metrics = run(
        ppo_clip, example(advantage=(-1.0, 2.0)), clip_low=0.2, clip_high=0.2
    )
    close(gradient, [[0.5, 0.3], [-1 / 3, 0.0]])  # -A * ratio / 3
    close(metrics["clip_fraction"], 0.0)


def test_grpo():
    loss, gradient, metrics = run(grpo, example(), clip=0.2, kl_weight=0.1)
    # surrogates: (1.2 + 0.9)/2 and -1.6. k3 = 1/ratio - 1 + log ratio:
    #   1.5: 2/3 - 1 + 0.405465 = 0.072132; 0.9: 10/9 - 1 - 0.105361 = 0.005751;
    #   0.5: 2 - 1 - 0.693147 = 0.306853
    first = (1.2 - 0.0072132 + 0.9 - 0.0005751) / 2
    close(loss, -(first + -1.6 - 0.0306853) / 2)
    # d k3/d logp = 1 - 1/ratio = 1/3, -1/9, -1; sequence mean, then half of it
    close(gradient, [[0.1 / 3 / 4, (-0.9 - 0.1 / 9) / 4], [-0.1 / 2, 0.0]])
    close(metrics["clip_fraction"], 2 / 3)


def test_gspo():
    loss, gradient, metrics = run(gspo, example(), clip_low=0.2, clip_high=0.1)
    # s_1 = sqrt(1.5 * 0.9) = 1.161895, clipped to 1.1; s_2 = 0.5, clipped to 0.8: 0.8 * -2
    close(loss, -(1.1 - 1.6) / 2)
    close(gradient, [[0.0, 0.0], [0.0, 0.0]])
    close(metrics["clip_fraction"], 1.0)
    loss, gradient, metrics = run(gspo, example(), clip_low=0.6, clip_high=0.2)
    close(loss, -(1.161895 - 1.0) / 2)
    # d s/d logp_t = s / length, times -A / 2
    close(gradient, [[-1.161895 / 4, -1.161895 / 4], [0.5, 0.0]])
    close(metrics["clip_fraction"], 0.0)


def test_gspo_is_ppo_clip_for_single_tokens():
    logp, reference = torch.tensor([[-1.0], [-2.0]]), torch.tensor([[-1.5], [-1.2]])
    inputs = LossInputs(
        logp_BT=logp.requires_grad_(),
        reference_logp_BT=reference,
        engine_logp_BT=reference,
        advantage_BT=torch.tensor([[0.7], [-0.4]]),
        mask_BT=logp < 0,
        sequences=2,
        tokens=2,
    )
    clips = {"clip_low": 0.2, "clip_high": 0.3}
    sequence, token = run(gspo, inputs, **clips), run(ppo_clip, inputs, **clips)
    close(sequence, token)


def test_cispo_keeps_the_gradient_of_clipped_tokens():
    loss, gradient, metrics = run(cispo, example(), clip_high=0.2)
    # weights 1.2, 0.9, 0.5 (no lower bound) times A log pi
    close(loss, -(1.2 * -1.0 + 0.9 * -0.5 + 0.5 * -2.0 * -2.0) / 3)
    close(gradient, [[-0.4, -0.3], [1 / 3, 0.0]])  # -weight * A / 3
    close(metrics["clip_fraction"], 1 / 3)
    _, gradient, metrics = run(cispo, example(), clip_high=0.2, clip_low=0.25)
    close(gradient, [[-0.4, -0.3], [0.5, 0.0]])  # weight 0.75 for the third
    close(metrics["clip_fraction"], 2 / 3)


def test_first_step_of_grpo_is_the_standardized_policy_gradient():
    """On-policy the clip and the KL term have no gradient: -(1/S) sum_j A_j/|y_j| grad log pi."""
    _, gradient, _ = run(grpo, example(ratio=[[1.0, 1.0], [1.0, 1.0]]), clip=0.2, kl_weight=0.04)
    close(gradient, [[-1 / 4, -1 / 4], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("loss", "kwargs", "named"),
    [
        (grpo, {"clip": -0.2}, "clip=-0.2"),
        (grpo, {"kl_weight": -1.0}, "kl_weight=-1.0"),
        (ppo_clip, {"clip_low": -0.1}, "clip_low=-0.1"),
        (gspo, {"clip_high": -0.1}, "clip_high=-0.1"),
        (cispo, {"clip_high": -0.1}, "clip_high=-0.1"),
    ],
)
def test_hyperparameters_out_of_range(loss, kwargs, named):
    with pytest.raises(ValueError, match=named):
        loss(example(), **kwargs)

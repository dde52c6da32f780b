from dataclasses import replace

import pytest
import torch

from k15.losses.mirror_descent import mirror_descent
from k15.losses.policy_loss import LossInputs
from tests.closeness import close

# One problem, k = 2. Response 1 is right, 2 wrong: A = r - mean r = 0.5, -0.5. tau = 0.5.
#   response 1: log pi = -1.0 - 0.5 = -1.5, log pi_i = -1.2 - 0.8 = -2.0, log ratio 0.5
#   response 2: log pi = -0.3 (its second token is padding),  log pi_i = -0.1, log ratio -0.2
LOGP = [[-1.0, -0.5], [-0.3, -9.0]]
REFERENCE = [[-1.2, -0.8], [-0.1, 4.0]]
ADVANTAGE = [0.5, -0.5]
MASK = [[True, True], [True, False]]


def example(**changed) -> LossInputs:
    reference = torch.tensor(REFERENCE, dtype=torch.float64)
    inputs = LossInputs(
        logp_BT=torch.tensor(LOGP, dtype=torch.float64, requires_grad=True),
        reference_logp_BT=reference,
        engine_logp_BT=reference,
        advantage_BT=torch.tensor(ADVANTAGE, dtype=torch.float64)[:, None],
        mask_BT=torch.tensor(MASK),
        sequences=2,
        tokens=3,
    )
    return replace(inputs, **changed)


def test_value_gradient_and_metrics_by_hand():
    inputs = example()
    loss, metrics = mirror_descent(inputs, tau=0.5)
    # -1/2 [0.5 * -1.5 - 0.25 * 0.5^2  +  -0.5 * -0.3 - 0.25 * 0.2^2] = -1/2 [-0.8125 + 0.14]
    close(loss, 0.33625)
    # d/dlogp = -1/2 (A - tau * log ratio): -1/2 (0.5 - 0.25), -1/2 (-0.5 + 0.1); padding 0
    (gradient,) = torch.autograd.grad(loss, inputs.logp_BT)
    close(gradient, [[-0.125, -0.125], [0.2, 0.0]])
    close(metrics["sequence_log_ratio"], 0.35)  # (0.5 + 0.2) / 2
    close(metrics["squared_penalty"], 0.03625)  # (0.25 * 0.25 + 0.25 * 0.04) / 2
    assert not any(metric.requires_grad for metric in metrics.values())


def test_length_normalizer_divides_both_log_probabilities():
    inputs = example()
    loss, metrics = mirror_descent(inputs, tau=0.5, length_normalizer=10.0)
    # log pi -0.15 and -0.03, log ratios 0.05 and -0.02:
    # -1/2 [-0.075 - 0.25 * 0.0025  +  0.015 - 0.25 * 0.0004] = -1/2 [-0.075625 + 0.0149]
    close(loss, 0.0303625)
    close(metrics["sequence_log_ratio"], 0.035)


def test_gradient_is_equation_3():
    """Eq. (3) of k1.5 written out for a policy with parameters: two problems, three responses each
    of two tokens, off-policy by a visible amount, averaged over the problems.
    """
    generator = torch.Generator().manual_seed(0)
    problems, k, vocabulary, tau = 2, 3, 5, 0.7
    theta = torch.randn(problems, vocabulary, vocabulary, generator=generator, dtype=torch.float64)
    theta.requires_grad_()
    theta_i = theta.detach() + 0.3 * torch.randn(theta.shape, generator=generator).double()
    tokens = torch.randint(vocabulary, (problems, k, 2), generator=generator)
    reward = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], dtype=torch.float64)

    def logp(weights, problem, j):
        """[2] of one response: the first token follows token 0, the second the first."""
        first, second = tokens[problem, j]
        table = weights[problem].log_softmax(-1)
        return torch.stack([table[0, first], table[first, second]])

    def table(weights):
        return torch.stack([logp(weights, p, j) for p in range(problems) for j in range(k)])

    expected = torch.zeros_like(theta)
    for problem in range(problems):
        for j in range(k):
            y = logp(theta, problem, j).sum()
            ratio_squared = (y - logp(theta_i, problem, j).sum()) ** 2
            (gradient_y,) = torch.autograd.grad(y, theta, retain_graph=True)
            (gradient_ratio_squared,) = torch.autograd.grad(ratio_squared, theta)
            advantage = reward[problem, j] - reward[problem].mean()
            expected += (gradient_y * advantage - tau / 2 * gradient_ratio_squared) / k / problems

    advantage = (reward - reward.mean(-1, keepdim=True)).flatten()
    mask = torch.ones(problems * k, 2, dtype=torch.bool)
    reference = table(theta_i)
    inputs = LossInputs(
        logp_BT=table(theta),
        reference_logp_BT=reference,
        engine_logp_BT=reference,
        advantage_BT=advantage[:, None],
        mask_BT=mask,
        sequences=problems * k,
        tokens=12,
    )
    loss, _ = mirror_descent(inputs, tau=tau)
    (gradient,) = torch.autograd.grad(loss, theta)
    assert expected.abs().max() > 0.05
    close(-gradient, expected)


def test_without_advantage_it_pulls_back_to_the_reference():
    inputs = example(advantage_BT=torch.zeros(2, 1))
    loss, _ = mirror_descent(inputs, tau=0.5)
    (gradient,) = torch.autograd.grad(loss, inputs.logp_BT)
    close(gradient, [[0.125, 0.125], [-0.05, 0.0]])  # tau/2 * log ratio, downhill to the reference


@pytest.mark.parametrize("kwargs", [{"tau": -0.1}, {"tau": 0.5, "length_normalizer": 0.0}])
def test_hyperparameters_out_of_range(kwargs):
    name, value = list(kwargs.items())[-1]
    with pytest.raises(ValueError, match=f"{name}={value}"):
        mirror_descent(example(), **kwargs)

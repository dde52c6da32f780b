"""Preference losses against sums by hand.

One pair: log π_θ of the chosen −3, of the rejected −4; under the reference −5 and −4.5. Log-ratios
are 2 and 0.5 nats, so h = 1.5; with β = 0.4 the margin β·h is 0.6.
"""

import math

import pytest
import torch

from k15.losses.preference import Pairs, hinge, ipo, sigmoid

H, BETA, MARGIN = 1.5, 0.4, 0.6


def pairs(chosen=(-3.0,), rejected=(-4.0,), lengths=(2, 5)) -> Pairs:
    B = len(chosen)
    return Pairs(
        chosen_logp_B=torch.tensor(chosen, requires_grad=True),
        rejected_logp_B=torch.tensor(rejected, requires_grad=True),
        chosen_reference_logp_B=torch.full((B,), -5.0),
        rejected_reference_logp_B=torch.full((B,), -4.5),
        chosen_length_B=torch.full((B,), lengths[0]),
        rejected_length_B=torch.full((B,), lengths[1]),
    )


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def gradients(loss, given: Pairs) -> tuple[float, float]:
    loss.backward()
    return float(given.chosen_logp_B.grad), float(given.rejected_logp_B.grad)


def test_dpo_by_hand() -> None:
    """−log σ(0.6) = log(1 + e^−0.6) = log 1.548812 = 0.437488; dL/dh = −0.4·σ(−0.6) =
    −0.4·0.354344 = −0.141737, of which the rejected response gets the opposite.
    """
    given = pairs()
    terms = sigmoid(given, beta=BETA)
    assert terms.count == 1
    assert float(terms.loss) == pytest.approx(0.437488, abs=1e-6)
    assert gradients(terms.loss, given) == pytest.approx((-0.141737, 0.141737), abs=1e-6)
    shown = {name: float(value) for name, value in terms.means().items()}
    assert shown == pytest.approx(
        {
            "loss": 0.437488,
            "accuracy": 1.0,
            "margin": 0.6,
            "chosen_reward": 0.8,
            "rejected_reward": 0.2,
            "chosen_logp": -3.0,
        },
        abs=1e-6,
    )


def test_dpo_begins_at_log_two() -> None:
    """Policy and reference are one: h = 0, loss log 2, gradient −β/2."""
    given = pairs(chosen=(-5.0,), rejected=(-4.5,))
    terms = sigmoid(given, beta=BETA)
    assert float(terms.loss) == pytest.approx(math.log(2), abs=1e-6)
    assert gradients(terms.loss, given) == pytest.approx((-0.2, 0.2), abs=1e-6)
    assert float(terms.metrics["accuracy"]) == 0


def test_smoothed_labels_by_hand() -> None:
    """ε = 0.1: 0.9·0.437488 + 0.1·(0.437488 + 0.6) = 0.497488; dL/dh = −0.4·(σ(−0.6) − 0.1)."""
    given = pairs()
    terms = sigmoid(given, beta=BETA, label_smoothing=0.1)
    assert float(terms.loss) == pytest.approx(0.497488, abs=1e-6)
    push = -BETA * (logistic(-MARGIN) - 0.1)
    assert gradients(terms.loss, given) == pytest.approx((push, -push), abs=1e-6)


def test_ipo_by_hand() -> None:
    """h = 1.5 against 1/(2·0.4) = 1.25: (0.25)² = 0.0625, gradient 2·0.25. Per token: 2/2 − 0.5/5 =
    0.9, (0.9 − 1.25)² = 0.1225, gradient 2·(−0.35) over the lengths 2 and 5.
    """
    given = pairs()
    terms = ipo(given, beta=BETA)
    assert float(terms.loss) == pytest.approx(0.0625, abs=1e-6)
    assert gradients(terms.loss, given) == pytest.approx((0.5, -0.5), abs=1e-6)
    given = pairs()
    terms = ipo(given, beta=BETA, per_token=True)
    assert float(terms.loss) == pytest.approx(0.1225, abs=1e-6)
    assert gradients(terms.loss, given) == pytest.approx((-0.35, 0.14), abs=1e-6)


def test_hinge_by_hand() -> None:
    """1 − 0.6 = 0.4, gradient −β; nothing beyond a margin of 1 (h = 3)."""
    given = pairs()
    terms = hinge(given, beta=BETA)
    assert float(terms.loss) == pytest.approx(0.4, abs=1e-6)
    assert gradients(terms.loss, given) == pytest.approx((-0.4, 0.4), abs=1e-6)
    given = pairs(chosen=(-1.5,))
    assert gradients(hinge(given, beta=BETA).loss, given) == (0.0, 0.0)


@pytest.mark.parametrize("loss", [sigmoid, hinge, ipo])
def test_terms_add_up_over_batches(loss) -> None:
    together = loss(pairs(chosen=(-3.0, -6.0), rejected=(-4.0, -4.0)))
    apart = [loss(pairs(chosen=(-3.0,))), loss(pairs(chosen=(-6.0,)))]
    assert together.count == 2
    assert float(together.loss) == pytest.approx(float(sum(t.loss for t in apart)), abs=1e-6)
    for name, value in together.metrics.items():
        assert float(value) == pytest.approx(sum(float(t.metrics[name]) for t in apart), abs=1e-6)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="beta=0"):
        sigmoid(pairs(), beta=0)
    with pytest.raises(ValueError, match=r"label_smoothing=0\.5"):
        sigmoid(pairs(), label_smoothing=0.5)
    with pytest.raises(ValueError, match=r"same \[B\]"):
        pairs(chosen=(-3.0, -3.0))

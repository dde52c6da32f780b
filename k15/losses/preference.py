"""Learning from pairs of responses to one prompt, of which one is preferred (DPO, 2305.18290).

    sigmoid(Pairs(...), beta=0.1, label_smoothing=0.0) ─► Terms, one term per pair

What all of them look at is by how much the policy has come to prefer the chosen response, against
the reference that it started from:

    h = log π_θ(y_c|x)/π_ref(y_c|x) − log π_θ(y_r|x)/π_ref(y_r|x)

Metrics of all, means over pairs: `accuracy`, the share with h > 0; `margin` β·h; `chosen_reward`
and `rejected_reward`, β·log π_θ/π_ref of each (2305.18290 eq. 5, up to a constant of the prompt);
`chosen_logp`, log π_θ(y_c|x): where it falls though the margin rises, the policy forgets what it
should learn.

Legend: B pairs of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from torch import Tensor
from torch.nn.functional import logsigmoid

from k15.losses.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """A batch of pairs: log-probabilities of WHOLE responses, sums over their tokens, in nats.

    Raises ValueError unless all are [B].
    """

    chosen_logp_B: Tensor
    """log π_θ(y_c|x); carries the gradient."""
    rejected_logp_B: Tensor
    """log π_θ(y_r|x); carries the gradient."""
    chosen_reference_logp_B: Tensor
    """log π_ref(y_c|x); a constant."""
    rejected_reference_logp_B: Tensor
    """log π_ref(y_r|x); a constant."""
    chosen_length_B: Tensor
    """Tokens of y_c in the sum."""
    rejected_length_B: Tensor
    """Tokens of y_r in the sum."""

    def __post_init__(self) -> None:
        shapes = {field.name: tuple(getattr(self, field.name).shape) for field in fields(self)}
        if len(set(shapes.values())) > 1 or len(self.chosen_logp_B.shape) != 1:
            raise ValueError(f"pairs must be the same [B] each, got {shapes}")

    @property
    def chosen_ratio_B(self) -> Tensor:
        """log π_θ/π_ref of the chosen responses, in nats."""
        return self.chosen_logp_B - self.chosen_reference_logp_B.detach()

    @property
    def rejected_ratio_B(self) -> Tensor:
        """log π_θ/π_ref of the rejected responses, in nats."""
        return self.rejected_logp_B - self.rejected_reference_logp_B.detach()


PreferenceLoss = Callable[[Pairs], Terms]


def sigmoid(pairs: Pairs, *, beta: float = 0.1, label_smoothing: float = 0.0) -> Terms:
    """−(1 − ε)·log σ(β·h) − ε·log σ(−β·h), DPO (2305.18290 eq. 7) for ε = 0.

    `beta` is in 1 per nat: how strongly the policy is held to the reference. `label_smoothing` is
    ε, the share of pairs thought to be the wrong way round (conservative DPO,
    https://ericmitchell.ai/cdpo.pdf), from 0 to below 0.5. The gradient of h is β·(σ(−β·h) − ε),
    so with ε > 0 it ends at a finite margin. Raises ValueError for values out of range.
    """
    check(beta)
    if not 0 <= label_smoothing < 0.5:
        raise ValueError(f"label_smoothing={label_smoothing}: choose 0 to below 0.5")
    margin_B = beta * (pairs.chosen_ratio_B - pairs.rejected_ratio_B)
    likely_B = (1 - label_smoothing) * logsigmoid(margin_B)
    return summed(-likely_B - label_smoothing * logsigmoid(-margin_B), pairs, beta)


def hinge(pairs: Pairs, *, beta: float = 0.1) -> Terms:
    """max(0, 1 − β·h): no further push once the margin is 1 (SLiC-HF, 2305.10425; RSO, 2309.06657
    eq. 9). Raises ValueError for a `beta` that is not above 0.
    """
    check(beta)
    return summed((1 - beta * (pairs.chosen_ratio_B - pairs.rejected_ratio_B)).relu(), pairs, beta)


def ipo(pairs: Pairs, *, beta: float = 0.1, per_token: bool = False) -> Terms:
    """(h − 1/(2β))², which aims at a margin instead of an endless one (IPO, 2310.12036 eq. 17).

    With `per_token` the two log-ratios in h are means over their tokens, as TRL's `loss_type="ipo"`
    has them; `beta` is another number then. Raises ValueError for one that is not above 0.
    """
    check(beta)
    chosen_B, rejected_B = pairs.chosen_ratio_B, pairs.rejected_ratio_B
    if per_token:
        chosen_B = chosen_B / pairs.chosen_length_B.clamp(min=1)
        rejected_B = rejected_B / pairs.rejected_length_B.clamp(min=1)
    return summed((chosen_B - rejected_B - 1 / (2 * beta)).square(), pairs, beta)


def summed(loss_B: Tensor, pairs: Pairs, beta: float) -> Terms:
    """The terms, with the metrics that all losses have."""
    chosen_B = beta * pairs.chosen_ratio_B.detach()
    rejected_B = beta * pairs.rejected_ratio_B.detach()
    return Terms(
        loss=loss_B.sum(),
        count=len(loss_B),
        metrics={
            "accuracy": (chosen_B > rejected_B).sum(),
            "margin": (chosen_B - rejected_B).sum(),
            "chosen_reward": chosen_B.sum(),
            "rejected_reward": rejected_B.sum(),
            "chosen_logp": pairs.chosen_logp_B.detach().sum(),
        },
    )


def check(beta: float) -> None:
    """Raise ValueError unless it is above 0."""
    if beta <= 0:
        raise ValueError(f"beta={beta}: choose a value above 0, usually 0.01 to 0.5")

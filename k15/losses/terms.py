"""What a batch adds to a mean that is taken over several batches and ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Sums over a batch: of the loss, and of figures that are means over the same terms.

    Example: `Terms(loss=-logp_T.sum(), count=3, metrics={"token_accuracy": right_T.sum()})`
    """

    loss: Tensor
    """Σ of the terms, a scalar; carries the gradient."""
    count: int
    """How many there are: response tokens, labelled patches, judgements, questions."""
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    """Σ of each figure, scalars without a gradient."""
    others: Mapping[str, tuple[Tensor, int]] = field(default_factory=dict)
    """Σ of figures that are means over something else, such as sequences, and over how many of it:
    for validation.
    """

    def plus(self, name: str, loss: Tensor) -> Terms:
        """With one more loss over the same terms, a figure of its own."""
        return replace(self, loss=self.loss + loss, metrics={**self.metrics, name: loss.detach()})

    def silent(self) -> Terms:
        """Nothing, from the same forward pass."""
        nothing = {name: total * 0 for name, total in self.metrics.items()}
        return Terms(loss=self.loss * 0, count=0, metrics=nothing)

    def means(self) -> dict[str, Tensor]:
        """`loss` and the metrics per term; 0 where there is none."""
        sums = {"loss": self.loss.detach(), **self.metrics}
        return {name: total / max(1, self.count) for name, total in sums.items()}

"""Means over a whole validation set, however it is cut into batches and ranks."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from k15.losses.terms import Terms
from k15.shard import Shard


class Tallies:
    """Sums of figures and of what they are means over.

    Lightning's own mean over ranks rounds the count of each to a whole number.
    """

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float | Tensor, int]] = {}

    def add(self, name: str, total: float | Tensor, count: int = 0) -> None:
        """Σ of a figure over `count` terms; without any it stays a sum."""
        before, terms = self._sums.get(name, (0.0, 0))
        self._sums[name] = (before + total, terms + count)

    def add_terms(self, terms: Terms, source: str = "") -> None:
        """`loss` and the metrics of a batch, and of its source if that is named."""
        for suffix in {"", source and f"/{source}"}:
            for name, total in {"loss": terms.loss.detach(), **terms.metrics}.items():
                self.add(f"{name}{suffix}", total.double(), terms.count)
            for name, (total, count) in terms.others.items():
                self.add(f"{name}{suffix}", total.double(), count)

    def means(self, shard: Shard) -> Mapping[str, float]:
        """Each figure's mean over the terms of all ranks, which all have to call; starts anew."""
        mine = {name: (float(total), count) for name, (total, count) in self._sums.items()}
        self._sums = {}
        sums: dict[str, tuple[float, int]] = {}
        for part in shard.gathered(mine):
            for name, (total, count) in part.items():
                before, terms = sums.get(name, (0.0, 0))
                sums[name] = (before + total, terms + count)
        return {name: total / max(1, count) for name, (total, count) in sums.items()}

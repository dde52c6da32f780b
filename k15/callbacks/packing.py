"""How full the packs are, and what they are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.datamodules.corpus import CorpusData
from k15.types import Pack

LISTED = 20  # reasons


class Packing(Callback):
    """Logs at each batch `train/padding`, the share of the packs' budgets that is not used, and
    `train/share/<source>` of their tokens; prints at the end what was read and left out.
    """

    def __init__(self, datamodule: CorpusData) -> None:
        self.datamodule = datamodule
        self.used = self.capacity = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Of all ranks' packs."""
        packs = [] if batch.silent else [pack for pack in batch if isinstance(pack, Pack)]
        tokens = Counter(dict.fromkeys(self.datamodule.corpus.sources, 0))
        for pack in packs:
            for name, length in zip(pack.names, pack.lengths, strict=True):
                tokens[name.partition("/")[0]] += length
        own = {**tokens, "capacity ": sum(pack.capacity for pack in packs)}
        figures = pl_module.across_ranks(own)
        capacity = figures.pop("capacity ")
        used = sum(figures.values())
        self.used, self.capacity = self.used + used, self.capacity + capacity
        pl_module.log("train/padding", 1 - used / max(1.0, capacity), batch_size=1)
        shares = {f"train/share/{name}": n / max(1.0, used) for name, n in figures.items()}
        pl_module.log_dict(shares, batch_size=1)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A line per source, and one per reason."""
        if not trainer.is_global_zero or not self.capacity:
            return
        counts = self.datamodule.stream.counts
        padding = 1 - self.used / self.capacity
        lines = [f"{self.used:,.0f} tokens in packs of {self.capacity:,.0f}: padding {padding:.1%}"]
        whole = max(1, sum(counts.tokens.values()))
        lines += [
            f"  {name}: {counts.documents[name]:,} documents, {tokens:,} tokens, "
            f"{tokens / whole:.1%}"
            for name, tokens in counts.tokens.items()
        ]
        if cut := counts.cut.total():
            lines.append(f"  {cut:,} documents are longer than a sequence, and were cut")
        lines += left_out("left out by filters", counts.filtered)
        lines += left_out("refused", counts.refused)
        print("\n".join(lines), flush=True)


def left_out(what: str, reasons: Mapping[str, int]) -> list[str]:
    """A line per reason, the most frequent ones first."""
    most = sorted(reasons.items(), key=lambda item: -item[1])[:LISTED]
    return [f"  {what}: {number:,} of {reason}" for reason, number in most]

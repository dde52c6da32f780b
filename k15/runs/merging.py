"""The stage that trains nothing: the average of two models (k1.5 §2.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from k15.config import ConfigError
from k15.folders import write_text
from k15.weights.merging import merge


class Merging(Trainer):
    """A Trainer whose `fit` averages two folders: whatever starts and follows runs knows no other
    kind. It needs neither module nor data, and no weights are in memory.
    """

    def __init__(
        self,
        *,
        long: str | None,
        short: str | None,
        share: float,
        run_dir: str,
        fingerprint: str,
        **options: Any,
    ) -> None:
        """`long` and `short` are Hugging Face folders, `share` is the weight of the first."""
        super().__init__(**options)
        self.long, self.short, self.share = long, short, share
        self.run_dir = Path(run_dir)
        self.fingerprint = fingerprint

    def fit(self, *_: Any, **more: Any) -> None:
        """Write `<run_dir>/model` and, as the sign that it is whole, the fingerprint."""
        for name, folder in {"start_from": self.long, "average_with": self.short}.items():
            if folder is None:
                raise ConfigError(f"{name}=null: two models are averaged; give a stage or a folder")
        model = self.run_dir / "model"
        merge(str(self.long), str(self.short), model, share=self.share)
        write_text(self.run_dir / "fingerprint", self.fingerprint)
        print(
            f"{self.share:g} of {self.long} and {1 - self.share:g} of {self.short} are in {model}",
            flush=True,
        )

    def validate(self, *_: Any, **more: Any) -> Any:
        """Nothing is in memory that could be: evaluate.py measures the folder."""
        return []

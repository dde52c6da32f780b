"""One epoch of a module, without files and without a word."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch.utils.data import DataLoader


class Batches(LightningDataModule):
    """Batches as they are given."""

    def __init__(self, train: Sequence[Any], held_out: Sequence[Any] = ()) -> None:
        super().__init__()
        self.train, self.held_out = list(train), list(held_out)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.held_out, batch_size=None)


def fit(
    module: LightningModule, data: LightningDataModule, *callbacks: Callback, **settings: Any
) -> Trainer:
    """Train and validate; the trainer has the figures."""
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
    trainer.fit(module, data)
    return trainer

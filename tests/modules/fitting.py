"""One epoch of a module, without files and without a word."""

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer


def fit(module: LightningModule, data: LightningDataModule, *callbacks: Callback) -> Trainer:
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
    )
    trainer.fit(module, data)
    return trainer

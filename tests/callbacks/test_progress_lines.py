"""A run whose output goes into a file says how far it is."""

import time

from lightning.pytorch import Callback, LightningDataModule, LightningModule
from torch.utils.data import DataLoader

from k15.callbacks.progress_lines import ProgressLines
from k15.progress import Heartbeat
from tests.modules.fitting import fit


class Slow(LightningModule):
    """Waits in the third batch until two lines have been told, or 30 seconds have passed."""

    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self.told = told
        self.automatic_optimization = False

    def training_step(self, batch, batch_index: int) -> None:
        self.log("loss", 0.25, prog_bar=True)
        deadline = time.monotonic() + 30
        while batch_index == 2 and len(self.told) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)

    def configure_optimizers(self) -> None:
        return None


class Numbers(LightningDataModule):
    def __init__(self, batches: int) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self) -> DataLoader:
        return DataLoader(range(self.batches), batch_size=1)


class Heard(Heartbeat):
    """Keeps what is told, and the end of it."""

    def __init__(self, told: list[str]) -> None:
        super().__init__(seconds=0.05)
        self.heard = told

    def telling(self, say, tell):
        return super().telling(say, lambda text: self.heard.append(text.rsplit(",", 1)[0]))


def test_batches_and_loss_are_told_while_an_epoch_goes_on() -> None:
    told: list[str] = []
    fit(Slow(told), Numbers(5), ProgressLines(Heard(told)))
    assert "epoch 1 of 1: 2 of 5 batches, loss 0.25" in told
    before = len(told)
    time.sleep(0.2)
    assert len(told) == before


def test_an_epoch_of_one_batch_is_left_to_its_phases() -> None:
    told: list[str] = []
    lines = ProgressLines(Heard(told))
    fit(Slow(told), Numbers(1), lines, OneBatch(lines))


class OneBatch(Callback):
    """Nothing is open while the only batch is under way."""

    def __init__(self, lines: ProgressLines) -> None:
        self.lines = lines

    def on_train_batch_start(self, *_) -> None:
        assert self.lines._lines is None

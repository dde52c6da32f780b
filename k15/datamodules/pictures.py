"""Pictures with known words in known places, for aligning a vision tower."""

from __future__ import annotations

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from k15.datamodules.sources import ProblemSource
from k15.tasks.base import Split
from k15.types import Problem


class PictureData(LightningDataModule):
    """`pictures` problems with a picture, in batches.

    Raises ValueError if the source's problems do not say what stands in which patch.
    """

    def __init__(
        self,
        *,
        source: ProblemSource,
        pictures: int,
        pictures_per_batch: int = 64,
        held_out_pictures: int = 100,
    ) -> None:
        super().__init__()
        self.source = source
        self.pictures = pictures
        self.pictures_per_batch = pictures_per_batch
        self.held_out_pictures = held_out_pictures
        self.train: list[Problem] = []
        self.held_out: list[Problem] = []

    def setup(self, stage: str) -> None:
        """Draw the pictures."""
        if self.train:
            return
        kept_back = self.held_out_pictures
        self.held_out = [self._problem(index, "held_out") for index in range(kept_back)]
        self.train = [self._problem(kept_back + index, "train") for index in range(self.pictures)]

    def train_dataloader(self) -> DataLoader:
        """Batches of problems."""
        return DataLoader(self.train, self.pictures_per_batch, collate_fn=list)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader:
        """Pictures of problems that are not trained on."""
        return DataLoader(self.held_out, self.pictures_per_batch, collate_fn=list)  # type: ignore[arg-type]

    def _problem(self, index: int, split: Split) -> Problem:
        problem, _ = self.source.demonstration(index, give_up=(1.0,), max_trials=1, split=split)
        if "patch_words" not in problem.meta:
            raise ValueError(
                f"stage=align: problem {problem.id} does not say which word stands in which patch; "
                "this stage needs a task with pictures (task.modality=image)"
            )
        return problem

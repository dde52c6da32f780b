"""Pictures with known words in known places, for aligning a vision tower."""

from __future__ import annotations

from itertools import islice

from torch.utils.data import BatchSampler, DataLoader

from k15.datamodules.loader import ResumableData, ResumableLoader, SharedLoader
from k15.problems.sources import Demonstrator, demonstrations
from k15.questions import Split
from k15.shard import shard_of
from k15.types import Problem


class PictureData(ResumableData):
    """`pictures` problems with a picture, in batches; those without one are passed over.

    Raises ValueError if the source's problems do not say what stands in which patch.
    """

    def __init__(
        self,
        *,
        source: Demonstrator,
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
        self.held_out = self._problems(0, kept_back, "held_out")
        self.train = self._problems(kept_back, self.pictures, "train")

    def train_dataloader(self) -> DataLoader:
        """Batches of problems."""
        batches = self._batches(self.train)
        return ResumableLoader(self.train, batches, shard_of(self.trainer), within=self)

    def val_dataloader(self) -> DataLoader:
        """Pictures of problems that are not trained on."""
        return SharedLoader(self.held_out, self._batches(self.held_out), shard_of(self.trainer))

    def _batches(self, problems: list[Problem]) -> BatchSampler:
        return BatchSampler(range(len(problems)), self.pictures_per_batch, drop_last=False)

    def _problems(self, first: int, number: int, split: Split) -> list[Problem]:
        drawn = demonstrations(self.source, first, split, pictures_only=True)
        problems = [problem for problem, _ in islice(drawn, number)]
        for problem in problems:
            if "patch_words" not in problem.meta:
                raise ValueError(
                    f"stage=align: problem {problem.id} does not say which word stands in which "
                    "patch; this stage needs a task that does (task.modality=image)"
                )
        return problems

"""Loaders for training that goes on in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader


class ResumableData(LightningDataModule):
    """Remembers in checkpoints how far the epoch was.

    A loader's own state would come too late: where a schedule asks how many steps there will be,
    Lightning makes the loader before it restores loaders.
    """

    first_batch = 0
    """Where the next epoch begins."""

    def state_dict(self) -> dict[str, int]:
        """How many batches of the running epoch have been given."""
        trainer = self.trainer
        assert trainer is not None
        return {"batches": 0 if trainer.is_last_batch else trainer.fit_loop.batch_idx + 1}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Begin behind them."""
        self.first_batch = state_dict["batches"]


class OwnRandomLoader(DataLoader):
    """Draws nothing from torch's global random state, as a plain DataLoader does when it begins: a
    resumed run would draw once more, and one that is validated more often, too.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["generator"] = options.get("generator") or torch.Generator()
        super().__init__(*arguments, **options)


class ResumableLoader(OwnRandomLoader):
    """The training batches of the data it is `within`, in an order that is the same every time for
    the same epoch.
    """

    def __init__(self, *arguments: Any, within: ResumableData, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.within = within

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The rest of the epoch that was interrupted; afterwards whole ones.

        A batch sampler is told which epoch it is, as samplers are.
        """
        if set_epoch := getattr(self.batch_sampler, "set_epoch", None):
            set_epoch(self.within.trainer.current_epoch if self.within.trainer else 0)
        first, self.within.first_batch = self.within.first_batch, 0
        yield from islice(super().__iter__(), first, None)

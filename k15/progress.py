"""Progress of long phases: a bar with a rate on a terminal, silence in a log file."""

import logging
import sys
import warnings

from tqdm import tqdm


def phase(name: str, total: int, unit: str) -> tqdm:
    """A bar for one phase of an iteration; a context manager with `update(n)`."""
    return tqdm(
        total=total,
        desc=name,
        unit=unit,
        leave=False,
        disable=not sys.stderr.isatty(),
        mininterval=0.5,
    )


def quiet() -> None:
    """Leave out what libraries say of things that are as they should be here."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # batches are collected or made in this process
        ".*IterableDataset.*has `__len__` defined.*",  # on purpose: see k15.datamodules.rl
        ".*overridden `transfer_batch_to_device`.*",  # batches are plain data
        ".*number of training batches.*smaller than the logging interval.*",
        ".*Checkpoint directory .* exists and is not empty.*",  # a resumed run
        ".*isinstance\\(treespec, LeafSpec\\).*",
    ):
        warnings.filterwarnings("ignore", message)

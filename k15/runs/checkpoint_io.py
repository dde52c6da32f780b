"""How the Trainer writes and reads its checkpoints: `trainer.plugins`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from k15.config.errors import ConfigError, one_line
from k15.folders import whole
from k15.runs.checkpoints import Sealed


class SealedCheckpoints(TorchCheckpointIO):
    """Files that are there as a whole or not at all, and end in a checksum."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write to the disk; raises ConfigError where it is full or may not be written."""
        target = Path(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole(target) as file:
                sealed = Sealed(file)
                torch.save(checkpoint, sealed)  # type: ignore[arg-type]  # all that it calls is there
                sealed.seal()
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be written: {error.strerror}; the checkpoints before it are whole. "
                "Mend that, then go on with resume=last"
            ) from error

    def load_checkpoint(self, path: str | Path, *options: Any, **more: Any) -> dict[str, Any]:
        """Read it; raises ConfigError if this is no checkpoint."""
        try:
            return super().load_checkpoint(path, *options, **more)
        except Exception as error:  # torch trips over a torn file in many ways
            raise ConfigError(f"{path}: not a checkpoint ({one_line(error)})") from error

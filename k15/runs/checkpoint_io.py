"""How the Trainer writes and reads its checkpoints: `trainer.plugins`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from k15.config.errors import ConfigError, one_line
from k15.folders import whole
from k15.runs.checkpoint_parts import save_parts
from k15.runs.checkpoints import Sealed
from k15.sharding import parts
from k15.sharding.parts import in_parts


class SealedCheckpoints(TorchCheckpointIO):
    """Files and folders that are there as a whole or not at all, and have checksums."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write to the disk: one file, or where ranks have parts of the tensors, which then all
        have to call, a folder. Raises ConfigError where it is full or may not be written.
        """
        target = Path(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if in_parts(checkpoint):
                save_parts(checkpoint, target)
                return
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
        """Read it, with whole tensors; raises ConfigError if this is no checkpoint."""
        try:
            if Path(path).is_dir():
                return parts.whole(parts.opened(Path(path)))
            return super().load_checkpoint(path, *options, **more)
        except Exception as error:  # torch trips over a torn file in many ways
            raise ConfigError(f"{path}: not a checkpoint ({one_line(error)})") from error

"""The weights under training reach the engine that samples from them, once per version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from k15.progress import waiting_for
from k15.weights.full import full_weights

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from k15.engines.protocol import RolloutEngine


def weights_version(trainer: Trainer) -> int:
    """How many training batches the weights have seen: in RL, whose epochs have one, the
    iteration.
    """
    return trainer.fit_loop.total_batch_idx + 1


def sync(engine: RolloutEngine, model: Any, version: int) -> None:
    """Wake the engine and give it the model's weights, unless it has those of this version."""
    with waiting_for("the engine to be ready with new weights"):
        engine.wake()
        if engine.version != version:
            engine.load_weights(full_weights(model), version)

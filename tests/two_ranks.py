"""Work on two processes that have found each other, as a launcher and Lightning start them."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor, distributed
from torch.multiprocessing.spawn import start_processes

from k15.weights.full import gathered

SECONDS = 120  # for one rank to wait for the other
QUIET: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
}


def on_two(work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work` returns on rank 0 and on rank 1."""
    with TemporaryDirectory() as folder:
        start_processes(_rank, (folder, work, arguments), nprocs=2, start_method="fork")
        return [torch.load(Path(folder, f"{rank}.pt"), weights_only=False) for rank in (0, 1)]


def _rank(rank: int, folder: str, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.environ |= {"LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meet",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=SECONDS),
    )
    torch.save(work(*arguments), Path(folder, f"{rank}.pt"))
    distributed.destroy_process_group()


def trainer_of(*callbacks: Callback, **settings: Any) -> Trainer:
    """On as many processes as there are."""
    ranks = distributed.get_world_size() if distributed.is_initialized() else 1
    strategy = {"strategy": "ddp"} if ranks > 1 else {}
    return Trainer(
        accelerator="cpu",
        devices=ranks,
        callbacks=list(callbacks),
        **(QUIET | {"max_epochs": 1} | strategy | settings),
    )


class Steps(Callback):
    """The gradient of every optimizer step, and what is logged."""

    def __init__(self) -> None:
        self.of: dict[int, dict[str, Tensor]] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """As the optimizer has seen them."""

        def keep(*_: Any) -> None:
            named = pl_module.named_parameters()
            found = {n: gathered(p.grad).clone() for n, p in named if p.grad is not None}
            self.of[trainer.global_step] = found  # torch may call this twice for one step

        trainer.optimizers[0].register_step_post_hook(keep)


def trained(
    module: LightningModule,
    data: LightningDataModule,
    fit: dict[str, Any] | None = None,
    *callbacks: Callback,
    **settings: Any,
) -> dict[str, Any]:
    """Gradients of all steps, figures, and weights, of a fit on as many processes as there are."""
    steps = Steps()
    trainer = trainer_of(steps, *callbacks, **settings)
    trainer.fit(module, data, **(fit or {}))
    return {
        "gradients": [*steps.of.values()],
        "figures": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "weights": {n: gathered(tensor).clone() for n, tensor in module.state_dict().items()},
    }

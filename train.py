"""Train one stage of the recipe: python train.py stage=rl [group=choice ...] [key=value ...].

--help lists the groups and choices, --cfg prints the composed configuration; neither loads torch.
"""

import sys
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from k15 import runs
from k15.config import build, exit_on_error


def main(argv: Sequence[str]) -> None:
    """Train the stage, and before it the stages it starts from if their weights are missing."""
    with exit_on_error():
        stages = runs.stages_to_run(argv)
    for config in stages:
        train(config)


def train(config: DictConfig) -> None:
    """Build the parts that the configuration names, then let Lightning run them."""
    import torch
    from lightning.pytorch import seed_everything

    runs.save(config)
    torch.set_num_threads(config.threads)
    seed_everything(config.seed, workers=True, verbose=False)
    source = build(config.data)
    policy = build(config.model, words=source.words)
    rewards = build(config.rewards) or {}
    parts: dict[str, Any] = {"policy": policy, "source": source, "rewards": rewards}
    datamodule = build(config.datamodule, **parts)
    module = build(config.module, **parts)
    callbacks = [*rewards.values(), *build(config.callbacks, **parts).values()]
    trainer = build(config.trainer, callbacks=callbacks, logger=build(config.logger))
    if config.resume is None:
        trainer.validate(module, datamodule, verbose=False)
    trainer.fit(module, datamodule, ckpt_path=config.resume)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Train one stage of the recipe: python train.py stage=rl [group=choice ...] [key=value ...].

--help lists the groups and choices, --cfg prints the composed configuration; neither loads torch.
"""

import sys
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from k15 import runs
from k15.config import build, exit_on_error


@exit_on_error()
def main(argv: Sequence[str]) -> None:
    """Train the stage, and before it the stages it starts from if their weights are missing."""
    for config in runs.stages_to_run(argv):
        with runs.opened(config):
            train(config)


def train(config: DictConfig) -> None:
    """Measure, train, measure again; a resumed run has been measured before."""
    trainer, module, datamodule = assemble(config)
    if config.resume is None:
        trainer.validate(module, datamodule, verbose=False)
    trainer.fit(module, datamodule, ckpt_path=config.resume)
    trainer.validate(module, datamodule, verbose=False)


def assemble(config: DictConfig) -> tuple[Any, Any, Any]:
    """Build the parts that the configuration names."""
    import torch
    from lightning.pytorch import seed_everything

    from k15.progress import quiet

    quiet()
    torch.set_num_threads(config.threads)
    seed_everything(config.seed, workers=True, verbose=False)
    source = build(config.data)
    policy = build(config.model, words=source.words)
    rewards = build(config.rewards) or {}
    parts = {"policy": policy, "source": source, "rewards": rewards}
    datamodule = build(config.datamodule, **parts)
    module = build(config.module, **parts)
    callbacks = [*rewards.values(), *build(config.callbacks, **parts).values()]
    trainer = build(config.trainer, callbacks=callbacks, logger=build(config.logger) or False)
    return trainer, module, datamodule


if __name__ == "__main__":
    main(sys.argv[1:])

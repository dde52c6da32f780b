"""Train one stage of the recipe: python train.py stage=rl [group=choice ...] [key=value ...].

--help lists the groups and choices, --cfg prints the composed configuration; neither loads torch.
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from omegaconf import DictConfig

from k15 import ranks, runs
from k15.config import Parts, load
from k15.exits import exit_on_error


@exit_on_error()
def main(argv: Sequence[str]) -> None:
    """Train the stage, and before it the stages it starts from if their weights are missing."""
    config = load("train", argv)
    ranks.start(config.trainer)
    with ranks.together(config.rank_timeout, str(config.trainer.accelerator)) as here:
        train(here.first_decides(lambda: runs.stages_to_run(argv), before=train))


def train(config: DictConfig) -> None:
    """Measure, train, measure again; a resumed run has been measured before."""
    with runs.opened(config):
        trainer, module, datamodule, engine = assemble(config)
        with closing(engine):
            if config.resume is None:
                trainer.validate(module, datamodule, verbose=False)
            trainer.fit(module, datamodule, ckpt_path=config.resume)
            trainer.validate(module, datamodule, verbose=False)


def assemble(config: DictConfig) -> tuple[Any, Any, Any, Any]:
    """Build what the configuration names; `config.parts` says what is handed on to whom."""
    import torch
    from lightning.pytorch import seed_everything

    from k15.engines.on_demand import OnDemandEngine
    from k15.problems.mixture import union
    from k15.progress import quiet

    quiet()
    torch.set_num_threads(config.threads)
    seed_everything(config.seed, workers=True, verbose=False)
    parts = Parts(config)
    parts["words"] = union([parts[name].words for name in ("source", "corpus") if name in parts])
    parts["engine"] = engine = OnDemandEngine(lambda: parts.build(config.engine))
    callbacks = {**parts.get("rewards", {}), **(parts.build(config.callbacks) or {})}
    parts["callbacks"] = [*callbacks.values()]
    parts["logger"] = parts.build(config.logger) or False
    nodes = (config.trainer, config.module, config.datamodule)
    return (*map(parts.build, nodes), engine)


if __name__ == "__main__":
    main(sys.argv[1:])

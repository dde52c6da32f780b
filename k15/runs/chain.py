"""The chain of stages: what has to be trained, and which weights each stage starts from.

A stage names the stage whose weights it starts from. Those are looked up by fingerprint, a hash of
every setting they depend on, so that weights made with other settings are never taken by mistake.
If they are not there, the built-in tiny model trains the missing stages first; a real model does
where `train_missing` says so, and else stops with the command to run.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from k15.config import ROOT, ConfigError, Parts, choices, load, said, takes
from k15.config.overrides import Override
from k15.config.targets import import_target
from k15.learning_rates import check_rate
from k15.runs.folders import check_unused, own_folder, stage
from k15.runs.resume import go_on_or_begin, resumed
from k15.runs.settings import digest, settings

BUILT_IN = "k15.models.tiny.tiny_policy"
ORIGINS = {"start_from": "model.path", "average_with": "trainer.short"}
"""What names a stage (or a folder) whose weights are needed: where their path goes."""


def stages_to_run(argv: Sequence[str], planned: Sequence[DictConfig] = ()) -> list[DictConfig]:
    """The configurations to train in order: missing earlier stages first, the asked one last. Those
    that are `planned` already are not missing.

    Raises ConfigError if a real model's earlier stage is missing, or a checkpoint to resume from.
    """
    config = load("train", argv)
    check_parts(config)
    go_on_or_begin(config)
    if config.resume is not None:
        return [resumed(config)]
    if config.run_dir is not None:
        check_unused(Path(config.run_dir))
    earlier = reward_models(config, argv)
    for origin in origins(config):
        earlier += start(config, argv, origin, [*planned, *earlier])
    return [*earlier, new_run(config, argv)]


def origins(config: DictConfig) -> list[str]:
    """Which of `ORIGINS` the stage has."""
    return [origin for origin in ORIGINS if config.get(origin) is not None]


def check_parts(config: DictConfig) -> None:
    """Raise ConfigError for parts that cannot work, long before they would be used."""
    try:
        parts = Parts(config)
        for name in {"sizes", "learning_rates", "plan"} & {*parts}:
            parts[name]
        if (rate := OmegaConf.select(config, "module.learning_rate")) is not None:
            check_rate("module.learning_rate", rate)
        if route := OmegaConf.select(config, "engine.route._target_"):
            check: Any = getattr(import_target(route), "check", None)
            if check is not None:
                check()
        if "loss" in parts:
            from k15.losses.policy_loss import check_loss

            check_loss(parts["loss"])
    except ValueError as error:
        raise ConfigError(str(error)) from error


def start(
    config: DictConfig, argv: Sequence[str], origin: str, planned: Sequence[DictConfig]
) -> list[DictConfig]:
    """Point the config at the weights that `origin` names; return the stages to train before."""
    named, address = config[origin], ORIGINS[origin]
    if Path(named).is_dir():
        fill(config, address, str(named))
        return []
    if config.model._target_ == BUILT_IN and OmegaConf.select(config, address) is not None:
        return []  # the path already says which weights
    if not (ROOT / "stage" / f"{named}.yaml").is_file():
        raise ConfigError(f"{origin}={named!r} is neither a stage nor a folder with a model")
    before = earlier_argv(config, argv, origin)
    wanted = weights_fingerprint(before)
    folder = config.get("start_at", "model") if origin == "start_from" else "model"
    found = find_model(config.outputs, named, wanted, folder)
    if found is not None:
        print(f"stage={stage(config)} starts from {found}")
        fill(config, address, str(found))
        return []
    runs = [one.run_dir for one in planned if one.fingerprint == wanted]
    if runs:
        fill(config, address, f"{runs[0]}/{folder}")
        return []
    if config.model._target_ != BUILT_IN and not config.train_missing:
        raise ConfigError(
            f"stage={stage(config)} starts from the weights of stage={named}, which "
            "are not there yet.\n"
            f"Run first: python train.py {shlex.join(before)}\n"
            "or have it trained now: train_missing=true\n"
            f"or give a folder: {origin}=<folder>, or {origin}=null to start from model.path "
            "itself"
        )
    print(f"stage={stage(config)} starts from stage={named}, which is trained first")
    stages = stages_to_run(before, planned)
    fill(config, address, f"{stages[-1].run_dir}/{folder}")
    return stages


def reward_models(config: DictConfig, argv: Sequence[str]) -> list[DictConfig]:
    """Point rewards without a path at the model of the stage that trains them (`trained_by`);
    return the stages to train before.

    Raises ConfigError where problems are not procedural: then nobody knows what to train it on.
    """
    stages = []
    for name, reward in (config.get("rewards") or {}).items():
        if reward.get("trained_by") is None or reward.path is not None:
            continue
        before = [
            f"stage={reward.trained_by}",
            *chosen(argv, ("seed", "threads", "outputs", "task")),
        ]
        found = find_model(config.outputs, reward.trained_by, weights_fingerprint(before))
        if found is None and not takes(config.data, "task"):
            raise ConfigError(
                f"rewards.{name}.path=null: give a reward model of these problems. To train one:\n"
                f"python train.py stage={reward.trained_by} data=judgements data.path=<labelled "
                f"responses>\nthen rewards.{name}.path=<its run_dir>/model"
            )
        if found is None:
            print(f"rewards.{name} needs stage={reward.trained_by}, which is trained first")
            stages += stages_to_run(before)
        fill(config, f"rewards.{name}.path", str(found or f"{stages[-1].run_dir}/model"))
        print(f"rewards.{name} is the model in {reward.path}")
    return stages


def fill(config: DictConfig, key: str, path: str) -> None:
    """Set a path that was found, and keep what the command line said of it."""
    config.asked[key] = OmegaConf.select(config, key)
    OmegaConf.update(config, key, path)


def earlier_argv(config: DictConfig, argv: Sequence[str], origin: str = "start_from") -> list[str]:
    """The command line of a stage this one starts from: what it inherits of this one.

    A choice that a file brought along (the task of `rewards=code`) is named there, and so is what
    an experiment says of model, data and task.
    """
    before = f"stage={config[origin]}"
    inherited = chosen([*experiment_words(config), *argv], config.inherits)
    named = {argument.partition("=")[0] for argument in inherited}
    usual = choices("train", [before, *inherited])
    brought = [
        f"{group}={choice or 'null'}"
        for group, choice in config.choices.items()
        if group in config.inherits and group not in named and choice != usual.get(group)
    ]
    more = config.start_with if origin == "start_from" else []
    return [before, *brought, *inherited, *more]


def experiment_words(config: DictConfig) -> list[str]:
    """What the experiment says, as words of a command line: of a part each of its arguments, any
    other mapping whole, as the experiment made it.
    """
    experiment = config.choices.experiment
    content = {} if experiment is None else said("train", "experiment", experiment)
    return [f"{key}={json.dumps(value)}" for key, value in arguments(content, config)]


def arguments(content: dict[str, Any], config: DictConfig, at: str = "") -> Iterator[Override]:
    """Dotted keys and values of what is said of parts; rates by part replace those by kind."""
    for key, value in content.items():
        made = OmegaConf.select(config, f"{at}{key}")
        if not isinstance(value, dict) or not isinstance(made, DictConfig):
            yield f"{at}{key}", value
        elif "_target_" in made:
            yield from arguments(value, config, f"{at}{key}.")
        else:
            yield f"{at}{key}", OmegaConf.to_container(made)


def chosen(argv: Sequence[str], keys: Sequence[str]) -> list[str]:
    """The arguments whose key starts with one of `keys`."""
    return [word for word in argv if word.partition("=")[0].partition(".")[0] in keys]


def weights_fingerprint(argv: Sequence[str]) -> str:
    """Hash of everything the weights of a stage depend on, the stages before it included."""
    config = load("train", argv)
    before = [
        weights_fingerprint(earlier_argv(config, argv, origin))[:10]
        for origin in origins(config)
        if not Path(config[origin]).is_dir()
    ]
    return "-".join([digest(settings(config)), *before])


def find_model(outputs: str, stage: str, wanted: str, folder: str = "model") -> Path | None:
    """The folder of weights in the newest finished run of a stage with this fingerprint."""
    for mark in sorted(Path(outputs, stage).glob("*/fingerprint"), reverse=True):
        if mark.read_text() == wanted and (mark.parent / folder).is_dir():
            return mark.parent / folder
    return None


def new_run(config: DictConfig, argv: Sequence[str]) -> DictConfig:
    """Give the run a folder of its own."""
    config.fingerprint = weights_fingerprint(argv)
    if config.run_dir is None:
        config.run_dir = str(own_folder(config))
    return config

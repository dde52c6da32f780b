"""Runs and how they follow each other: folders, resuming, and the stage a stage starts from.

A stage names the stage whose weights it starts from. Those are looked up by fingerprint, a hash of
every setting they depend on, so that weights made with other settings are never taken by mistake.
If they are not there, the built-in tiny model trains the missing stages first; a real model stops
with the command to run.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from k15.config import ROOT, ConfigError, build, fingerprint, load

BUILT_IN = "k15.models.tiny.tiny_policy"
WEIGHTS_DEPEND_ON = ("seed", "model", "data", "task", "module", "datamodule", "start_from")


def stages_to_run(argv: Sequence[str]) -> list[DictConfig]:
    """The configurations to train in order: missing earlier stages first, the asked one last.

    Raises ConfigError if a real model's earlier stage is missing, or a checkpoint to resume from.
    """
    config = load("train", argv)
    check_parts(config)
    judges = reward_models(config, argv)
    if config.resume is not None:
        return [*judges, resumed(config)]
    earlier = [*judges, *([] if config.start_from is None else start(config, argv))]
    return [*earlier, new_run(config, argv)]


def check_parts(config: DictConfig) -> None:
    """Raise ConfigError for parts that cannot work, long before they would be used."""
    try:
        build(config.get("sizes"))
        build(OmegaConf.select(config, "datamodule.plan"))
        if config.get("objective"):
            from k15.losses.policy_loss import check_loss

            check_loss(build(config.objective.loss))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def start(config: DictConfig, argv: Sequence[str]) -> list[DictConfig]:
    """Point `config.model.path` at the weights to start from; return the stages to train before."""
    if Path(config.start_from).is_dir():
        config.model.path = str(config.start_from)
        return []
    if config.model._target_ == BUILT_IN and config.model.path is not None:
        return []  # model.path already says which weights
    if not (ROOT / "stage" / f"{config.start_from}.yaml").is_file():
        raise ConfigError(
            f"start_from={config.start_from!r} is neither a stage nor a folder with a model"
        )
    before = earlier_argv(config, argv)
    found = find_model(config.outputs, config.start_from, weights_fingerprint(before))
    if found is not None:
        print(f"stage={stage(config)} starts from {found}")
        config.model.path = str(found)
        return []
    if config.model._target_ != BUILT_IN:
        raise ConfigError(
            f"stage={stage(config)} starts from the weights of stage={config.start_from}, which "
            "are not there yet.\n"
            f"Run first: python train.py {' '.join(before)}\n"
            "or give a folder: start_from=<folder>, or start_from=null to start from model.path "
            "itself"
        )
    print(f"stage={stage(config)} starts from stage={config.start_from}, which is trained first")
    stages = stages_to_run(before)
    config.model.path = f"{stages[-1].run_dir}/model"
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
        if found is None and "task" not in config.data:
            raise ConfigError(
                f"rewards.{name}.path=null: give a reward model of these problems. To train one:\n"
                f"python train.py stage={reward.trained_by} data=judgements data.path=<labelled "
                f"responses>\nthen rewards.{name}.path=<its run_dir>/model"
            )
        if found is None:
            print(f"rewards.{name} needs stage={reward.trained_by}, which is trained first")
            stages += stages_to_run(before)
        reward.path = str(found or f"{stages[-1].run_dir}/model")
        print(f"rewards.{name} is the model in {reward.path}")
    return stages


def stage(config: DictConfig) -> str:
    """The name of the stage, also where its YAML is a file of one's own."""
    return Path(config.choices.stage).stem


def earlier_argv(config: DictConfig, argv: Sequence[str]) -> list[str]:
    """The command line of the stage this one starts from: what it inherits of this one.

    A choice that a file brought along (the task of `rewards=code`) is named there.
    """
    before = f"stage={config.start_from}"
    inherited = chosen(argv, config.inherits)
    named = {argument.partition("=")[0] for argument in inherited}
    usual = load("train", [before]).choices
    brought = [
        f"{group}={choice or 'null'}"
        for group, choice in config.choices.items()
        if group in config.inherits and group not in named and choice != usual.get(group)
    ]
    return [before, *brought, *inherited, *config.start_with]


def chosen(argv: Sequence[str], keys: Sequence[str]) -> list[str]:
    """The arguments whose key starts with one of `keys`."""
    return [word for word in argv if word.partition("=")[0].partition(".")[0] in keys]


def weights_fingerprint(argv: Sequence[str]) -> str:
    """Hash of everything the weights of a stage depend on, the stages before it included."""
    config = load("train", argv)
    own = fingerprint(config, WEIGHTS_DEPEND_ON)
    if config.start_from is None or Path(config.start_from).is_dir():
        return own
    return f"{own}-{weights_fingerprint(earlier_argv(config, argv))[:10]}"


def find_model(outputs: str, stage: str, wanted: str) -> Path | None:
    """The newest finished run of a stage with this fingerprint."""
    for mark in sorted(Path(outputs, stage).glob("*/fingerprint"), reverse=True):
        if mark.read_text() == wanted and (mark.parent / "model").is_dir():
            return mark.parent / "model"
    return None


def new_run(config: DictConfig, argv: Sequence[str]) -> DictConfig:
    """Give the run a folder of its own and write the resolved configuration into it."""
    config.fingerprint = weights_fingerprint(argv)
    if config.run_dir is None:
        config.run_dir = str(unused_folder(Path(config.outputs, stage(config))))
    elif any(Path(config.run_dir).glob("checkpoints/*.ckpt")):
        raise ConfigError(
            f"run_dir={config.run_dir}: a run is there already; continue it with resume=last, or "
            "choose another folder"
        )
    return config


def save(config: DictConfig) -> None:
    """Write the resolved configuration into the run's folder and print it."""
    folder = Path(config.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    text = OmegaConf.to_yaml(config, resolve=True)
    (folder / "config.yaml").write_text(text)
    print(f"{text}run_dir: {folder}", flush=True)


def unused_folder(parent: Path) -> Path:
    """A folder named by the time."""
    name = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    candidates = (parent / name, *(parent / f"{name}-{n}" for n in range(2, 1000)))
    return next(folder for folder in candidates if not folder.exists())


def resumed(config: DictConfig) -> DictConfig:
    """Continue a run: its folder, its start weights, its newest checkpoint.

    `resume` is `last` (of `run_dir`, else the stage's newest run), a run's folder or a .ckpt file.
    """
    checkpoint = newest_checkpoint(config)
    folder = checkpoint.parent.parent
    saved = OmegaConf.load(folder / "config.yaml")
    for key, value in flat(saved.model).items():
        now = flat(OmegaConf.create(OmegaConf.to_container(config.model, resolve=True))).get(key)
        if key != "path" and now != value:
            raise ConfigError(
                f"resume={config.resume}: the checkpoint is of another model: model.{key} is "
                f"{value!r} there and "
                f"{now!r} here; pass model.{key}={value} or start a new run"
            )
    config.model.path = saved.model.path
    config.fingerprint = saved.fingerprint
    config.run_dir, config.resume = str(folder), str(checkpoint)
    return config


def newest_checkpoint(config: DictConfig) -> Path:
    """The checkpoint that `resume` means; raises ConfigError if there is none."""
    asked = Path(config.resume)
    if asked.suffix == ".ckpt" and asked.is_file():
        return asked
    if config.resume != "last":
        folders = [asked]
    elif config.run_dir is not None:
        folders = [Path(config.run_dir)]
    else:
        folders = sorted(Path(config.outputs, stage(config)).glob("*"), reverse=True)
    for folder in folders:
        found = sorted(folder.glob("checkpoints/*.ckpt"))
        if found:
            return found[-1]
    looked = ", ".join(str(folder) for folder in folders[:3]) or f"{config.outputs}/{stage(config)}"
    raise ConfigError(f"resume={config.resume}: no checkpoint found in {looked}")


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted keys and values of a mapping."""
    leaves: dict[str, Any] = {}
    for key, value in node.items():
        if OmegaConf.is_dict(value):
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves

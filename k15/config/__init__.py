"""The config system: groups of small YAML files, dotted overrides, `_target_` nodes.

    config = load("train", ["stage=rl", "data=math", "data.path=x.jsonl", "trainer.max_epochs=3"])
    parts = Parts(config)
    module = parts.build(config.module)

Groups
    `configs/<group>/<choice>.yaml` is one choice of a group. Its content goes under
    `config.<group>`; for the groups that the entry (`configs/train.yaml`) lists as `root_groups`,
    to the root. For those under `many_groups`, the choice may be a list, and each one's content
    goes under `config.<group>.<choice>`. An entry has the groups that its `defaults` name. A choice
    ending in `.yaml` is a file of the user's own: a path from the working directory or, in a YAML,
    from its folder.
Choices
    The entry and every chosen file may hold `defaults:`, a mapping of group to choice; null leaves
    a group out (`config.<group>` is null then). The entry speaks first and is overruled by the file
    of the first root group (stage), by those of the other groups in the order in which they are
    first mentioned, by those of the further root groups (experiment, debug), and by the command
    line. This is gone through again until nothing changes: a file that is not chosen in the end has
    no say.
    A file may say `extends: <name>`: it is the file of that name beside it, and on top what it says
    itself.
    A file of nothing but `decided_by: <function>` leaves the choice to that function, which is
    given the config without it and returns another choice of the group, and why.
    `config.decided.<group>` has both; a `_target_` on the command line comes before.
Content
    Merged in this order: the entry; the other groups, in the same order; the root groups, in
    theirs; `key.key=value` from the command line.
Parts
    `parts` in the entry lists what is built once and handed on by parameter name
    (`k15.config.parts`). Copies of a value, be they interpolations or handed on, are not changed
    where they arrive.
Result
    A DictConfig whose interpolations resolve, without `???`, whose `_target_` nodes fit their
    targets: k15's and Lightning's as their files tell (`k15.config.sources`), others as an import
    does, which `--cfg` does without. `config.choices` is the choice of each group.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from k15.config.errors import ConfigError, did_you_mean
from k15.config.groups import Choices, Tree, merge, settle, usage
from k15.config.nodes import faults
from k15.config.overrides import Override, apply, keys, parse, spread
from k15.config.parts import Parts, build, takes
from k15.config.show import decisions, public, shown
from k15.config.targets import import_target

__all__ = [
    "ConfigError",
    "Parts",
    "build",
    "choices",
    "decisions",
    "load",
    "public",
    "said",
    "shown",
    "takes",
]

ROOT = Path(__file__).resolve().parents[2] / "configs"


def load(entry: str, argv: Sequence[str], root: Path = ROOT) -> DictConfig:
    """Compose `root/<entry>.yaml` with the words of the command line, and check all of it.

    `--help` prints the usage, `--cfg` the config as `shown`; both end the program with status 0.

    Raises:
        ConfigError: a file, a choice or a value that cannot be read; else all the keys, types,
            targets and interpolations that are wrong, one per line.
    """
    tree = Tree(root, entry)
    if {"-h", "--help"} & set(argv):
        print(usage(tree))
        raise SystemExit(0)
    config = _compose(tree, [word for word in argv if word != "--cfg"])
    if "--cfg" in argv:
        print(shown(config), end="")
        raise SystemExit(0)
    _refuse(list(faults(config, imports=True)))
    return config


def choices(entry: str, argv: Sequence[str], root: Path = ROOT) -> Choices:
    """The choice of every group with these words of a command line, whatever else they say."""
    tree = Tree(root, entry)
    return settle(tree, parse(argv, tree.groups)[0])


def said(entry: str, group: str, choice: str, root: Path = ROOT) -> dict[str, Any]:
    """What the file of one choice says, interpolations as written."""
    tree = Tree(root, entry)
    return tree.content(tree.path(group, choice))


def _compose(tree: Tree, argv: Sequence[str]) -> DictConfig:
    given, overrides, strays = parse(argv, tree.groups)
    choices = settle(tree, given)
    config, found = _merged(tree, choices, overrides, strays)
    if decided := _decided(tree, choices, config):
        given |= {group: choice for group, (choice, _) in decided.items()}
        config, found = _merged(tree, settle(tree, given), overrides, strays)
        config.decided = {name: {"choice": c, "because": why} for name, (c, why) in decided.items()}
    config.choices = choices
    _refuse([*found, *faults(config)])
    return config


def _merged(
    tree: Tree, choices: Choices, overrides: list[Override], strays: list[str]
) -> tuple[DictConfig, list[str]]:
    """What files and command line say, and what of the latter cannot be meant."""
    config = merge(tree, choices)
    names = [*keys(config), *tree.groups]
    found = [
        f"{word}: expected group=choice or key=value"
        + did_you_mean(word.lstrip("-"), names, suffix="=...")
        for word in strays
    ]
    found += apply(config, spread(overrides, config, tree.many_groups), tree.groups)
    config.choices = choices
    return config, found


def _decided(tree: Tree, choices: Choices, config: DictConfig) -> dict[str, tuple[str, str]]:
    """By the functions to which files leave their choice; each is another choice, and why."""
    return {
        group: import_target(function)(config)
        for group, function in tree.deciders(choices).items()
        if (config.get(group) or {}).get("_target_") == function
    }


def _refuse(found: list[str]) -> None:
    if found:
        raise ConfigError("\n".join(found))

"""Groups of YAML files: which files are chosen, and what they say together.

The rules are told in `k15.config`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from k15.config.errors import ConfigError, did_you_mean, one_line

Choices = dict[str, str | None]
"""Group -> choice, None for a group that is left out; several choices are joined by commas."""

ROUNDS = 20  # far more than files choose files that choose files
DECIDED = "decided_by"
RESERVED = ("defaults", "root_groups", "many_groups")
"""Keys of files that are about choices."""


class Tree:
    """A folder of configs: an entry file and a folder for each group that its defaults name.

    Reads each file once.
    """

    def __init__(self, root: Path, entry: str) -> None:
        self.root = root
        self._files: dict[Path, dict[str, Any]] = {}
        self.entry = root / f"{entry}.yaml"
        if not self.entry.is_file():
            raise ConfigError(f"{self.entry}: no such file, and configs start from it")
        entry_content = self._read(self.entry)
        self.root_groups: list[str] = entry_content.get("root_groups") or []
        self.many_groups: list[str] = entry_content.get("many_groups") or []
        self.groups = sorted(name for name in entry_content.get("defaults") or {})

    def names(self, group: str) -> list[str]:
        """The choices in a group's folder."""
        return sorted(path.stem for path in (self.root / group).glob("*.yaml"))

    def paths(self, group: str, choice: str) -> dict[str, Path]:
        """The files of a group's choice by name; several where the group takes many."""
        chosen = choice.split(",") if group in self.many_groups else [choice]
        return {Path(name).stem: self.path(group, name) for name in chosen}

    def path(self, group: str, choice: str) -> Path:
        """The file of one choice."""
        own = choice.endswith(".yaml")
        path = Path(choice).expanduser() if own else self.root / group / f"{choice}.yaml"
        if not path.is_file():
            names = self.names(group)
            hint = "no such file" if own else f"no such choice{did_you_mean(choice, names)}"
            raise ConfigError(f"{group}={choice}: {hint} (choices of {group}: {', '.join(names)})")
        return path

    def content(self, path: Path) -> dict[str, Any]:
        """What a file says, interpolations as written, without what it chooses. One that leaves the
        choice to a function stands for that, until it is asked.
        """
        read = self._read(path)
        if DECIDED in read:
            return {"_target_": read[DECIDED]}
        return {key: value for key, value in read.items() if key not in RESERVED}

    def deciders(self, choices: Choices) -> dict[str, str]:
        """Of the groups whose chosen file leaves the choice to a function: its import path."""
        single = [
            group for group, name in choices.items() if name and group not in self.many_groups
        ]
        read = {group: self._read(self.path(group, str(choices[group]))) for group in single}
        return {group: content[DECIDED] for group, content in read.items() if DECIDED in content}

    def defaults(self, path: Path) -> Choices:
        """What a file chooses; each choice is there."""
        defaults = self._read(path).get("defaults") or {}
        if not isinstance(defaults, dict):
            raise ConfigError(f"{path}: defaults is a mapping of group to choice, got {defaults!r}")
        choices: Choices = {}
        for group, choice in defaults.items():
            if not (self.root / str(group)).is_dir():
                hint = did_you_mean(str(group), self.groups)
                raise ConfigError(f"{path}: defaults: {group} is no group{hint}")
            if group not in self.groups:
                continue  # another entry's
            if isinstance(choice, str) and choice.endswith(".yaml"):
                choice = path.parent / Path(choice).expanduser()
            choices[group] = joined(choice)
        return choices

    def _read(self, path: Path) -> dict[str, Any]:
        if path not in self._files:
            try:
                content = OmegaConf.to_container(OmegaConf.load(path))
            except (OSError, YAMLError, OmegaConfBaseException) as error:
                raise ConfigError(f"{path}: {one_line(error)}") from error
            if not isinstance(content, dict):
                raise ConfigError(f"{path}: expected a mapping, got {content!r}")
            self._files[path] = self._extended(path, cast(dict[str, Any], content))
        return self._files[path]

    def _extended(self, path: Path, content: dict[str, Any]) -> dict[str, Any]:
        """What a file says on top of the one beside it that it extends."""
        name = content.pop("extends", None)
        if name is None:
            return content
        base = path.with_name(f"{name}.yaml")
        if base == path or not base.is_file():
            names = sorted(file.stem for file in path.parent.glob("*.yaml") if file != path)
            raise ConfigError(f"{path}: extends: no file {base}{did_you_mean(str(name), names)}")
        merged = OmegaConf.merge(self._read(base), content)
        return cast(dict[str, Any], OmegaConf.to_container(merged))


def settle(tree: Tree, given: Choices) -> Choices:
    """The choice of every group: the entry's, then the files' of the choices, then `given`.

    Raises:
        ConfigError: a choice that does not exist, or files that unchoose each other.
    """
    entry = tree.defaults(tree.entry)
    choices = {**entry, **given}
    for _ in range(ROUNDS):
        settled = dict(entry)
        others = [group for group in choices if group not in tree.root_groups]
        for group in [*tree.root_groups[:1], *others, *tree.root_groups[1:]]:
            if choice := choices.get(group):
                for path in tree.paths(group, choice).values():
                    settled |= tree.defaults(path)
        settled |= given
        if settled == choices:
            return settled
        unsettled = [group for group in settled if settled[group] != choices.get(group)]
        choices = settled
    raise ConfigError(
        f"the choices of {', '.join(unsettled)} do not settle: the file that makes one is left out "
        f"because of it; give {unsettled[0]}=... on the command line"
    )


def merge(tree: Tree, choices: Choices) -> DictConfig:
    """The content of the entry, of the other groups and of the root groups, in this order."""
    others = [group for group in choices if group not in tree.root_groups]
    content: dict[str, Any] = {}
    for group, choice in choices.items():
        if choice:
            files = {name: tree.content(path) for name, path in tree.paths(group, choice).items()}
            content[group] = files if group in tree.many_groups else next(iter(files.values()))
    left_out = {group: None for group in others if group not in content}
    layers = [left_out | tree.content(tree.entry)]
    layers += [{group: content[group]} for group in others if group in content]
    layers += [content[group] for group in tree.root_groups if group in content]
    return cast(DictConfig, OmegaConf.merge(*layers))


def joined(choice: Any) -> str | None:
    """A choice, or several, as they stand in `Choices`."""
    if choice is None or isinstance(choice, str):
        return choice
    return ",".join(map(str, choice)) if isinstance(choice, list) else str(choice)


def usage(tree: Tree) -> str:
    """What `--help` prints: the entry's leading comment, the groups with their choices."""
    lines = [*_comment(tree.entry), ""]
    lines += [f"usage: python {tree.entry.stem}.py [group=choice ...] [key=value ...] [--cfg]", ""]
    defaults = tree.defaults(tree.entry)
    for group in tree.groups:
        lines.append(f"{group}:")
        for name in tree.names(group):
            about = (_comment(tree.path(group, name)) or [""])[0]
            mark = "*" if name in (defaults.get(group) or "").split(",") else " "
            lines.append(f"  {mark} {name:<20} {about}".rstrip())
    return "\n".join([*lines, "", *HOW_TO_OVERRIDE])


HOW_TO_OVERRIDE = """\
group=choice           choose a file of a group (* is chosen if nothing else is said)
group=my/own.yaml      choose a file of your own
group=[one,two]        choose several, where the entry allows it; group.key=value is for all of them
group=null             leave a group out
key.key=value          change a value that --cfg shows; values are YAML: 1e-3, [1, 2], null
key.key={a: 1}         replace a mapping as a whole
key._target_=pkg.Name  name a class or function of your own; its parameters are keys next to it
--cfg                  print the config that results and stop\
""".splitlines()


def _comment(path: Path) -> list[str]:
    """The leading comment lines of a file, without their marks."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return lines

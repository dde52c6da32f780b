"""What the command line changes: `group=choice` and `key.key=value`, each checked.

An override keeps to the keys and to the types of what is there; a mapping given whole, `key={...}`,
replaces the one that is there. A copy of another value, or of a part that is handed on, is changed
at its own address (`k15.config.copies`). New keys are for targets, whose signatures know them
(`k15.config.nodes` asks); for mappings of named things, which take one more thing with a `_target_`
and leave one out that is set to null; and for mappings that the YAML leaves empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from k15.config.copies import true_address
from k15.config.errors import ConfigError, did_you_mean, one_line
from k15.config.groups import Choices, joined
from k15.config.targets import annotation

Override = tuple[str, Any]
"""A dotted key, and the value that it shall have."""

EXPECTED = {  # kind of a value -> its name, words of an annotation that make it welcome
    "bool": ("a boolean", r"\b(bool|Any)\b"),
    "int": ("an integer", r"\b(int|float|Any)\b"),
    "float": ("a number", r"\b(float|Any)\b"),
    "str": ("a string", r"\b(str|Any)\b"),
    "dict": ("a mapping", r"\b([dD]ict|Mapping|Any)\b"),
    "list": ("a list", r"\b([lL]ist|[tT]uple|Sequence|Iterable|Any)\b"),
}


def parse(argv: Sequence[str], groups: Sequence[str]) -> tuple[Choices, list[Override], list[str]]:
    """Choices of groups, overrides, and the words that are neither.

    Raises:
        ConfigError: a value that is not YAML.
    """
    choices: Choices = {}
    overrides, strays = [], []
    for word in argv:
        key, equals, text = word.partition("=")
        if not equals:
            strays.append(word)
            continue
        try:
            read: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))
        except (YAMLError, OmegaConfBaseException) as error:
            raise ConfigError(f"{word}: not a YAML value, quote it: {one_line(error)}") from error
        if key in groups and not isinstance(read["value"], dict):
            choices[key] = joined(read["value"])
        else:
            overrides.append((key, read["value"]))
    return choices, overrides, strays


def spread(given: list[Override], config: DictConfig, many_groups: Sequence[str]) -> list[Override]:
    """`benchmark.limit=5` is for every chosen benchmark: say so of each, before what is of one."""
    common, single = [], []
    things = [key.removesuffix("._target_") for key, _ in given if key.endswith("._target_")]
    for key, value in given:
        group, _, inner = key.partition(".")
        name = inner.partition(".")[0]
        chosen = config.get(group) if inner and group in many_groups else None
        if not chosen or name in chosen or f"{group}.{name}" in things or _is_thing(value):
            single.append((key, value))
        else:
            common += [(f"{group}.{one}.{inner}", value) for one in chosen]
    return common + single


def apply(config: DictConfig, given: list[Override], groups: Sequence[str]) -> list[str]:
    """Change a config; return what was refused, and why."""
    refused = [override for override in given if _change(config, *override, groups)]
    # a later word may have added the thing that they are about
    return [fault for override in refused if (fault := _change(config, *override, groups))]


def _change(config: DictConfig, key: str, value: Any, groups: Sequence[str]) -> str:
    """Change one value; return why not, empty if it is changed."""
    if copy := _copy(config, key):
        return copy
    node, name, value = _place(config, key, value)
    at = node._get_full_key(None)
    there, old = name in list(node), resolved(node, name)
    if not there and not (at and _takes(node, value)):
        hint = did_you_mean(key, [*keys(config), *groups])
        return f"{key}: no such key{hint or '; --cfg shows the keys that there are'}"
    if there and isinstance(old, DictConfig) and isinstance(value, dict):
        if fault := _no_replacement(config, key, old, value):
            return fault
    elif there and not (_fits(old, value) or _admits(node, name, value)):
        if _kind(old) != "int" or _kind(value) != "float" or not value.is_integer():
            (expected, _), (found, _) = EXPECTED[_kind(old)], EXPECTED[_kind(value)]
            return f"{node._get_full_key(name)}: expected {expected}, got {value!r} ({found})"
        value = int(value)
    if value is None and at and _is_thing(old) and not _is_thing(node):
        del node[name]  # one of several named things is left out
    else:
        node[name] = value
    return ""


def _place(config: DictConfig, key: str, value: Any) -> tuple[DictConfig, Any, Any]:
    """The innermost mapping on the way to a key, the name in it, and what to put there: the value,
    or new mappings that lead to it.
    """
    node, *names = config, *key.split(".")
    while True:
        name = next((there for there in node if str(there) == names[0]), names[0])  # 0 and "0"
        inner = resolved(node, name)
        if len(names) == 1 or not isinstance(inner, DictConfig):
            break
        node, names = inner, names[1:]
    for new in reversed(names[1:]):
        value = {new: value}
    return node, name, value


def _no_replacement(config: DictConfig, key: str, old: DictConfig, new: dict[Any, Any]) -> str:
    """Why a mapping may not stand where another is; empty if it may."""
    if _is_thing(old) and not _is_thing(new):
        return (
            f"{key}: a mapping replaces all that is there, so it needs a _target_; to change "
            f"single keys of it: {' '.join(f'{key}.{name}=...' for name in new)}"
        )
    own = [name for name, value in new.items() if not _interpolates(value)]
    return next(filter(None, (_copy(config, f"{key}.{name}") for name in own)), "")


def _copy(config: DictConfig, key: str) -> str:
    """Why a value is not changed at this key; empty if it stands there and nowhere else."""
    address = true_address(config, key)
    changed = f"{key}: this is {address}, and is changed there alone: {address}=..."
    return changed if address != key else ""


def keys(node: DictConfig, at: str = "") -> Iterator[str]:
    """The dotted keys of the values in nested mappings, also of those that are missing."""
    for name in map(str, node):
        value = resolved(node, name)
        if isinstance(value, DictConfig) and value and not OmegaConf.is_interpolation(node, name):
            yield from keys(value, f"{at}{name}.")
        else:
            yield f"{at}{name}"


def resolved(node: DictConfig, name: Any) -> Any:
    """A value, None where there is none yet: `???`, or an interpolation that leads nowhere."""
    try:
        return None if OmegaConf.is_missing(node, name) else node[name]
    except OmegaConfBaseException:
        return None


def _takes(node: DictConfig, value: Any) -> bool:
    """Whether a mapping takes a new key with this value."""
    if "_target_" in node or not node:
        return True
    things = [resolved(node, str(name)) for name in node]
    return all(_is_thing(thing) for thing in things if thing is not None) and _is_thing(value)


def _is_thing(value: Any) -> bool:
    return isinstance(value, dict | DictConfig) and "_target_" in value


def _fits(old: Any, new: Any) -> bool:
    """Whether `new` may stand where `old` is, going by their types."""
    if old is None or new is None or _interpolates(new):
        return True
    return _kind(new) == _kind(old) or (_kind(old), _kind(new)) == ("float", "int")


def _interpolates(value: Any) -> bool:
    return isinstance(value, str) and "${" in value


def _admits(node: DictConfig, name: str, value: Any) -> bool:
    """Whether the target's own annotation takes the value: `devices: int | str = "auto"`."""
    if "_target_" not in node:
        return False
    written = annotation(resolved(node, "_target_"), name)
    return re.search(EXPECTED[_kind(value)][1], written) is not None


def _kind(value: Any) -> str:
    if isinstance(value, DictConfig | dict):
        return "dict"
    return "list" if isinstance(value, ListConfig | list) else type(value).__name__

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

from k15.config.copies import copied, root_of, true_address
from k15.config.errors import ConfigError, did_you_mean, nearest, one_line
from k15.config.groups import Choices, joined
from k15.config.targets import annotation

EXPECTED = {  # kind of a value -> its name, words of an annotation that make it welcome
    "bool": ("a boolean", r"\b(bool|Any)\b"),
    "int": ("an integer", r"\b(int|float|Any)\b"),
    "float": ("a number", r"\b(float|Any)\b"),
    "str": ("a string", r"\b(str|Any)\b"),
    "dict": ("a mapping", r"\b([dD]ict|Mapping|Any)\b"),
    "list": ("a list", r"\b([lL]ist|[tT]uple|Sequence|Iterable|Any)\b"),
}


def parse(argv: Sequence[str], groups: Sequence[str]) -> tuple[Choices, dict[str, Any], list[str]]:
    """Choices of groups, overrides as a nested dict in which a mapping that was given whole is a
    DictConfig, and the words that are neither.

    Raises:
        ConfigError: a value that is not YAML.
    """
    choices: Choices = {}
    overrides: dict[str, Any] = {}
    strays = []
    for word in argv:
        key, equals, text = word.partition("=")
        if not equals:
            strays.append(word)
            continue
        value = _value(word, text)
        if key in groups and not isinstance(value, DictConfig):
            choices[key] = joined(value) if value is None or isinstance(value, str | list) else text
        else:
            _nest(overrides, key, value)
    return choices, overrides, strays


def apply(node: DictConfig, overrides: dict[str, Any], names: list[str], at: str = "") -> list[str]:
    """Change `node`, which lies at the dotted prefix `at`; return what was refused, and why.

    `names` are the dotted keys and groups that a misspelled key may have meant.
    """
    faults = []
    for given, value in overrides.items():
        name: Any = next((there for there in node if str(there) == given), given)  # 0 and "0"
        key = f"{at}{name}"
        if copied(node, name, at):
            faults += [_copy(leaf, root_of(node)) for leaf in _leaves(value, key)]
            continue
        if name not in list(node):
            if at and _takes(node, value):
                node[name] = value
            else:
                faults += [_unknown(leaf, names) for leaf in _leaves(value, key)]
            continue
        old = resolved(node, name)
        if value is None and at and _is_thing(old) and not _is_thing(node):
            del node[name]  # one of several named things is left out
        elif isinstance(old, DictConfig) and isinstance(value, DictConfig):
            faults += _replace(node, name, value, key)
        elif isinstance(old, DictConfig) and isinstance(value, dict):
            faults += apply(node[name], value, names, f"{key}.")
        elif _fits(old, value) or _admits(node, name, value):
            node[name] = value
        elif _kind(old) == "int" and isinstance(value, float) and value.is_integer():
            node[name] = int(value)
        else:
            (expected, _), (found, _) = EXPECTED[_kind(old)], EXPECTED[_kind(value)]
            faults.append(f"{key}: expected {expected}, got {value!r} ({found})")
    return faults


def _replace(node: DictConfig, name: str, value: DictConfig, key: str) -> list[str]:
    """Put a whole mapping where one is; return what was refused, and why."""
    old, names = node[name], [*map(str, value)]
    if "_target_" in old and "_target_" not in value:
        single = " ".join(f"{key}.{inner}=..." for inner in names)
        return [
            f"{key}: a mapping replaces all that is there, so it needs a _target_; to change "
            f"single keys of it: {single}"
        ]
    own = [inner for inner in names if not OmegaConf.is_interpolation(value, inner)]
    faults = [
        _copy(f"{key}.{inner}", root_of(node)) for inner in own if copied(old, inner, f"{key}.")
    ]
    node[name] = value
    return faults


def spread(overrides: dict[str, Any], node: DictConfig, many_groups: Sequence[str]) -> None:
    """`benchmark.limit=5` is for every chosen benchmark: change `overrides` to say so of each."""
    for group in many_groups:
        given, chosen = overrides.get(group), node.get(group)
        if not isinstance(given, dict) or not chosen:
            continue
        shared = [key for key in given if key not in chosen and not _is_thing(given[key])]
        common = {key: given.pop(key) for key in shared}
        for name in chosen if common else ():
            given[name] = {**common, **given.get(name, {})}


def stray(word: str, names: list[str]) -> str:
    """What to say about a word of the command line that has no `=`."""
    found = nearest(word.lstrip("-"), names)
    hint = f"; did you mean {found}=...?" if found else ""
    return f"{word}: expected group=choice or key=value{hint}"


def keys(node: DictConfig, at: str = "") -> Iterator[str]:
    """The dotted keys of the values in nested mappings, also of those that are missing."""
    for name in map(str, node):
        value = resolved(node, name)
        if isinstance(value, DictConfig) and value and not OmegaConf.is_interpolation(node, name):
            yield from keys(value, f"{at}{name}.")
        else:
            yield f"{at}{name}"


def resolved(node: DictConfig, name: str) -> Any:
    """A value, None where there is none yet: `???`, or an interpolation that leads nowhere."""
    try:
        return None if OmegaConf.is_missing(node, name) else node[name]
    except OmegaConfBaseException:
        return None


def _nest(overrides: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; what was said of it before is overruled."""
    *path, last = key.split(".")
    for name in path:
        if not isinstance(overrides.get(name), dict | DictConfig):
            overrides[name] = {}
        overrides = overrides[name]
    overrides[last] = value


def _value(word: str, text: str) -> Any:
    try:
        content: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))
    except (YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{word}: not a YAML value, quote it: {one_line(error)}") from error
    value = content["value"]
    return OmegaConf.create(value) if isinstance(value, dict) else value


def _takes(node: DictConfig, value: Any) -> bool:
    """Whether a mapping takes a new key with this value."""
    if "_target_" in node or not node:
        return True
    things = [resolved(node, str(name)) for name in node]
    return all(_is_thing(thing) for thing in things if thing is not None) and _is_thing(value)


def _is_thing(value: Any) -> bool:
    return isinstance(value, dict | DictConfig) and "_target_" in value


def _leaves(value: Any, key: str) -> list[str]:
    """The dotted keys that an override gave, `key` itself if its value is no mapping."""
    if isinstance(value, DictConfig):
        value = OmegaConf.to_container(value)
    if isinstance(value, dict) and value:
        return [leaf for name in value for leaf in _leaves(value[name], f"{key}.{name}")]
    return [key]


def _copy(key: str, config: DictConfig) -> str:
    address = true_address(config, key)
    return f"{key}: this is {address}, and is changed there alone: {address}=..."


def _unknown(key: str, names: list[str]) -> str:
    hint = did_you_mean(key, names) or "; --cfg shows the keys that there are"
    return f"{key}: no such key{hint}"


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

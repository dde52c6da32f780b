"""Objects from a config: each node is built once, when somebody first asks for it, and handed on.

`config.parts` says what is handed on, and where it stands: {parameter: address}. Whoever has a
parameter of such a name that its own node does not set is given what is built at that address, or
the plain value there. A part whose address holds null is not there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from k15.config.copies import part_address
from k15.config.errors import ConfigError, is_users
from k15.config.targets import Parameters, import_target, misled, parameters_of, required

RESERVED = ("_target_", "_partial_")


def build(node: Any, /, **given: Any) -> Any:
    """Turn a node into what it describes; `given` objects are handed on beside its config's parts.

    A mapping with `_target_` becomes the result of calling the target with its other keys, built
    likewise; with `_partial_: true`, a `functools.partial` of it. Other mappings and lists are
    built value by value. An interpolation that names a node is the object built from that node.

    Example: `build(config.optimizer, params=model.parameters())`

    Raises:
        ConfigError: a target that cannot be found or an argument that nobody gave. What a target
            raises itself passes through with a note that names the target.
    """
    if isinstance(node, dict | list):
        node = OmegaConf.create(node)
    if not OmegaConf.is_config(node):
        return node
    root = node._get_root()
    return Parts(root if isinstance(root, DictConfig) else OmegaConf.create(), **given).build(node)


class Parts:
    """The parts of one config by parameter name, built when they are asked for and no earlier.

    What code makes itself joins them: `parts["words"] = source.words`.
    """

    def __init__(self, config: DictConfig, **given: Any) -> None:
        self.config = config
        self.given = given
        self._addresses: dict[str, str] = dict(config.get("parts") or {})
        self._built: dict[str, Any] = {}
        self._building: list[str] = []

    def __getitem__(self, name: str) -> Any:
        if name in self.given:
            return self.given[name]
        if name not in self:
            raise KeyError(name)
        return self.build(OmegaConf.select(self.config, self._addresses[name]))

    def get(self, name: str, default: Any = None) -> Any:
        """The part, `default` where there is none."""
        there = name in self  # a KeyError while it is built is none of ours
        return self[name] if there else default

    def __setitem__(self, name: str, part: Any) -> None:
        self.given[name] = part

    def __contains__(self, name: object) -> bool:
        return name in self.given or part_address(self.config, str(name)) is not None

    def __iter__(self) -> Iterator[str]:
        return (name for name in {**self.given, **self._addresses} if name in self)

    def build(self, node: Any) -> Any:
        """What a node of the config describes, as `k15.config.build` says."""
        if isinstance(node, ListConfig):
            return [self.build(item) for item in node]
        if not isinstance(node, DictConfig):
            return node
        if "_target_" not in node:
            return {key: self.build(node[key]) for key in node}
        address = node._get_full_key(None)
        if address in self._building:
            circle = " -> ".join([*self._building[self._building.index(address) :], address])
            raise ConfigError(f"{circle}: each needs the next; set the parameter of one to null")
        if address not in self._built:
            self._building.append(address)
            try:
                self._built[address] = self._call(node, address)
            finally:
                self._building.pop()
        return self._built[address]

    def _call(self, node: DictConfig, address: str) -> Any:
        where = f"{address} ({node['_target_']})" if address else str(node["_target_"])
        with _noting(where):
            target = import_target(node["_target_"])
        parameters = parameters_of(target)
        partial = node.get("_partial_")  # what is positional is given when it is called
        free = [n for n, it in parameters.items() if not partial or it.kind is it.KEYWORD_ONLY]
        handed = [name for name in free if name not in node and self.hands_on(name, address)]
        missing = required(parameters) - {*node, *handed}
        if missing and not partial:
            raise ConfigError(f"{where}: {self.nobody_gave(missing)}")
        values: dict[str, Any] = {
            str(name): self.build(node[name]) for name in node if name not in RESERVED
        }
        values |= {name: self[name] for name in handed}
        if partial:
            return functools.partial(target, **values)
        with _noting(where, parameters):
            return target(**values)

    def hands_on(self, name: str, to: str) -> bool:
        """Whether there is a part of this name for the node at an address: none is its own part."""
        own = "" if name in self.given else self._addresses.get(name, "")
        return name in self and not (own and f"{to}.".startswith(f"{own}."))

    def nobody_gave(self, missing: set[str]) -> str:
        """What to say of parameters that neither the YAML nor the parts have a value for."""
        null = sorted(self._addresses[name] for name in missing & {*self._addresses})
        hint = f", or give {' and '.join(null)}, which is null" if null else ""
        return (
            f"nobody gave {', '.join(sorted(missing))}: set it in the YAML{hint} "
            f"(what is handed on: {', '.join(self) or 'nothing'})"
        )


def takes(node: DictConfig, name: str) -> bool:
    """Whether the target of a node has a parameter of this name; imports it."""
    return name in parameters_of(import_target(node["_target_"]))


@contextmanager
def _noting(where: str, parameters: Parameters | None = None) -> Iterator[None]:
    """Add to an exception which target it comes from.

    What is about a value that the user wrote becomes a ConfigError; so does a TypeError about an
    argument that `**kwargs` would have led to a parent.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        if is_users(error):
            raise ConfigError(f"{error}\nwhile building {where}") from error
        if isinstance(error, TypeError) and parameters and misled(parameters, error):
            raise ConfigError(f"{where}: {error}") from error
        error.add_note(f"while building {where}")
        raise

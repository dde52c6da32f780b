"""Tensors in nested mappings and lists, each by the keys that lead to it: `state/0/exp_avg`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """All of them, with their names."""
    if isinstance(node, Tensor):
        yield prefix, node
    for key, value in entries(node):
        yield from leaves(value, below(prefix, key))


def changed(node: Any, change: Callable[[str, Tensor], Any], prefix: str = "") -> Any:
    """The same mappings and lists with what `change` makes of each name and tensor."""
    if isinstance(node, Tensor):
        return change(prefix, node)
    if not isinstance(node, Mapping | list | tuple):
        return node
    inside = {key: changed(value, change, below(prefix, key)) for key, value in entries(node)}
    return inside if isinstance(node, Mapping) else [*inside.values()]


def entries(node: Any) -> Iterator[tuple[Any, Any]]:
    """Of a mapping or a list; nothing else has any."""
    if isinstance(node, Mapping):
        yield from node.items()
    elif isinstance(node, list | tuple):
        yield from enumerate(node)


def below(prefix: str, key: Any) -> str:
    """The name of what is under a key."""
    return f"{prefix}/{key}" if prefix else str(key)

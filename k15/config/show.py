"""A config as text for people and for files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from omegaconf import DictConfig, OmegaConf
from omegaconf.resolvers import oc


def shown(config: DictConfig) -> str:
    """YAML with interpolations resolved, except what comes from the environment: `${oc.env:KEY}`
    stays as it is, also where others refer to it, for that is where secrets come from.
    """
    with _environment_as_written():
        return OmegaConf.to_yaml(config, resolve=True)


@contextmanager
def _environment_as_written() -> Iterator[None]:
    OmegaConf.register_resolver("oc.env", _written, replace=True)
    try:
        yield
    finally:
        OmegaConf.register_resolver("oc.env", oc.env, replace=True)


def _written(*arguments: str | None) -> str:
    words = ("null" if argument is None else argument for argument in arguments)
    return f"${{oc.env:{','.join(words)}}}"

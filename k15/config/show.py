"""A config as text for people and for files."""

from __future__ import annotations

import re
from typing import Any, cast

from omegaconf import MISSING, DictConfig, OmegaConf

SECRET = re.compile(
    r"(^|_)(api_?key|access_key|private_key|token|password|passwd|secret|authorization)$", re.I
)


def shown(config: DictConfig) -> str:
    """YAML that says every value once: interpolations stay as they are written. So does what comes
    from the environment, `${oc.env:KEY}`, for that is where secrets come from.
    """
    return OmegaConf.to_yaml(OmegaConf.create(public(config)))


def decisions(config: DictConfig) -> list[str]:
    """A line for each choice that was left to a function: which it is, and why."""
    made = (config.get("decided") or {}).items()
    return [f"{group}={it['choice']}: {it['because']}" for group, it in made]


def public(config: DictConfig, *, resolve: bool = False) -> dict[str, Any]:
    """The values of a config, but for secrets, by the names of their keys: `???` stands there, so
    that whoever takes the config up again is asked for them.
    """
    return cast(dict[str, Any], _public(OmegaConf.to_container(config, resolve=resolve)))


def _public(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _public(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_public(inner, name) for inner in value]
    told = value is None or isinstance(value, bool) or str(value).startswith(("${", "<"))
    return value if told or not SECRET.search(name) else MISSING  # <eos>, an eos_token

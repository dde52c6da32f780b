"""torchvision and transformers' image processors import beside a CPU build of torch."""

import subprocess
import sys

import pytest
import torch


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


def test_importing_the_package_imports_nothing_heavy() -> None:
    result = run(
        "import sys, k15; print({'torch', 'torchvision', 'transformers'} & set(sys.modules))"
    )
    assert result.stdout.strip() == "set()", result.stderr


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch has CUDA: nothing to heal")
def test_torchvision_imports_after_the_package() -> None:
    result = run("import k15, torchvision; from torchvision.transforms.v2 import functional")
    assert result.returncode == 0, result.stderr


def test_healing_twice_is_harmless() -> None:
    result = run(
        "import k15\n"
        "from k15 import heal\n"
        "heal.declare_missing_operators(); heal.declare_missing_operators()\n"
        "import torchvision\n"
    )
    assert result.returncode == 0, result.stderr

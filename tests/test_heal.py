"""torchvision and transformers' image processors import beside a CPU build of torch."""

import subprocess
import sys
from pathlib import Path

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
    result = run("import k15\nfrom k15 import heal\nheal.heal(); heal.heal()\nimport torchvision\n")
    assert result.returncode == 0, result.stderr


def test_a_package_that_does_not_import_counts_as_not_installed(tmp_path: Path) -> None:
    (tmp_path / "brokenpackage.py").write_text("raise OSError('libcudart.so is not here')")
    result = run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import importlib.util\n"
        "from k15 import heal\n"
        "heal.hide_if_broken('brokenpackage'); heal.hide_if_broken('json')\n"
        "print(importlib.util.find_spec('brokenpackage'), importlib.util.find_spec('json').name)\n"
    )
    assert result.stdout.strip() == "None json", result.stderr

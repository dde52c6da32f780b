"""Let torchvision, and what imports it, import beside a CPU build of torch.

torchvision wheels from PyPI carry operators compiled for CUDA. Beside a CPU build of torch their
library does not load, `import torchvision` stops with "operator torchvision::nms does not exist",
and transformers' image processors go down with it. None of these operators is used for language
models: declaring the two schemas that torchvision's Python code refers to is enough. The
declaration is made as a fragment, so a library that does load is left alone.

torchaudio and torchcodec, which vLLM brings along, fail in the same way and are not needed at all:
where they do not import, they count as not installed.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_fragments: list[object] = []  # torch drops operators together with the object that defined them


class _HealFirst(MetaPathFinder):
    """Finds nothing; heals when somebody is about to import a package that would fail."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in ("torchvision", "transformers"):
            sys.meta_path.remove(self)
            heal()
        return None


def install() -> None:
    """Heal at the first import that needs it, whoever makes it; nothing happens before."""
    if "torchvision" not in sys.modules:
        sys.meta_path.insert(0, _HealFirst())


def heal() -> None:
    """Declare what is missing and hide what is broken, if this torch has no accelerator."""
    import torch

    if torch.version.cuda or torch.version.hip:
        return
    declare_missing_operators()
    for name in ("torchaudio", "torchcodec"):
        hide_if_broken(name)


def declare_missing_operators() -> None:
    """Declare torchvision's operator schemas if the compiled ones do not load."""
    import torch

    spec = PathFinder.find_spec("torchvision")
    if _fragments or spec is None or spec.origin is None:
        return
    try:
        for library in Path(spec.origin).parent.glob("_C*.so"):
            torch.ops.load_library(str(library))
    except OSError:
        fragment = torch.library.Library("torchvision", "FRAGMENT")
        for schema in SCHEMAS:
            fragment.define(schema)
        _fragments.append(fragment)


def hide_if_broken(name: str) -> None:
    """Make an installed package that cannot be imported look as if it were not there."""
    if name in sys.modules or PathFinder.find_spec(name) is None:
        return
    try:
        importlib.import_module(name)
    except (OSError, RuntimeError, ImportError):  # its compiled library wants CUDA
        for module in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
            del sys.modules[module]
        sys.modules[name] = None  # type: ignore[assignment]


def vllm_plugin() -> None:
    """Heal in vLLM's own processes: a `vllm.platform_plugins` entry point that names no platform.

    It is the hook that vLLM calls before it imports transformers.
    """
    heal()

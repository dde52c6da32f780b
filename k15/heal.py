"""Let torchvision import beside a CPU build of torch.

torchvision wheels from PyPI carry operators compiled for CUDA. Beside a CPU build of torch their
library does not load, `import torchvision` stops with "operator torchvision::nms does not exist",
and transformers' image processors go down with it. None of these operators is used for language
models: declaring the two schemas that torchvision's Python code refers to is enough. The
declaration is made as a fragment, so a library that does load is left alone.
"""

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
_fragments: list[
    object
] = []  # torch drops the operators together with the object that defined them


class _HealFirst(MetaPathFinder):
    """Finds nothing; declares the schemas when somebody is about to import torchvision."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            declare_missing_operators()
        return None


def install() -> None:
    """Heal at the first import of torchvision, whoever makes it; nothing happens before."""
    if "torchvision" not in sys.modules:
        sys.meta_path.insert(0, _HealFirst())


def declare_missing_operators() -> None:
    """Declare torchvision's operator schemas if this torch has no accelerator and the compiled ones
    do not load.
    """
    import torch

    if torch.version.cuda or torch.version.hip or _fragments:
        return
    spec = PathFinder.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    try:
        for library in Path(spec.origin).parent.glob("_C*.so"):
            torch.ops.load_library(str(library))
    except OSError:
        fragment = torch.library.Library("torchvision", "FRAGMENT")
        for schema in SCHEMAS:
            fragment.define(schema)
        _fragments.append(fragment)

"""Models whose weights are spread over ranks, as far as a model and its users have to know of it.

FSDP2 gathers the weights of a layer around its forward, and what is in no layer around that of the
whole model. Whoever calls parts of a model by itself therefore does so `within` the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

Result = TypeVar("Result")
CALLED = "k15_within"


def is_sharded(model: nn.Module) -> bool:
    """Whether ranks have parts of its weights."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def class_of(model: nn.Module) -> Any:
    """The model's own class: FSDP2 puts one of its own before it."""
    return next(kind for kind in type(model).__mro__ if not issubclass(kind, FSDPModule))


def callable_within(model: nn.Module) -> None:
    """Let FSDP2 gather what is in no layer around what is called `within` the model, too."""
    setattr(model, CALLED, _called)
    register_fsdp_forward_method(model, CALLED)


def within(model: Any, work: Callable[[], Result]) -> Result:
    """What `work` returns, which calls parts of the model: tensors, for gradients to flow."""
    result: Result = getattr(model, CALLED, _called)(work)
    return result


def _called(work: Callable[[], Result]) -> Result:
    return work()

"""Which layout is used when."""

from __future__ import annotations

from typing import Literal, get_args

from k15.config.errors import ConfigError
from k15.models.layouts.base import Layout
from k15.models.layouts.bucketed import Bucketed
from k15.models.layouts.packed import Packed
from k15.models.layouts.shared import Shared
from k15.models.policy import Policy
from k15.models.support import refusal

Choice = Literal["auto", "bucketed", "packed", "shared"]
LAYOUTS: tuple[type[Layout], ...] = (Bucketed, Packed, Shared)


def choose_layout(policy: Policy, choice: str = "auto", *, prompts_repeat: bool = False) -> Layout:
    """The layout of that name; with "auto" the quickest one that the model allows.

    That is shared where prompts repeat; packed on a GPU with flash attention, which takes variable
    lengths; bucketed elsewhere: a dense mask over a packed row costs its length squared. Raises
    ValueError for another name, and naming the reason if the model is not right in the layout.
    """
    if choice not in get_args(Choice):
        raise ConfigError(f"module.layout={choice!r}: choose {', '.join(get_args(Choice))}")
    if choice == "auto":
        choice = quickest(policy, prompts_repeat)
    if reason := getattr(policy.support, choice):
        way_out = "set module.layout=auto" if not policy.support.bucketed else ""
        reason = f"layout {choice} is not for it: {reason}"
        raise refusal(policy.path, policy.model.config, reason, way_out)
    return next(layout for layout in LAYOUTS if layout.name == choice)()


def quickest(policy: Policy, prompts_repeat: bool) -> str:
    """The name of the layout that "auto" stands for."""
    if prompts_repeat and not policy.support.shared:
        return "shared"
    flash = "flash" in (policy.model.config.get_text_config()._attn_implementation or "")
    variable = flash and policy.device.type == "cuda" and not policy.support.packed
    return "packed" if variable else "bucketed"

"""Runs that the figures on searches (Make 24) have in common."""

from __future__ import annotations

from k15.figures.runs import Run

ITERATIONS = 25
SIZES = {"small": 40, "large": 64}
"""Hidden size of the two models; the large one is the default."""


def searching(size: str) -> tuple[Run, ...]:
    """Pretraining, SFT and RL of a model, which can lengthen its search."""
    width = SIZES[size]
    model = (f"model.hidden_size={width}", f"model.intermediate_size={3 * width}")
    heads = () if size == "large" else ("model.head_dim=20",)
    names = [f"make24-{stage}-{size}" for stage in ("pretrain", "sft", "rl")]
    rl = (f"trainer.max_epochs={ITERATIONS}", "module.kl_to_start=false", "callbacks.balance=null")
    return (
        Run(name=names[0], words=("stage=pretrain", *model, *heads)),
        Run(name=names[1], words=("stage=sft", *model, *heads), starts={"start_from": names[0]}),
        Run(
            name=names[2],
            words=("stage=rl", *model, *heads, *rl),
            starts={"start_from": names[1]},
        ),
    )

"""Runs that the figures on chains have in common."""

from __future__ import annotations

from collections.abc import Sequence

from k15.figures.runs import Run


def chain(levels: Sequence[int], *, free_order: bool = False) -> tuple[str, ...]:
    """The task, as words of a command line."""
    listed = ",".join(map(str, levels))
    return ("task=chain", f"task.levels=[{listed}]", f"task.free_order={free_order}".lower())


def pretrained(*, free_order: bool = False, tokens: int = 800_000) -> Run:
    """On clean answers of 2 to 15 steps, once for all seeds."""
    name = "chain-pretrain-free" if free_order else "chain-pretrain"
    task = chain(range(2, 16), free_order=free_order)
    return Run(name=name, words=("stage=pretrain", *task, f"datamodule.tokens={tokens}"), seed=0)


def taught(
    name: str, task: tuple[str, ...], before: Run, *, error: float = 0.0, waste: float = 0.0
) -> Run:
    """SFT on answers with wrong steps and idle checks."""
    manner = (f"demonstrations.error={error}", f"demonstrations.waste={waste}")
    return Run(name=name, words=("stage=sft", *task, *manner), starts={"start_from": before.name})

"""Runs that the figures on chains have in common."""

from __future__ import annotations

from collections.abc import Sequence

from k15.figures.runs import Run


def chain(levels: Sequence[int], *, free_order: bool = False) -> tuple[str, ...]:
    """The task, as words of a command line."""
    listed = ",".join(map(str, levels))
    return ("task=chain", f"task.levels=[{listed}]", f"task.free_order={free_order}".lower())


def pretrained(*, free_order: bool = False) -> tuple[Run, Run]:
    """On clean answers of 2 to 15 steps, once for all seeds; the last one is the base.

    When the steps are found by their labels is luck, between 300,000 and 900,000 tokens: two runs,
    each with a rise and a fall of the learning rate, have found it for sure.
    """
    name = "chain-pretrain-free" if free_order else "chain-pretrain"
    task = chain(range(2, 16), free_order=free_order)
    first = Run(name=name, words=("stage=pretrain", *task, "datamodule.tokens=800000"), seed=0)
    words = ("stage=pretrain", *task, "datamodule.tokens=500000")
    return first, Run(name=f"{name}-on", words=words, starts={"start_from": name}, seed=100)


def taught(name: str, task: tuple[str, ...], before: Run, *more: str) -> Run:
    """SFT on answers with wrong steps and idle checks, as `more` says."""
    return Run(name=name, words=("stage=sft", *task, *more), starts={"start_from": before.name})

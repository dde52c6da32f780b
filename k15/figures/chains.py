"""Runs that the figures on chains have in common."""

from __future__ import annotations

from collections.abc import Sequence

from k15.figures.runs import Run


def chain(levels: Sequence[int], *, free_order: bool = False) -> tuple[str, ...]:
    """The task, as words of a command line."""
    listed = ",".join(map(str, levels))
    return ("task=chain", f"task.levels=[{listed}]", f"task.free_order={free_order}".lower())


def pretrained(*, free_order: bool = False) -> tuple[Run, ...]:
    """On clean answers of 2 to 15 steps, once for all seeds; the last one is the base.

    When the steps are found by their labels is luck, between 300,000 and 900,000 tokens: two runs,
    each with a rise and a fall of the learning rate, have found it for sure. Free order is learnt
    from there, in as many: a value no longer follows from the one before it.
    """
    steps = range(2, 16)
    first = on_clean_answers("chain-pretrain", chain(steps), 800_000, seed=0)
    then = on_clean_answers("chain-pretrain-on", chain(steps), 500_000, before=first, seed=100)
    if not free_order:
        return first, then
    free = chain(steps, free_order=True)
    freed = on_clean_answers("chain-pretrain-free", free, 800_000, before=then, seed=0)
    more = on_clean_answers("chain-pretrain-free-on", free, 800_000, before=freed, seed=100)
    return first, then, freed, more


def on_clean_answers(
    name: str, task: tuple[str, ...], tokens: int, *, seed: int, before: Run | None = None
) -> Run:
    """Pretraining that all seeds have in common, from nothing or from another run."""
    words = ("stage=pretrain", *task, f"datamodule.tokens={tokens}")
    return Run(
        name=name, words=words, starts={"start_from": before.name} if before else {}, seed=seed
    )


def taught(name: str, task: tuple[str, ...], before: Run, *more: str) -> Run:
    """SFT on answers with wrong steps and idle checks, as `more` says."""
    return Run(name=name, words=("stage=sft", *task, *more), starts={"start_from": before.name})

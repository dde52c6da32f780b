"""The figures of benchmarks/rl_step.py, as they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

Run = dict[str, Any]
"""What one process measured."""


def report(size: str, runs: dict[str, list[Run]]) -> None:
    """The figures of one model size."""
    print(f"\n{size}: CPU seconds per iteration, one thread, median (min-max)")
    print(f"{'':5}{'iteration':20}{'rollout':>8}{'train':>8}{'tokens':>8}{'per CPU-s':>11}")
    for side, processes in runs.items():
        report_side(side, [each for process in processes for each in process["iterations"]])
    print("k15 / TRL, by repetition")
    pairs = list(zip(runs["k15"], runs["TRL"], strict=True))
    for unit, cost in (("iteration", per_iteration), ("token", per_token)):
        print(f"  per {unit:14}{spread([cost(k15) / cost(trl) for k15, trl in pairs])}")
    report_costs(runs["k15"])


def report_side(side: str, iterations: list[dict[str, float]]) -> None:
    """One line: training is what is left of an iteration, Lightning or Trainer included; k15 scores
    while it generates.
    """
    whole, rollout, tokens = (
        [iteration[name] for iteration in iterations] for name in ("iteration", "rollout", "tokens")
    )
    reward = [iteration.get("reward", 0.0) for iteration in iterations]
    train = median(w - o - r for w, o, r in zip(whole, rollout, reward, strict=True))
    rate = sum(tokens) / sum(whole)
    print(
        f"{side:5}{spread(whole):20}{median(rollout):8.2f}{train:8.2f}"
        f"{median(tokens):8.0f}{rate:11.0f}"
    )


def report_costs(processes: list[Run]) -> None:
    """What k15's iteration consists of, beside what its arithmetic alone would take."""
    seconds = median(map(per_iteration, processes))
    floor = median(process["floor"] for process in processes)
    print(
        f"k15 beside its arithmetic at the speed of large matrix products: {seconds / floor:.1f}x"
    )
    print(f"  {'floor':32}{floor:6.2f} s{floor / seconds:6.0%}")
    print("Where k15's iteration goes, by torch.profiler")
    names = dict.fromkeys(name for process in processes for name in process["profile"])
    shares = {name: median(p["profile"].get(name, 0.0) for p in processes) for name in names}
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"  {name:32}{share * seconds:6.2f} s{share:6.0%}")


def per_iteration(process: Run) -> float:
    """Median CPU seconds of an iteration."""
    return median(iteration["iteration"] for iteration in process["iterations"])


def per_token(process: Run) -> float:
    """CPU seconds of all iterations over their completion tokens."""
    seconds, tokens = (
        sum(iteration[name] for iteration in process["iterations"])
        for name in ("iteration", "tokens")
    )
    return seconds / tokens


def spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"

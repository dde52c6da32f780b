"""A prediction for people, and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from k15.plan.costs import GIB, Costs
from k15.plan.prediction import Prediction

LOWER = {
    "weights": "shard them (sharding=full, tensor_parallel) or narrow them (model.dtype=bfloat16)",
    "gradients": "train an adapter (model.lora.rank=32) or shard them (sharding=full)",
    "optimizer": "train an adapter (model.lora.rank=32), shard it (sharding=full) or keep it in "
    "main memory (callbacks.offload._target_=k15.callbacks.offload.OptimizerOnCpu)",
    "weights at the start": "module.kl_to_start=false",
    "keys and values": "engine.slots, engine.cache_gib or data.max_response_tokens",
    "logits": "engine.slots",
    "activations": "sizes.tokens_per_microbatch (RL) or datamodule.tokens_per_batch, "
    "model.gradient_checkpointing=true",
    "logits and what passes": "tokens_per_chunk",
    "gathered layers": "tensor_parallel",
    "what passes": "train an adapter (model.lora.rank=32) or shard (sharding=full)",
}
"""What takes memory: what makes it less."""
QUICKEN = {
    "rollout": "engine.slots while slots are busy, engine=vllm, more devices (trainer.devices); "
    "datamodule.plan.cut_unfinished=true where they are not",
    "reward": "datamodule.plan.scoring_threads",
    "reference": "sizes.minibatches_per_iteration: fewer read less again",
    "learning": "more devices, model.gradient_checkpointing=false, trainer.precision=bf16-mixed",
    "optimizer": "sizes.minibatches_per_iteration: fewer steps",
    "between devices": "larger sizes.tokens_per_microbatch (FSDP2), sharding=none where it fits",
    "sync": "engine=transformers where its speed is enough",
}
"""What takes time: what makes it less."""


def text(found: Prediction) -> str:
    """Tables and what to change."""
    tables = [*head(found), "", *memory_lines(found), "", *time_lines(found)]
    return "\n".join([*tables, f"not counted: {'; '.join(found.uncounted)}"])


def head(found: Prediction) -> Iterator[str]:
    """What it is about."""
    counts, place = found.counts, found.placement
    parts = ", ".join(f"{name} {number:,}" for name, number in counts.parts.items())
    yield f"stage={found.stage}, model {found.model}: {counts.total:,} weights ({parts})"
    yield f"  trained {counts.trained:,}, frozen {counts.frozen:,}; {found.number_types}"
    yield (
        f"devices: {place.nodes} x {place.devices} {found.device.name}; "
        f"{place.ranks} ranks, weights in {place.shards * place.tensor} parts"
    )
    yield f"largest micro-batch: {found.micro_batch}"
    yield f"lengths: {found.lengths}"


def memory_lines(found: Prediction) -> Iterator[str]:
    """GiB per device by phase."""
    phases = found.memory.phases
    names = list(dict.fromkeys(name for rows in phases.values() for name in rows))
    yield f"{'GiB per device':<26}" + "".join(f"{phase:>12}" for phase in phases)
    for name in names:
        yield f"{name:<26}" + "".join(gib(rows.get(name)) for rows in phases.values())
    sums = [sum(rows.values()) for rows in phases.values()]
    yield f"{'sum of tensors':<26}" + "".join(map(gib, sums))
    if found.process is not None:
        yield f"{'the process without them':<26}" + gib(found.process) * len(sums)
        yield f"{'the process':<26}" + "".join(gib(size + found.process) for size in sums)
    rows = phases[found.memory.fullest]
    most = max(rows, key=lambda name: rows[name])
    if found.available is not None:
        says = "fits into" if found.fits else "DOES NOT FIT into"
        yield f"{says} {found.available / GIB:,.1f} GiB ({found.device.name}, without the margin)"
    yield f"most while {found.memory.fullest}: {most}; less with {LOWER.get(most, 'other sizes')}"


def gib(size: float | None) -> str:
    """A column."""
    return f"{'-':>12}" if size is None else f"{size / GIB:>12.3f}"


def time_lines(found: Prediction) -> Iterator[str]:
    """Seconds of an iteration by part."""
    it, costs = found.iteration, found.costs
    if it is None or costs is None:
        return
    yield from speed_lines(found, costs)
    what = "iteration" if "rollout" in it.parts else "optimizer step"
    yield f"{'seconds per ' + what:<26}{it.seconds:>12,.2f}"
    for name, seconds in it.parts.items():
        yield f"  {name:<24}{seconds:>12,.2f}"
    if it.generated:
        yield (
            f"  {it.generated:,.0f} tokens generated, slots busy {it.busy:.0%}; {it.trained:,.0f} "
            "tokens trained on" + ("; rollouts overlap with training" if it.overlap else "")
        )
    yield f"most time: {it.longest}; less with {QUICKEN[it.longest]}"


def speed_lines(found: Prediction, costs: Costs) -> Iterator[str]:
    """What was measured or assumed."""
    yield f"speeds of one rank ({found.device.source}):"
    yield (
        f"  decode step {1e3 * costs.decode_step:,.3g} ms + {1e6 * costs.decode_row:,.3g} us per "
        f"response + {1e9 * costs.decode_position:,.3g} ns per position; beside it "
        f"{1e3 * costs.request:,.3g} ms per response, {1e3 * costs.prompt:,.3g} ms per prompt"
    )
    yield (
        f"  prefill {costs.prefill_rate:.3g}, forward {costs.forward_rate:.3g}, learning "
        f"{costs.learn_rate:.3g} operations per second; optimizer {costs.optimizer_step:.3g} s"
    )


def values(found: Prediction) -> dict[str, Any]:
    """As JSON has it: bytes and seconds."""
    it = found.iteration
    return {
        "stage": found.stage,
        "model": found.model,
        "parameters": {"trained": found.counts.trained, "frozen": found.counts.frozen}
        | {name.replace(" ", "_"): number for name, number in found.counts.parts.items()},
        "device": asdict(found.device),
        "placement": asdict(found.placement),
        "memory_bytes": {**found.memory.phases, "peak": found.memory.peak},
        "process_bytes": found.process,
        "available_bytes": found.available,
        "fits": found.fits,
        "uncounted": found.uncounted,
        "lengths": found.lengths,
        "costs": None if found.costs is None else asdict(found.costs),
        "iteration": None if it is None else {**asdict(it), "seconds": it.seconds},
    }

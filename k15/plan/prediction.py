"""From the configuration to the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from k15.config.errors import ConfigError
from k15.models.layouts.base import Layout
from k15.plan import calibrate
from k15.plan.costs import Costs, Device, from_data_sheet
from k15.plan.iteration import Iteration, supervised_step, whole_iteration
from k15.plan.memory import Memory, memory_of
from k15.plan.parameters import Counts
from k15.plan.placement import Placement
from k15.plan.process import process_bytes
from k15.plan.subject import Subject, few_words
from k15.plan.trace import Traced, traced
from k15.plan.weightless import divided, shorter, weightless
from k15.types import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """All that is told."""

    stage: str
    model: str
    counts: Counts
    """Of the whole model."""
    number_types: str
    placement: Placement
    device: Device
    memory: Memory
    available: float | None
    """Bytes of the device that may be used."""
    lengths: str
    micro_batch: str
    costs: Costs | None
    iteration: Iteration | None
    uncounted: tuple[str, ...] = ()
    """What this training has that no figure holds."""
    process: float | None = None
    """Bytes of a process without tensors, which lie in the same memory where that is a CPU's."""

    @property
    def fits(self) -> bool | None:
        """None where the device's memory is not known."""
        return None if self.available is None else self.peak <= self.available

    @property
    def peak(self) -> float:
        """Bytes of the fullest phase, the process with it."""
        return self.memory.peak + (self.process or 0.0)


def predict(subject: Subject, *, with_time: bool = True) -> Prediction:
    """Memory, and the time where that is asked for."""
    layout = subject.layout()
    examples = subject.largest(layout)
    costs = costs_of(subject, layout, examples) if with_time else None
    return Prediction(
        stage=subject.config.choices.stage,
        model=subject.options.choices.shape or subject.config.model.get("path") or "built in",
        counts=subject.counts,
        number_types=f"{name_of(subject.dtype)}, computed in {name_of(subject.computed)}",
        placement=subject.placement,
        device=subject.device,
        memory=memory(subject, layout, examples),
        available=subject.available(),
        lengths=subject.lengths.about,
        micro_batch=f"{few_words(examples)}, {layout.name}",
        costs=costs,
        iteration=None if costs is None else iteration(subject, costs, layout),
        uncounted=tuple(uncounted(subject)),
        process=process_bytes(subject.config) if subject.in_main_memory else None,
    )


def uncounted(subject: Subject) -> Iterator[str]:
    """For people."""
    if hasattr(subject.of, "vision_config"):
        yield "pictures, their tokens and what the vision tower keeps of them"
    if subject.muon:
        yield "what Muon's steps take longer than AdamW's"
    yield "checkpoints, validation, the start"


def memory(subject: Subject, layout: Layout, examples: Sequence[Example]) -> Memory:
    """Of one device."""
    return memory_of(
        subject.part(),
        subject.placement,
        subject.engine(),
        passes(subject, layout, examples),
        weight_bytes=subject.dtype.itemsize,
        computed_bytes=subject.computed.itemsize,
        start_copy=subject.start_copy,
        optimizer_on_cpu=subject.optimizer_on_cpu,
        muon=subject.muon,
    )


def passes(subject: Subject, layout: Layout, examples: Sequence[Example]) -> Traced:
    """What a micro-batch takes on one device."""
    part = divided(subject.of, subject.placement.tensor)
    return traced(
        lambda layers: weightless(subject.config, shorter(part, layers)),
        subject.text.num_hidden_layers,
        examples,
        layout,
        autocast=subject.autocast,
        fast_norms=subject.fast_norms,
        tokens_per_chunk=subject.config.tokens_per_chunk,
    )


def costs_of(subject: Subject, layout: Layout, examples: Sequence[Example]) -> Costs:
    """Measured here, or of the device's data sheet."""
    if not subject.device.measured:
        return computed_costs(subject)
    if not subject.on_cpu:
        raise ConfigError(
            "device=here measures a CPU, and trainer.accelerator is none: choose device=h200 or "
            "another one, or give device.flops and device.bandwidth"
        )
    return calibrate.measured(
        weightless(subject.config, subject.of),
        examples,
        layout,
        subject.work(),
        slots=subject.slots,
        context=subject.longest_drawn,
        fast_norms=subject.fast_norms,
        computing=subject.computing,
        tokens_per_chunk=subject.config.tokens_per_chunk,
        samples=subject.samples,
    )


def computed_costs(subject: Subject) -> Costs:
    """Of the data sheet."""
    engine = subject.engine()
    return from_data_sheet(
        subject.device,
        subject.shares,
        subject.work(),
        subject.part(),
        subject.placement,
        weight_bytes=subject.dtype.itemsize,
        computed_bytes=subject.computed.itemsize,
        bytes_per_position=subject.bytes_per_position,
        own_weights=engine.kind != "transformers" or engine.copy,
    )


def iteration(subject: Subject, costs: Costs, layout: Layout) -> Iteration:
    """Of RL, or a step of another stage."""
    if not subject.samples:
        return supervised_step(subject.examples(), subject.budget(), costs, subject.work())
    options, plan = subject.options, subject.parts["plan"]
    return whole_iteration(
        plan,
        subject.lengths,
        costs,
        subject.work(),
        ranks=subject.placement.ranks,
        engines=subject.engines,
        slots=subject.slots,
        budget=subject.budget(),
        shared=layout.name == "shared",
        start_copy=subject.start_copy,
        drop=bool(subject.config.module.get("drop_zero_advantage", True)),
        passes=int(subject.config.module.get("passes", 1)),
        reward_seconds=options.reward_seconds,
        iterations=options.iterations,
        first=options.first_iterations if plan.cut_unfinished or plan.segment_tokens else 0,
    )


def name_of(dtype: torch.dtype) -> str:
    """As `model.dtype` says it."""
    return str(dtype).removeprefix("torch.")

"""What fits where: python -m k15.plan.scale writes the table of docs/scale.md, in minutes.

Models × longest sequences × devices: memory of RL with all weights trained, sharded over all of
them, layers computed again, sampled by vLLM on the same devices. All of it is computed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from k15.exits import exit_on_error
from k15.plan.__main__ import subject_of
from k15.plan.costs import GIB
from k15.plan.memory import Memory, memory_of
from k15.plan.placement import Placement
from k15.plan.prediction import passes
from k15.plan.subject import Subject, example
from k15.plan.trace import Traced

MODELS = {
    "0.5B": "qwen2_5_0_5b",
    "1.5B": "qwen2_5_1_5b",
    "7B": "qwen2_5_7b",
    "32B": "qwen2_5_32b",
}
CONTEXTS = (4_096, 32_768, 131_072)
DEVICES = (1, 8, 32)
PROMPT = 1_024
CACHE = 40
"""GiB of keys and values that vLLM is given."""


def words(model: str, context: int = CONTEXTS[-1], devices: int = 1) -> list[str]:
    """The command of one field."""
    nodes = max(1, devices // 8)
    return [
        *("stage=rl", f"shape={model}", "trainer=ddp", "engine=vllm", "device=h200"),
        *(f"trainer.devices={min(8, devices)}", f"trainer.num_nodes={nodes}", "sharding=full"),
        *(f"shape.max_position_embeddings={context}", f"distribution.prompt={PROMPT}"),
        *(f"data.max_response_tokens={context - PROMPT}", "sizes.tokens_per_microbatch=4096"),
        *(f"engine.cache_gib={CACHE}", "engine.slots=64", "module.kl_to_start=false"),
        "model.gradient_checkpointing=true",
    ]


def table(models: Sequence[str] = tuple(MODELS)) -> Iterator[str]:
    """As Markdown: a row for each model and context, GiB of the fullest phase in each field."""
    yield "| weights | longest sequence | " + " | ".join(f"{n} x H200" for n in DEVICES) + " |"
    yield "|---|---|" + "---|" * len(DEVICES)
    for model in models:
        subject = subject_of(words(MODELS[model]))
        traces = {context: of_one_sequence(subject, context) for context in CONTEXTS[:2]}
        for context in CONTEXTS:
            micro_batch = at(traces, context)
            fields = [field(subject, micro_batch, devices) for devices in DEVICES]
            yield f"| {model} | {context:,} | " + " | ".join(fields) + " |"


def of_one_sequence(subject: Subject, context: int) -> Traced:
    """What the longest sequence takes, alone in its micro-batch."""
    return passes(subject, subject.layout(), [example(0, PROMPT, context - PROMPT)])


def at(traces: dict[int, Traced], context: int) -> Traced:
    """Longer ones than were traced: bytes are linear in tokens, with attention that keeps none of
    its scores and logits in chunks.
    """
    if context in traces:
        return traces[context]
    (few, first), (more, second) = traces.items()
    times = (context - few) / (more - few)
    kept, peak = (
        getattr(first, name) + times * (getattr(second, name) - getattr(first, name))
        for name in ("kept", "peak")
    )
    return Traced(kept, peak)


def field(subject: Subject, micro_batch: Traced, devices: int) -> str:
    """GiB of the fullest phase; what does not fit in brackets, with what takes most."""
    found = of_devices(subject, micro_batch, devices)
    size, available = f"{found.peak / GIB:,.0f}", subject.available()
    if available is not None and found.peak <= available:
        return size
    rows = found.phases[found.fullest]
    return f"({size}: {max(rows, key=lambda name: rows[name])})"


def of_devices(subject: Subject, micro_batch: Traced, devices: int) -> Memory:
    """Of one of so many, which share weights, gradients and optimizer."""
    return memory_of(
        subject.counts,
        Placement(kind="gpu", devices=devices, sharded=True),
        subject.engine(),
        micro_batch,
        weight_bytes=subject.dtype.itemsize,
        computed_bytes=subject.computed.itemsize,
    )


@exit_on_error()
def main(argv: Sequence[str]) -> None:
    """Of all models, or those that are named."""
    for line in table(argv or tuple(MODELS)):
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

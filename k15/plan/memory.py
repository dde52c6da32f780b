"""Memory of one device in bytes: what lies there while it samples, while it learns, and while a
step is taken.

    16 bytes for each trained weight: itself and its gradient, AdamW's two moments (and a float32
    master where weights are narrower), all there from the second minibatch to the end of the run
"""

from __future__ import annotations

from dataclasses import dataclass, field

from k15.plan.parameters import Counts
from k15.plan.placement import Placement
from k15.plan.trace import Traced

FLOAT32 = 4
LOGITS = 4
"""Float32 copies of [slots, vocabulary] while a token is drawn: logits, log-probabilities,
probabilities, their sums."""
SMALLEST_CAPACITY = 256
"""Positions of `k15.engines.slot_cache`."""

Rows = dict[str, float]
"""Bytes by what takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What samples, and how much it holds."""

    kind: str
    """transformers, vllm, elsewhere (on other devices), none."""
    copy: bool = False
    """transformers: with weights of its own."""
    slots: int = 0
    positions: int = 0
    """Of a slot."""
    bytes_per_position: int = 0
    """Keys and values of one token in all layers."""
    cache_bytes: float | None = None
    """vllm: of keys and values; None: what it finds free."""
    vocabulary: int = 0
    number_bytes: int = FLOAT32
    """Of a number in its arithmetic."""

    @property
    def cache(self) -> float:
        """Bytes of keys and values."""
        if self.kind == "vllm":
            return self.cache_bytes or 0.0
        return self.slots * self.positions * self.bytes_per_position

    @property
    def logits(self) -> float:
        """Bytes while a token of every slot is drawn."""
        return LOGITS * FLOAT32 * self.slots * self.vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes by phase and by what takes them, of one device."""

    phases: dict[str, Rows] = field(default_factory=dict)

    @property
    def peak(self) -> float:
        """The most of all phases."""
        return max(sum(rows.values()) for rows in self.phases.values())

    @property
    def fullest(self) -> str:
        """The phase that has it."""
        return max(self.phases, key=lambda name: sum(self.phases[name].values()))


def memory_of(
    counts: Counts,
    placement: Placement,
    engine: Engine,
    micro_batch: Traced,
    *,
    weight_bytes: int,
    computed_bytes: int,
    start_copy: bool = False,
    optimizer_on_cpu: bool = False,
    muon: bool = False,
) -> Memory:
    """Of what `counts` counts, which tensor parallel devices have divided already.

    `weight_bytes` are those of a weight in memory, `computed_bytes` those of a number in the
    arithmetic. `start_copy` is that of `module.kl_to_start`. Muon keeps one moment of hidden
    matrices.
    """
    always = resident(counts, placement, weight_bytes, start_copy, optimizer_on_cpu, muon)
    gathered = gathering(counts, placement, computed_bytes)
    learning = always | {
        "activations": micro_batch.kept,
        "logits and what passes": micro_batch.peak - micro_batch.kept,
    }
    step = always | {"what passes": passing(counts, placement, weight_bytes, optimizer_on_cpu)}
    phases = {"sampling": sampling(always, counts, engine, weight_bytes, computed_bytes)}
    if engine.kind == "none":
        phases = {}
    phases |= {"learning": learning | gathered, "step": step}
    if engine.kind == "vllm" and placement.kind == "cpu":  # which gives nothing back
        own = own_weights(counts, engine)
        phases = {name: own | rows for name, rows in phases.items()}
    return Memory(phases=phases)


def resident(
    counts: Counts,
    placement: Placement,
    weight_bytes: int,
    start_copy: bool,
    optimizer_on_cpu: bool,
    muon: bool,
) -> Rows:
    """Of a rank, whatever it does; an adapter is float32 whatever the weights are."""
    trained_bytes = FLOAT32 if counts.adapter else weight_bytes
    trained, frozen = counts.trained / placement.shards, counts.frozen / placement.shards
    optimizer = 2 * FLOAT32 + (FLOAT32 if trained_bytes < FLOAT32 else 0)
    saved = FLOAT32 * counts.hidden / placement.shards if muon else 0.0
    rows = {
        "weights": trained * trained_bytes + frozen * weight_bytes,
        "gradients": trained * trained_bytes,
        "optimizer": 0.0 if optimizer_on_cpu else trained * optimizer - saved,
    }
    if start_copy:
        rows["weights at the start"] = trained * trained_bytes
    if placement.ranks > 1 and not placement.sharded:
        rows["DDP's buckets"] = trained * trained_bytes
    return rows


def sampling(
    always: Rows, counts: Counts, engine: Engine, weight_bytes: int, computed_bytes: int
) -> Rows:
    """While responses are generated on these devices."""
    rows = dict(always)
    if engine.kind == "transformers":
        if engine.copy:
            rows["the engine's weights"] = counts.total * weight_bytes
        if computed_bytes < weight_bytes:
            rows["weights, cast"] = counts.linear * computed_bytes
        rows["keys and values"] = engine.cache
        rows["logits"] = engine.logits
    if engine.kind == "vllm":
        rows |= own_weights(counts, engine) | {"logits": engine.logits}
    return rows


def own_weights(counts: Counts, engine: Engine) -> Rows:
    """Of an engine beside the trainer, which has the adapter merged."""
    weights = (counts.total - counts.adapter) * engine.number_bytes
    return {"the engine's weights": weights, "keys and values": engine.cache}


def gathering(counts: Counts, placement: Placement, computed_bytes: int) -> Rows:
    """FSDP2 has one layer whole and the next one on its way, and the embeddings."""
    if placement.shards == 1:
        return {}
    outside = sum(counts.parts.get(part, 0) for part in ("embedding", "output embedding"))
    layers = 2 * counts.largest_layer
    return {"gathered layers": (layers + outside) * computed_bytes}


def passing(
    counts: Counts, placement: Placement, weight_bytes: int, optimizer_on_cpu: bool
) -> float:
    """Bytes that an optimizer step takes for a while: float32 gradients of masters; on a GPU the
    roots of all second moments, on a CPU those of one tensor at a time.
    """
    if optimizer_on_cpu:
        return 0.0
    trained = counts.trained / placement.shards
    narrow = weight_bytes < FLOAT32 and not counts.adapter
    roots = trained if placement.kind == "gpu" else 2 * min(trained, counts.largest)
    return FLOAT32 * (roots + (trained if narrow else 0))


def capacity(longest: int, possible: int) -> int:
    """Positions of a slot of `k15.engines.slot_cache` whose longest row so far has `longest`, and
    of which none can have more than `possible`: doubled as it grows.
    """
    found = 0
    while found < min(longest, possible):
        found = min(max(2 * found, SMALLEST_CAPACITY), possible)
    return found

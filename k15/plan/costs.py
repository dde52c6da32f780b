"""How long work takes on one device: a few numbers, measured here or from a data sheet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k15.config.errors import ConfigError
from k15.plan.parameters import Counts
from k15.plan.placement import Placement

GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a data sheet says; null where it is measured here."""

    name: str
    source: str
    """Of the figures."""
    memory_gib: float | None = None
    flops: float | None = None
    """Dense products per second, two operations each, in bfloat16."""
    bandwidth: float | None = None
    """Bytes per second of its memory."""
    link: float | None = None
    """Bytes per second to another device of the machine, one way,"""
    network: float | None = None
    """and to one of another machine."""

    def __post_init__(self) -> None:
        for name in ("memory_gib", "flops", "bandwidth", "link", "network"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"device.{name}={value}: must be above 0, or null")

    @property
    def measured(self) -> bool:
        """Whether its speed is found out by running the model here."""
        return self.flops is None or self.bandwidth is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of a data sheet's figures that are reached. Assumptions."""

    train: float = 0.4
    """Of `flops`, in forward and backward passes."""
    prefill: float = 0.4
    decode: float = 0.6
    """Of `bandwidth`."""
    link: float = 0.7
    step_seconds: float = 0.004
    """Of a decode step beside its arithmetic: launches, sampling, Python."""

    def __post_init__(self) -> None:
        for name in ("train", "prefill", "decode", "link"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"shares.{name}={getattr(self, name)}: must be above 0, up to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Operations of a model's passes.

    A forward pass takes two for each weight and token, and four for each number of the queries and
    pair of tokens; a backward pass twice as many, of frozen weights as many.
    """

    products: int
    """Weights that a token is multiplied with."""
    trained_share: float
    """Of these, those that get a gradient."""
    query: int
    """Heads times their size, over all layers."""
    recomputed: bool = False
    """Gradient checkpointing: forward passes are made twice."""

    def forward(self, tokens: float, pairs: float) -> float:
        """Operations of a forward pass; `pairs` are tokens with those before them."""
        return 2 * self.products * tokens + 4 * self.query * pairs

    def learn(self, tokens: float, pairs: float) -> float:
        """Of a forward and a backward pass."""
        once = self.forward(tokens, pairs)
        products = 2 * self.products * tokens
        back = products * (1 + self.trained_share) + 2 * (once - products)
        return once * (1 + self.recomputed) + back


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of one rank, whose devices share a model."""

    decode_step: float
    """Seconds of a step whatever it holds,"""
    decode_row: float
    """more for each response in it,"""
    decode_position: float
    """and more for each position that a row looks at, its own prompt included."""
    prefill_rate: float
    """Operations per second,"""
    forward_rate: float
    learn_rate: float
    optimizer_step: float
    """Seconds, clipping included."""
    request: float = 0.0
    """Seconds around each response, whatever its length,"""
    prompt: float = 0.0
    """and around each text that is prefilled."""
    sync: float = 0.0
    """Seconds until the engine has new weights."""
    exchange_step: float = 0.0
    """Seconds between ranks per optimizer step,"""
    exchange_micro_batch: float = 0.0
    """and per micro-batch."""
    padded: bool = False
    """Rows look at as many positions as the longest one."""

    def decode(self, rows: int, positions: float) -> float:
        """Seconds of one step of so many rows that look at so many positions together."""
        return self.decode_step + self.decode_row * rows + self.decode_position * positions


def pairs_of(lengths: Iterable[int]) -> float:
    """Of tokens with those before them, in sequences of these lengths."""
    return sum(length * (length + 1) / 2 for length in lengths)


def from_data_sheet(
    device: Device,
    shares: Shares,
    work: Work,
    counts: Counts,
    placement: Placement,
    *,
    weight_bytes: int,
    computed_bytes: int,
    bytes_per_position: int,
    own_weights: bool,
) -> Costs:
    """Sums of the parts, not the longest of them: nothing is assumed to be hidden.

    `counts` are of one device; `work` is of the whole model.
    """
    assert device.flops and device.bandwidth
    reached = shares.decode * device.bandwidth
    together = device.flops * placement.tensor
    weights = (counts.total - counts.adapter) * computed_bytes
    sent = counts.trained * weight_bytes
    steps, micro_batches = exchange(device, shares, counts, placement, sent, computed_bytes)
    return Costs(
        decode_step=shares.step_seconds + weights / reached,
        decode_row=2 * work.products / (shares.prefill * together),
        decode_position=bytes_per_position / reached,
        prefill_rate=shares.prefill * together,
        forward_rate=shares.train * together,
        learn_rate=shares.train * together,
        optimizer_step=counts.trained / placement.shards * (weight_bytes + 24) / reached,
        sync=weights / link_of(device, placement) / shares.link if own_weights else 0.0,
        exchange_step=steps,
        exchange_micro_batch=micro_batches,
    )


def link_of(device: Device, placement: Placement) -> float:
    """Bytes per second between ranks, those of another machine if there are any."""
    speed = device.network if placement.nodes > 1 else device.link
    if speed is None:
        name = "network" if placement.nodes > 1 else "link"
        raise ConfigError(f"device.{name}=null: give bytes per second between devices")
    return speed


def exchange(
    device: Device,
    shares: Shares,
    counts: Counts,
    placement: Placement,
    sent: float,
    computed_bytes: int,
) -> tuple[float, float]:
    """Seconds between the ranks per optimizer step, and per micro-batch.

    A ring sends all but one part of a sum twice, of a gathering or scattering once (Patarasuk and
    Yuan 2009). FSDP2 gathers the weights for both passes; gradients are summed once per step.
    """
    if placement.ranks == 1:
        return 0.0, 0.0
    speed = shares.link * link_of(device, placement)
    once = (placement.ranks - 1) / placement.ranks
    if not placement.sharded:
        return 2 * once * sent / speed, 0.0
    return once * sent / speed, 2 * once * counts.total * computed_bytes / speed

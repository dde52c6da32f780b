"""What goes through the model together in RL: responses, laid out under the token budget.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from k15.losses.policy_loss import LossInputs
from k15.models.layouts.base import Layout
from k15.models.layouts.batch import PackedBatch
from k15.models.layouts.targets import sent
from k15.models.policy import Policy
from k15.shard import Shard
from k15.types import Example, Rollout, RolloutGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One response that is trained on."""

    example: Example
    problem: str
    """Id."""
    advantage_T: Tensor
    """[T], or [1] for all tokens alike."""
    logp_T: Tensor
    """[T] what the engine reported while sampling."""
    fresh_T: Tensor
    """[T] bool: sampled by the iteration's newest weights, those of π_i unless it was collected
    ahead.
    """

    @property
    def mask_T(self) -> Tensor:
        """[T] bool: in the loss."""
        mask = self.example.loss_mask or (True,) * len(self.example.response_tokens)
        return torch.tensor(mask, dtype=torch.bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidOut:
    """A micro-batch as tensors on the policy's device, while it is its turn."""

    batch: PackedBatch
    advantage_BT: Tensor
    engine_logp_BT: Tensor
    fresh_BT: Tensor
    """Bool: fresh and in the loss."""
    reference_logp_BT: Tensor | None
    """log π_i, recomputed by the trainer."""

    def inputs(self, logp_BT: Tensor, counts: dict[str, float]) -> LossInputs:
        """What the loss gets; without a reference, the policy is still π_i itself."""
        reference_BT = self.reference_logp_BT
        return LossInputs(
            logp_BT=logp_BT,
            reference_logp_BT=logp_BT.detach() if reference_BT is None else reference_BT,
            engine_logp_BT=self.engine_logp_BT,
            advantage_BT=self.advantage_BT,
            mask_BT=self.batch.mask,
            **counts,
        )


@dataclass(slots=True, kw_only=True)
class MicroBatch:
    """Responses that go through the model together. An iteration has many: of those whose turn it
    is not, nothing but log π_i is on the device.
    """

    responses: Sequence[Response]
    reference_logp_BT: Tensor | None = None

    @property
    def problems(self) -> list[str]:
        """Ids of the problems that are answered."""
        return list(dict.fromkeys(response.problem for response in self.responses))

    def halves(self) -> list[MicroBatch]:
        """Half of the responses each, the second one with more where they are odd; one alone stays
        as it is.
        """
        middle = len(self.responses) // 2
        parts = (slice(0, middle), slice(middle, None))
        return [self._part(part) for part in parts if self.responses[part]]

    def whole(self) -> list[MicroBatch]:
        """As it is."""
        return [self]

    def _part(self, part: slice) -> MicroBatch:
        responses, reference_BT = self.responses[part], self.reference_logp_BT
        if reference_BT is not None:
            longest = max(len(each.example.response_tokens) for each in responses)
            reference_BT = reference_BT[part, :longest]
        return MicroBatch(responses=responses, reference_logp_BT=reference_BT)

    def laid_out(self, policy: Policy, layout: Layout) -> LaidOut:
        """Its tensors, pictures included."""
        rows, device = self.responses, policy.device
        batch = layout.collate(policy, [row.example for row in rows])
        width = batch.mask.shape[1]
        fresh_BT = padded([row.fresh_T for row in rows], width).bool()
        return LaidOut(
            batch=batch,
            advantage_BT=sent(padded([row.advantage_T for row in rows], width), device),
            engine_logp_BT=sent(padded([row.logp_T for row in rows], width), device),
            fresh_BT=sent(fresh_BT, device) & batch.mask,
            reference_logp_BT=self.reference_logp_BT,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Minibatch:
    """What one optimizer step is taken on: this rank's part, and how much there is over all
    ranks.
    """

    micro_batches: list[MicroBatch]
    sequences: int
    tokens: int
    """In the loss,"""
    fresh: int
    """and those of them that the newest weights have sampled."""

    @property
    def counts(self) -> dict[str, float]:
        """As `LossInputs` takes them."""
        return {"sequences": float(self.sequences), "tokens": float(self.tokens)}

    def laid_out(self, policy: Policy, layout: Layout) -> Iterator[LaidOut]:
        """One micro-batch after the other."""
        return (micro.laid_out(policy, layout) for micro in self.micro_batches)


def response(
    group: RolloutGroup,
    rollout: Rollout,
    advantage_T: Tensor,
    loss_mask: tuple[bool, ...],
    version: int,
) -> Response:
    """A rollout as training takes it; its newest weights were those of `version`."""
    return Response(
        example=Example(
            prompt_tokens=group.prompt_tokens,
            response_tokens=rollout.tokens,
            loss_mask=loss_mask,
            images=group.problem.images,
        ),
        problem=group.problem.id,
        advantage_T=advantage_T.expand(rollout.length),
        logp_T=torch.tensor(rollout.logps, dtype=torch.float32),
        fresh_T=torch.tensor(rollout.versions) == version,
    )


def cut(
    policy: Policy, responses: Sequence[Response], tokens_per_microbatch: int, layout: Layout
) -> list[MicroBatch]:
    """Every response once, under the token budget."""
    plan = layout.plan(policy, [each.example for each in responses], tokens_per_microbatch)
    return [MicroBatch(responses=[responses[index] for index in chosen]) for chosen in plan]


def shared(
    policy: Policy,
    groups: Sequence[Sequence[Response]],
    tokens_per_microbatch: int,
    layout: Layout,
    shard: Shard,
) -> Minibatch:
    """Whole groups go to the ranks, about as many tokens to each; all ranks have to call.

    Ranks with fewer micro-batches than another get silent ones, so that all go through as many.
    """
    costs = [sum(each.example.length for each in group) for group in groups]
    mine = [each for place in shard.balanced(costs)[shard.rank] for each in groups[place]]
    micro_batches = cut(policy, mine, tokens_per_microbatch, layout)
    responses = [each for group in groups for each in group]
    lacking = max(shard.gathered(len(micro_batches))) - len(micro_batches)
    micro_batches += [MicroBatch(responses=[silent(responses)]) for _ in range(lacking)]
    return Minibatch(
        micro_batches=micro_batches,
        sequences=len(responses),
        tokens=sum(int(each.mask_T.sum()) for each in responses),
        fresh=sum(int((each.mask_T & each.fresh_T).sum()) for each in responses),
    )


def silent(responses: Sequence[Response]) -> Response:
    """The shortest response, of those with pictures where there are any, with no token in the
    loss.
    """
    shortest = min(responses, key=lambda each: (not each.example.images, each.example.length))
    nothing = (False,) * len(shortest.example.response_tokens)
    return replace(shortest, example=replace(shortest.example, loss_mask=nothing))


def padded(rows: Sequence[Tensor], width: int) -> Tensor:
    """[B, width] float32, zeros on the right."""
    padded_BT = torch.zeros(len(rows), width, dtype=torch.float32)
    for row_T, values in zip(padded_BT, rows, strict=True):
        row_T[: len(values)] = values
    return padded_BT

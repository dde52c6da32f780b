"""What goes through the model together in RL: responses, laid out under the token budget.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from k15.losses.policy_loss import LossInputs
from k15.models.layouts.base import Layout, micro_batches
from k15.models.policy import Policy
from k15.types import Example, PackedBatch, Rollout, RolloutGroup


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
    """[T] bool: sampled in this iteration, by π_i itself."""


@dataclass(slots=True, kw_only=True)
class MicroBatch:
    """Sequences that go through the model together."""

    batch: PackedBatch
    problems: Sequence[str]
    """Ids of the problems that the sequences answer."""
    advantage_BT: Tensor
    engine_logp_BT: Tensor
    fresh_BT: Tensor
    """Bool: sampled by π_i itself and in the loss."""
    reference_logp_BT: Tensor | None = None
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


def response(
    group: RolloutGroup,
    rollout: Rollout,
    advantage_T: Tensor,
    loss_mask: tuple[bool, ...],
    iteration: int,
) -> Response:
    """A rollout as training takes it."""
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
        fresh_T=torch.tensor(rollout.versions) == iteration,
    )


def laid_out(
    policy: Policy, responses: Sequence[Response], tokens_per_microbatch: int, layout: Layout
) -> Iterator[MicroBatch]:
    """Every response once, under the token budget, on the policy's device."""
    examples = [response.example for response in responses]
    for chosen, batch in micro_batches(layout, policy, examples, tokens_per_microbatch):
        rows = [responses[index] for index in chosen]
        width = batch.mask.shape[1]
        fresh_BT = padded([row.fresh_T for row in rows], width).bool().to(policy.device)
        yield MicroBatch(
            batch=batch,
            problems=list(dict.fromkeys(row.problem for row in rows)),
            advantage_BT=padded([row.advantage_T for row in rows], width).to(policy.device),
            engine_logp_BT=padded([row.logp_T for row in rows], width).to(policy.device),
            fresh_BT=fresh_BT & batch.mask,
        )


def padded(rows: Sequence[Tensor], width: int) -> Tensor:
    """[B, width] float32, zeros on the right."""
    padded_BT = torch.zeros(len(rows), width, dtype=torch.float32)
    for row_T, values in zip(padded_BT, rows, strict=True):
        row_T[: len(values)] = values
    return padded_BT

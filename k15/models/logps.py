"""Log-probabilities of response tokens under a policy, without the logits of a whole batch.

The decoder runs once over the batch; only hidden states that predict a response token reach the
output embedding, in chunks.

Legend: S sequences, R longest response, N response tokens, C of them in a chunk, H hidden size,
B rows, L longest row, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from k15.models.layouts.attention import attending_by_sequences
from k15.models.layouts.batch import PackedBatch
from k15.models.policy import Policy
from k15.models.sharded import within

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Figures = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
"""Of logits [C, V] and targets [C]: [C] each."""
MULTIPLIERS = ("logit_scale", "lm_head_multiplier", "output_multiplier")
CAPS = ("final_logit_softcapping", "logits_soft_cap")


def response_logps(
    policy: Policy,
    batch: PackedBatch,
    *,
    temperature: float = 1.0,
    tokens_per_chunk: int = 512,
) -> Tensor:
    """log softmax(logits / temperature) of each response token, [S, R] float32 in nats, 0.0 where
    there is none.

    Gradients flow. At most `tokens_per_chunk` × V logits exist at once: with more than one chunk,
    each is computed again in the backward pass. Raises ValueError if either number is not above 0.
    """
    (logp_SR,) = _of_responses(policy, batch, _logps, temperature, tokens_per_chunk)
    return logp_SR


def response_predictions(
    policy: Policy, batch: PackedBatch, *, tokens_per_chunk: int = 512
) -> tuple[Tensor, Tensor]:
    """As `response_logps`, and [S, R] bool: the response token is the most probable one."""
    logp_SR, right_SR = _of_responses(policy, batch, _predictions, 1.0, tokens_per_chunk)
    return logp_SR, right_SR


def response_normalisers(
    policy: Policy, batch: PackedBatch, *, tokens_per_chunk: int = 512
) -> tuple[Tensor, Tensor, Tensor]:
    """As `response_predictions`, and [S, R] log Z in nats, which carries a gradient, too."""
    logp_SR, right_SR, log_z_SR = _of_responses(policy, batch, _normalisers, 1.0, tokens_per_chunk)
    return logp_SR, right_SR, log_z_SR


def _of_responses(
    policy: Policy,
    batch: PackedBatch,
    figures: Figures,
    temperature: float,
    tokens_per_chunk: int,
) -> list[Tensor]:
    """Figures of each response token, [S, R] each, chunk by chunk."""
    if temperature <= 0 or tokens_per_chunk < 1:
        raise ValueError(
            f"temperature={temperature}, tokens_per_chunk={tokens_per_chunk}: both must be above 0"
        )
    inside = partial(_found, policy, batch, figures, temperature, tokens_per_chunk)
    found = within(policy.model, inside)
    return [values.view_as(batch.mask) for values in found]


def _found(
    policy: Policy,
    batch: PackedBatch,
    figures: Figures,
    temperature: float,
    tokens_per_chunk: int,
) -> list[Tensor]:
    """[S x R] each."""
    index_N = batch.response_index
    hidden_NH = last_hidden(policy, batch).flatten(0, 1)[batch.source_index.flatten()[index_N]]
    targets_N = batch.targets.flatten()[index_N]
    chunks = list(
        zip(hidden_NH.split(tokens_per_chunk), targets_N.split(tokens_per_chunk), strict=True)
    )

    def of_chunk(hidden_CH: Tensor, targets_C: Tensor) -> tuple[Tensor, ...]:
        return figures(_logits(policy, hidden_CH, temperature), targets_C)

    recompute = len(chunks) > 1 and torch.is_grad_enabled()
    found = [
        checkpoint(of_chunk, *chunk, use_reentrant=False, preserve_rng_state=False)
        if recompute
        else of_chunk(*chunk)
        for chunk in chunks
    ]
    joined = [torch.cat(parts) for parts in zip(*found, strict=True)]
    return [
        values.new_zeros(batch.mask.numel()).index_copy(0, index_N, values) for values in joined
    ]


def last_hidden(policy: Policy, batch: PackedBatch) -> Tensor:
    """[B, L, H] hidden states before the output embedding.

    No attention mask is passed: rows padded on the right are exact under causal attention, and
    transformers keeps packed sequences apart where the positions restart, in sliding windows too.
    The base model is called, not `policy.model`: parameters that are sharded by the whole model
    need its hooks around this call and the output embedding's.
    """
    inputs = {"input_ids": batch.tokens, "position_ids": batch.positions, **batch.features}
    if batch.places is None:
        return policy.model.base_model(**inputs, use_cache=False).last_hidden_state
    # a mask that no other attention would take keeps the place of the one that is not needed
    no_mask = batch.mask.new_empty(1, 1, 0, 0)
    with attending_by_sequences(policy.model, batch.places):
        outputs = policy.model.base_model(**inputs, attention_mask=no_mask, use_cache=False)
    return outputs.last_hidden_state


def _logits(policy: Policy, hidden_CH: Tensor, temperature: float) -> Tensor:
    """[C, V] float32."""
    config = policy.model.config.get_text_config()
    logits_CV = policy.model.get_output_embeddings()(hidden_CH).float()
    scale, cap = logits_scale(config), logits_cap(config)
    if scale != 1.0:
        logits_CV = logits_CV * scale
    if cap is not None:
        logits_CV = torch.tanh(logits_CV / cap) * cap
    if temperature != 1.0:
        logits_CV = logits_CV / temperature
    return logits_CV


def _logps(logits_CV: Tensor, targets_C: Tensor) -> tuple[Tensor, ...]:
    """[C] log-probability of each target."""
    return (-cross_entropy(logits_CV, targets_C, reduction="none"),)


def _predictions(logits_CV: Tensor, targets_C: Tensor) -> tuple[Tensor, ...]:
    """And [C] bool: whether it is the most probable one."""
    return (*_logps(logits_CV, targets_C), logits_CV.argmax(-1) == targets_C)


def _normalisers(logits_CV: Tensor, targets_C: Tensor) -> tuple[Tensor, ...]:
    """And [C] log of the sum of all exponentials."""
    return (*_predictions(logits_CV, targets_C), logits_CV.logsumexp(-1))


def logits_scale(config: PretrainedConfig) -> float:
    """What a model multiplies its logits with behind the output embedding, as Cohere, Falcon-H1 and
    HyperCLOVA X do; Granite divides.
    """
    multiplied = math.prod(getattr(config, name, None) or 1.0 for name in MULTIPLIERS)
    scaling = getattr(config, "logits_scaling", None) or 1.0
    return multiplied * scaling if config.model_type == "hyperclovax" else multiplied / scaling


def logits_cap(config: PretrainedConfig) -> float | None:
    """The size that soft-capped logits do not exceed, as Gemma 2 has it."""
    caps = [cap for name in CAPS if (cap := getattr(config, name, None)) is not None]
    return caps[0] if caps else None

"""Continuous batching: the loop that turns waiting requests into completions.

    waiting ──► prefill ──► rows of the slot cache ──► step: forward, sample, append ──► ended?
                               ▲                                                     │    │
                               └────────── the rest of the rows, and new ones ◄──────┘    ▼
                                                                                     completions

Legend: B active rows, L positions, V vocabulary, T tokens of a response.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from k15.engines.prefill import Prefiller, Prompt
from k15.engines.protocol import Completion, Sampling
from k15.engines.repetition import first_repetition, repeats_at_end
from k15.engines.rows import Rows
from k15.engines.sampling import Sampler
from k15.engines.slot_cache import SlotCache

if TYPE_CHECKING:
    from k15.models.policy import Policy

STEPS_PER_REPETITION_CHECK = 16


@dataclass(frozen=True, slots=True)
class Job:
    """One request of a call."""

    index: int
    prompt: Prompt
    max_new_tokens: int
    seed: int | None = None

    def first_state(self) -> tuple[int, int, int, int, int, int]:
        """Its row in the order of `rows.FIELDS`: the last token of the prompt is fed first."""
        prompt = self.prompt
        last = prompt.expanded.tokens[-1]
        return self.index, last, prompt.prefix_length, prompt.rotary, 0, self.max_new_tokens


class DecodeLoop:
    """One call of `generate`. `step` runs in inference mode, on a model that is `decoding`."""

    def __init__(
        self,
        policy: Policy,
        jobs: Sequence[Job],
        sampling: Sampling,
        *,
        version: int,
        slots: int,
        tokens_per_prefill: int,
    ) -> None:
        config, device = policy.model.config.get_text_config(), policy.device
        self.policy, self.repetition, self.version = policy, sampling.repetition, version
        self.waiting = deque(jobs)
        self.prefiller = Prefiller(policy, tokens_per_prefill, [job.prompt for job in jobs])
        forbidden_V = forbidden_tokens(policy, config.vocab_size)
        self.sampler = Sampler(sampling, forbidden_V, seeds(jobs, device))
        self.stop_V = torch.zeros(config.vocab_size, dtype=torch.bool, device=device)
        self.stop_ids = policy.stop_ids
        self.stop_V[list(self.stop_ids)] = True
        slots = min(slots, len(jobs))
        self.rows = Rows(slots, max((job.max_new_tokens for job in jobs), default=0), device)
        longest = max((job.prompt.prefix_length + job.max_new_tokens for job in jobs), default=0)
        self.cache = SlotCache(slots, config.num_hidden_layers, longest)
        self.dtype = policy.model.dtype
        self.steps = 0

    @property
    def unfinished(self) -> bool:
        """Whether a request has not been completed yet."""
        return bool(self.waiting) or self.rows.count > 0

    def step(self) -> list[Completion]:
        """One new token for every row; returns the responses that end with it."""
        self._admit()
        logits_BV = self._forward()
        token_B, logp_B = self.sampler(logits_BV, self.rows["request"], self.rows["length"])
        self.rows.append(token_B, logp_B)
        ended_B = self._ended(token_B)
        return self._finish(ended_B) if ended_B.any() else []

    def _admit(self) -> None:
        """Fill the free rows from the queue; samples of one prompt copy the same prefix."""
        room = min(self.rows.slots - self.rows.count, len(self.waiting))
        jobs = [self.waiting.popleft() for _ in range(room)]
        for job in jobs:
            self.prefiller.fill(job.prompt)
        # Prompts that were prefilled together are of similar length: sorted, they copy in one go.
        jobs.sort(key=lambda job: -job.prompt.prefix_length)
        for _, together in groupby(jobs, key=lambda job: id(job.prompt.prefix)):
            self._join(list(together))

    def _join(self, jobs: list[Job]) -> None:
        prefix = jobs[0].prompt.prefix
        if prefix:
            self.cache.write(self.rows.count, prefix, [job.prompt.row for job in jobs])
        self.rows.join([job.first_state() for job in jobs])

    def _forward(self) -> Tensor:
        """[B, V] logits for the next token of each row."""
        rows, policy = self.rows, self.policy
        self.cache.point(rows["position"], rows.limit)
        rotary_B1 = rows["rotary"][:, None]
        output = policy.model(
            input_ids=rows["token"][:, None],
            attention_mask=causal_mask(rows["position"], rows.limit, self.dtype),
            position_ids=rotary_B1.expand(3, -1, -1) if policy.multimodal_positions else rotary_B1,
            past_key_values=self.cache,
            use_cache=True,
        )
        return output.logits[:, -1]

    def _ended(self, token_B: Tensor) -> Tensor:
        """[B] rows that wrote a stop token, used up their budget or repeat themselves."""
        self.steps += 1
        ended_B = self.stop_V[token_B] | (self.rows["length"] >= self.rows["budget"])
        if self.repetition and self.steps % STEPS_PER_REPETITION_CHECK == 0:
            tails_BT = self.rows.tails(self.repetition.tokens)
            repeated_B = repeats_at_end(tails_BT.numpy(force=True), self.repetition)
            ended_B |= torch.from_numpy(repeated_B).to(ended_B.device)
        return ended_B

    def _finish(self, ended_B: Tensor) -> list[Completion]:
        """Completions of the rows that ended; the others close ranks."""
        responses = self.rows.responses(ended_B)
        source_B, target_B = self.rows.remove(ended_B)
        if len(source_B):
            self.cache.move(source_B, target_B)
        return [self._completion(*response) for response in responses]

    def _completion(self, index: int, tokens: list[int], logps: list[float]) -> Completion:
        """A repetition counts from where it was complete, whenever it was looked for."""
        end = first_repetition(tokens, self.repetition) if self.repetition else None
        stopped = tokens[-1] in self.stop_ids
        return Completion(
            index=index,
            tokens=tuple(tokens[:end]),
            logps=tuple(logps[:end]),
            finish="repetition" if end else "stop" if stopped else "length",
            version=self.version,
        )


def causal_mask(position_B: Tensor, limit: int, dtype: torch.dtype) -> Tensor:
    """[B, 1, 1, L] 0 up to each row's position, -inf behind it."""
    place_L = torch.arange(limit, device=position_B.device)
    mask_BL = torch.zeros(len(position_B), limit, dtype=dtype, device=position_B.device)
    return mask_BL.masked_fill_(place_L > position_B[:, None], -torch.inf)[:, None, None]


def seeds(jobs: Sequence[Job], device: torch.device) -> Tensor | None:
    """[J] the requests' own seeds by their index; None if they have none."""
    given = {job.index: job.seed for job in jobs if job.seed is not None}
    if not given:
        return None
    if len(given) < len(jobs):
        raise ValueError(
            f"{len(given)} of {len(jobs)} requests have a seed; give it to all or none"
        )
    return torch.tensor([given[index] for index in range(len(jobs))], device=device)


def forbidden_tokens(policy: Policy, vocabulary: int) -> Tensor:
    """[V] tokens that stand for pictures, and padded rows of the vocabulary without a token."""
    forbidden_V = torch.arange(vocabulary, device=policy.device) >= len(policy.tokenizer)
    forbidden_V[list(policy.placeholder_ids)] = True
    return forbidden_V

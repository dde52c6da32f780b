"""Continuous batching: the loop that turns waiting requests into completions.

    waiting ──► prefill ──► rows of the slot cache ──► step: forward, sample, append ──► ended?
                               ▲                                                     │    │
                               └────────── the rest of the rows, and new ones ◄──────┘    ▼
                                                           stopped: all rows ──────► completions

Legend: B active rows, L positions, V vocabulary, T tokens of a response.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from k15.engines.prefill import Prompt, batches, prefill
from k15.engines.protocol import Completion, Sampling
from k15.engines.repetition import first_repetition, repeats_at_end
from k15.engines.requests import forbidden_tokens
from k15.engines.rows import Rows
from k15.engines.sampling import Sampler
from k15.engines.slot_cache import SlotCache

if TYPE_CHECKING:
    from k15.models.policy import Policy

STEPS_PER_REPETITION_CHECK = 16
LEAST_ROOM = 1 / 16  # of the slots: so many free ones are filled at once, in one prefill


@dataclass(frozen=True, slots=True)
class Job:
    """One request of a call."""

    index: int
    prompt: Prompt
    max_new_tokens: int
    seed: int
    sampling: Sampling

    def first_state(self, way: int) -> tuple[int, ...]:
        """Its row in the order of `rows.FIELDS`: the last token of the prompt is fed first; `way`
        is the sampler's number of how it is drawn.
        """
        prompt, new = self.prompt, self.max_new_tokens
        last, place = prompt.expanded.tokens[-1], prompt.prefix_length
        return self.index, self.seed, last, place, prompt.rotary, 0, new, way

    @property
    def positions(self) -> int:
        """What its row takes in the cache, at most."""
        return self.prompt.prefix_length + self.max_new_tokens


class DecodeLoop:
    """One call of `generate`. `step` runs in inference mode, on a model that is `decoding`.

    A job of `waiting` is pulled when there is a row for it; None: there is no job before another
    one has ended.
    """

    def __init__(
        self,
        policy: Policy,
        waiting: Iterator[Job | None],
        sampling: Sampling,
        *,
        version: int,
        slots: int,
        tokens_per_prefill: int,
    ) -> None:
        config, device = policy.model.config.get_text_config(), policy.device
        self.policy, self.repetition, self.version = policy, sampling.repetition, version
        self.waiting, self.tokens_per_prefill = waiting, tokens_per_prefill
        self.exhausted = self.stopped = self.asked = False
        self.told: list[tuple[int, list[int], list[float]]] = []
        forbidden_V = torch.zeros(config.vocab_size, dtype=torch.bool, device=device)
        forbidden_V[forbidden_tokens(policy)] = True
        self.sampler = Sampler(forbidden_V)
        self.stop_V = torch.zeros(config.vocab_size, dtype=torch.bool, device=device)
        self.stop_ids = policy.stop_ids
        self.stop_V[list(self.stop_ids)] = True
        self.rows = Rows(slots, device)
        self.cache = SlotCache(slots, config.num_hidden_layers)
        self.dtype = policy.model.dtype
        self.steps = 0

    @property
    def unfinished(self) -> bool:
        """Whether a job has not been completed, or there may be another one."""
        return self.rows.count > 0 or not self.exhausted

    def stop(self) -> None:
        """Let the next step end everything."""
        self.exhausted = self.stopped = True

    def progress(self) -> list[Completion]:
        """What the rows had at the first step after this was last asked."""
        self.asked, told = True, self.told
        return [
            Completion(index=i, tokens=tuple(t), logps=tuple(p), finish="cut", version=self.version)
            for i, t, p in told
        ]

    def step(self) -> list[Completion]:
        """One new token for every row; returns the responses that end with it."""
        if not self.stopped:
            self._admit()
            assert self.rows.count or self.exhausted, "None, but nothing runs that could end"
        if self.stopped or not self.rows.count:
            return self._finish(torch.ones_like(self.rows.indices, dtype=torch.bool))
        logits_BV = self._forward()
        rows = self.rows
        token_B, logp_B = self.sampler(logits_BV, rows["seed"], rows["position"], rows["way"])
        self.rows.append(token_B, logp_B)
        ended = self._finish(self._ended(token_B))
        if self.asked:
            self.asked = False
            everything = torch.ones_like(self.rows.indices, dtype=torch.bool)
            self.told = self.rows.responses(everything) if self.rows.count else []
        return ended

    def _admit(self) -> None:
        """Fill the free rows; samples of one prompt copy the same prefix."""
        jobs: dict[Prompt, list[Job]] = defaultdict(list)
        for job in self._pulled():
            jobs[job.prompt].append(job)
            self.rows.widen(job.max_new_tokens)
            self.cache.longest = max(self.cache.longest, job.positions)
        for prompts in batches(list(jobs), self.tokens_per_prefill):
            if fresh := [prompt for prompt in prompts if not prompt.ready]:
                prefill(self.policy, fresh)
            self._join([job for prompt in prompts for job in jobs.pop(prompt)])

    def _pulled(self) -> Iterator[Job]:
        """Jobs for the free rows, if these are many enough to be worth a prefill."""
        room = self.rows.slots - self.rows.count
        if self.exhausted or (self.rows.count and room < LEAST_ROOM * self.rows.slots):
            return
        for job in islice(self.waiting, room):
            if job is None:
                return
            yield job
            room -= 1
        self.exhausted = room > 0

    def _join(self, jobs: list[Job]) -> None:
        for _, together in groupby(jobs, key=lambda job: id(job.prompt.prefix)):
            samples = list(together)
            prefix = samples[0].prompt.prefix
            if prefix:
                self.cache.write(self.rows.count, prefix, [job.prompt.row for job in samples])
            ways = [self.sampler.number_of(job.sampling) for job in samples]
            self.rows.join([job.first_state(way) for job, way in zip(samples, ways, strict=True)])

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
        if not ended_B.any():
            return []
        responses = self.rows.responses(ended_B)
        source_B, target_B = self.rows.remove(ended_B)
        if len(source_B):
            self.cache.move(source_B, target_B)
        return [self._completion(*response) for response in responses]

    def _completion(self, index: int, tokens: list[int], logps: list[float]) -> Completion:
        """A repetition counts from where it was complete, whenever it was looked for."""
        unended: Literal["cut", "length"] = "cut" if self.stopped else "length"
        end = first_repetition(tokens, self.repetition) if self.repetition else None
        return Completion(
            index=index,
            tokens=tuple(tokens[:end]),
            logps=tuple(logps[:end]),
            finish="repetition" if end else "stop" if tokens[-1] in self.stop_ids else unended,
            version=self.version,
        )


def causal_mask(position_B: Tensor, limit: int, dtype: torch.dtype) -> Tensor:
    """[B, 1, 1, L] 0 up to each row's position, -inf behind it."""
    place_L = torch.arange(limit, device=position_B.device)
    mask_BL = torch.zeros(len(position_B), limit, dtype=dtype, device=position_B.device)
    return mask_BL.masked_fill_(place_L > position_B[:, None], -torch.inf)[:, None, None]

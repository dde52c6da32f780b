"""Rollouts in this process, on the model that is being trained or on a copy of it.

The model's own transformers forward decodes under a slot cache with continuous batching, in the
arithmetic of training, so that log-probabilities are the trainer's. Made for a CPU or one device,
and for models that fit there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from operator import length_hint
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from k15.config.errors import ConfigError
from k15.engines.attention import decoding, evaluating
from k15.engines.autocast import weights_cast_once
from k15.engines.decode_loop import DecodeLoop, Job
from k15.engines.prefill import Prompt
from k15.engines.protocol import Completion, Request, RolloutEngine, Sampling, Scored, seed_of
from k15.engines.requests import check_example, check_request
from k15.models.layouts.choice import choose_layout
from k15.models.logps import response_predictions
from k15.models.sharded import is_sharded
from k15.models.support import refusal
from k15.weights.full import load_full_weights, own_copy

if TYPE_CHECKING:
    from k15.models.policy import Policy
    from k15.types import Example


class TransformersEngine(RolloutEngine):
    """Generates with a `Policy` in place; with `copy`, and where the policy is spread over ranks,
    on weights of its own, which stay as they are until it is given others.

    `slots` responses are decoded side by side; their keys and values take slots * positions of the
    longest one. `tokens_per_prefill` bounds the prompts of one prefill; a longer prompt is
    prefilled alone. Raises ValueError for models that the slot cache is not right for.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        slots: int = 256,
        tokens_per_prefill: int = 8192,
        copy: bool = False,
    ) -> None:
        if slots < 1:
            raise ValueError(f"engine.slots={slots}: at least one response must have a slot")
        check_attention(policy)
        if policy.streamed:
            raise ConfigError(
                "model.streamed=true: engine=transformers needs weights; leave it false"
            )
        copy = copy or is_sharded(policy.model)
        self.policy = own_copy(policy) if copy else policy
        self.device = policy.device
        self.slots, self.tokens_per_prefill, self.copy = slots, tokens_per_prefill, copy
        self.beside_training = copy
        self.loop: DecodeLoop | None = None

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Weights that are shared are read where they are trained: they are new already."""
        if self.copy:
            load_full_weights(self.policy.model, weights)
        self.version = version

    def sleep(self) -> None:
        """Weights of its own wait in main memory; keys and values of the newest call are let go."""
        self.loop = None
        if self.copy:
            self.policy.model.to("cpu")

    def wake(self) -> None:
        """Back to where the policy was when the engine was made."""
        if self.copy:
            self.policy.model.to(self.device)

    def generate(
        self, requests: Iterable[Request | None], sampling: Sampling
    ) -> Iterator[Completion]:
        """Yield one completion per request, in the order in which they end.

        Until the iterator is exhausted or closed the model stays in evaluation mode. Raises
        ValueError if a request does not fit into the model's context, before any work where
        requests are a sequence.
        """
        jobs: Iterator[Job | None] = self._jobs(requests, sampling)
        if isinstance(requests, Sequence):
            jobs = handed_out(deque(jobs))
        self.loop = DecodeLoop(
            self.policy,
            jobs,
            sampling,
            version=self.version or 0,
            slots=min(self.slots, max(1, length_hint(requests, self.slots))),
            tokens_per_prefill=self.tokens_per_prefill,
        )
        return self._completions(self.loop)

    def score(self, examples: Sequence[Example]) -> Iterator[Scored]:
        """Responses to equal prompts go through the model behind one prompt where it allows that;
        `tokens_per_prefill` tokens at a time.
        """
        for index, example in enumerate(examples):
            tokens = example.prompt_tokens + example.response_tokens
            length = self.policy.length(tokens, example.images)
            check_example(index, example, length, self.policy.context)
        layout = choose_layout(self.policy, prompts_repeat=True)
        for chosen in layout.plan(self.policy, examples, self.tokens_per_prefill):
            batch = layout.collate(self.policy, [examples[index] for index in chosen])
            with evaluating(self.policy.model), torch.inference_mode(), self.policy.computing():
                logps_SR, right_SR = response_predictions(self.policy, batch)
            for row, index in enumerate(chosen):
                length = len(examples[index].response_tokens)
                yield Scored(
                    index=index,
                    logps=tuple(logps_SR[row, :length].tolist()),
                    greedy=bool(right_SR[row, :length].all()),
                )

    def stop(self) -> None:
        """End the newest call of `generate`: unfinished responses come back as they stand."""
        if self.loop is not None:
            self.loop.stop()

    def progress(self) -> Iterable[Completion]:
        """Of the newest call."""
        return self.loop.progress() if self.loop is not None else ()

    def _completions(self, loop: DecodeLoop) -> Iterator[Completion]:
        with decoding(self.policy.model), weights_cast_once(self.policy):
            while loop.unfinished:
                # Never across a yield: the consumer must not find itself in inference mode.
                with torch.inference_mode(), self.policy.computing():
                    completions = loop.step()
                yield from completions

    def _jobs(self, requests: Iterable[Request | None], sampling: Sampling) -> Iterator[Job | None]:
        """Checked; equal requests that follow each other share one prompt."""
        last, index = None, 0
        for request in requests:
            if request is None:
                yield None
                continue
            if last is None or not same_prompt(request, last):
                prompt = Prompt(self.policy.expand(request.tokens, request.images))
            check_request(index, request, len(prompt.expanded.tokens), self.policy)
            seed = seed_of(sampling.seed, index) if request.seed is None else request.seed
            yield Job(index, prompt, request.max_new_tokens, seed, sampling.of(request))
            last, index = request, index + 1


def same_prompt(one: Request, other: Request) -> bool:
    """Whether they have the same tokens and the same picture objects."""
    pictures = [list(map(id, request.images)) for request in (one, other)]
    return one.tokens == other.tokens and pictures[0] == pictures[1]


def handed_out(jobs: deque[Job | None]) -> Iterator[Job | None]:
    """One after the other; a prompt is let go with its last one."""
    while jobs:
        yield jobs.popleft()


def check_attention(policy: Policy) -> None:
    """Raise ValueError if a decode step could not see what the model's own forward sees."""
    if reason := policy.support.engine:
        reason = f"engine=transformers cannot decode it: {reason}"
        raise refusal(policy.path, policy.model.config, reason)

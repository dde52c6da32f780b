"""Rollouts in this process, on the model that is being trained or on a copy of it.

The model's own transformers forward decodes under a slot cache with continuous batching, so that
log-probabilities are the trainer's. Made for a CPU or one device, and for models that fit there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from k15.engines.attention import decoding
from k15.engines.decode_loop import DecodeLoop, Job
from k15.engines.prefill import Prompt
from k15.engines.protocol import Completion, Request, RolloutEngine, Sampling
from k15.weights.full import load_full_weights

if TYPE_CHECKING:
    from k15.models.policy import Policy

ATTENTION = {"full_attention", "sliding_attention"}


class TransformersEngine(RolloutEngine):
    """Generates with a `Policy` in place; with `copy` on weights of its own, which stay as they are
    until it is given others.

    `slots` responses are decoded side by side; their keys and values take slots * positions of the
    longest one. `tokens_per_prefill` bounds the prompts of one prefill; a longer prompt is
    prefilled alone. Raises ValueError for models whose attention is other than full or
    sliding-window.
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
        self.policy = policy.copy() if copy else policy
        self.device = policy.device
        self.slots, self.tokens_per_prefill, self.copy = slots, tokens_per_prefill, copy

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Weights that are shared are read where they are trained: they are new already."""
        if self.copy:
            load_full_weights(self.policy.model, weights)
        self.version = version

    def sleep(self) -> None:
        """Weights of its own wait in main memory; caches are there during `generate` alone."""
        if self.copy:
            self.policy.model.to("cpu")

    def wake(self) -> None:
        """Back to where the policy was when the engine was made."""
        if self.copy:
            self.policy.model.to(self.device)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yield one completion per request, in the order in which they end.

        Until the iterator is exhausted or closed the model stays in evaluation mode. Raises
        ValueError before any work if a request does not fit into the model's context.
        """
        loop = DecodeLoop(
            self.policy,
            self._jobs(requests),
            sampling,
            version=self.version or 0,
            slots=self.slots,
            tokens_per_prefill=self.tokens_per_prefill,
        )
        return self._completions(loop)

    def _completions(self, loop: DecodeLoop) -> Iterator[Completion]:
        with decoding(self.policy.model):
            while loop.unfinished:
                # Never across a yield: the consumer must not find itself in inference mode.
                with torch.inference_mode():
                    completions = loop.step()
                yield from completions

    def _jobs(self, requests: Sequence[Request]) -> list[Job]:
        """Checked; equal requests share one prompt."""
        prompts: dict[tuple[object, ...], Prompt] = {}
        jobs = []
        for index, request in enumerate(requests):
            key = (request.tokens, *map(id, request.images))
            if key not in prompts:
                prompts[key] = Prompt(self.policy.expand(request.tokens, request.images))
            self._check(index, request, len(prompts[key].expanded.tokens))
            jobs.append(Job(index, prompts[key], request.max_new_tokens, request.seed))
        return jobs

    def _check(self, index: int, request: Request, length: int) -> None:
        new, context = request.max_new_tokens, self.policy.context
        if new < 1:
            raise ValueError(f"request {index}: max_new_tokens={new}, but it must be at least 1")
        if not request.tokens or request.tokens[-1] in self.policy.placeholder_ids:
            raise ValueError(f"request {index}: a prompt must end in a text token")
        if length + new > context:
            raise ValueError(
                f"request {index}: {length} prompt tokens + max_new_tokens={new} = {length + new} "
                f"exceed the model's context of {context}; lower max_new_tokens, leave out longer "
                "prompts or choose a model with a longer context"
            )


def check_attention(policy: Policy) -> None:
    """Raise ValueError if a decode step could not see what the model's own forward sees."""
    config = policy.model.config.get_text_config()
    name, kinds = policy.model.config.name_or_path, set(getattr(config, "layer_types", None) or ())
    if kinds - ATTENTION:
        raise ValueError(
            f"model.path={name!r} has layers of type {sorted(kinds - ATTENTION)}, which have no "
            "slot cache; choose another model"
        )
    window = getattr(config, "sliding_window", None) or policy.context
    if config._attn_implementation == "eager" and window < policy.context:
        raise ValueError(
            f"model.path={name!r} has attention eager and a sliding window of {window} tokens, "
            f"shorter than its context of {policy.context}; set model.attention=sdpa"
        )

"""Requests and completions in vLLM's words: its SamplingParams' names are those of its servers.

https://docs.vllm.ai/en/v0.32.0/api/vllm/sampling_params.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

from k15.engines.protocol import Completion, Repetition, Request, Sampling, seed_of
from k15.engines.repetition import first_repetition

NEVER = -100.0  # the lowest bias that vLLM's servers take, in nats
FINISHES: dict[str | None, Literal["stop", "length", "repetition", "cut"]] = {
    "stop": "stop",
    "length": "length",
    "repetition": "repetition",
    "abort": "cut",
}


@dataclass(frozen=True, slots=True)
class Translator:
    """What all requests of a policy share.

    `stop_ids` end a response; `forbidden` tokens, which stand for pictures or for nothing, are
    never sampled.
    """

    stop_ids: tuple[int, ...]
    forbidden: tuple[int, ...]

    def fields(self, request: Request, sampling: Sampling, index: int) -> dict[str, Any]:
        """Of SamplingParams, for the request with this place in the call.

        vLLM's random numbers begin anew in each call, so that the tokens in front are mixed into
        the seed: a response that goes on does not repeat the numbers that it has had.
        """
        sampling = sampling.of(request)
        seed = seed_of(sampling.seed, index) if request.seed is None else request.seed
        fields: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": request.max_new_tokens,
            "seed": seed_of(seed, len(request.tokens)),
            "stop_token_ids": list(self.stop_ids),
            "ignore_eos": True,
            "logprobs": 0,
        }
        if self.forbidden:
            fields["logit_bias"] = dict.fromkeys(self.forbidden, NEVER)
        if sampling.repetition is not None:
            fields["repetition_detection"] = repetition_fields(sampling.repetition)
        return fields

    def completion(
        self,
        index: int,
        tokens: Sequence[int],
        logps: Sequence[float],
        reason: str | None,
        sampling: Sampling,
        version: int,
    ) -> Completion:
        """Of vLLM's `finish_reason`; a repetition counts from where it was complete."""
        rule = sampling.repetition
        end = first_repetition(tokens, rule) if rule and tokens else None
        return Completion(
            index=index,
            tokens=tuple(tokens[:end]),
            logps=tuple(logps[:end]),
            finish="repetition" if end else FINISHES[reason],
            version=version,
        )


def repetition_fields(rule: Repetition) -> dict[str, int]:
    """The nearest rule that vLLM has, which never ends a response before ours does.

    It looks for one number of repeats whatever the pattern. A multiple of every pattern of up to
    `max_pattern` tokens lies in the upper half of these sizes; repeated so often that the shortest
    of them has `tokens` tokens, the longest has less than twice as many.
    """
    shortest = rule.max_pattern // 2 + 1
    return {
        "max_pattern_size": rule.max_pattern,
        "min_pattern_size": shortest,
        "min_count": max(2, ceil(rule.tokens / shortest)),
    }

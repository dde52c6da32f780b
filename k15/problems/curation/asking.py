"""Responses of a model to problems, several to each, some begun for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from k15.config.errors import ConfigError
from k15.engines.protocol import Request, RolloutEngine, Sampling, seed_of
from k15.models.codec import BeginningCodec
from k15.questions import instructed
from k15.types import Problem, Rollout, RolloutGroup, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a model is asked, and how often."""

    samples: int
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 1024
    """Of a response; the model's context may leave room for fewer."""
    instruction: str = ""
    """Behind the question."""
    prefix: str = ""
    r"""How every response begins, such as `\\boxed{`, which leaves no room for a chain of
    thought.
    """

    def __post_init__(self) -> None:
        if self.samples < 1 or self.max_tokens < 1:
            raise ValueError(
                f"asking: samples={self.samples}, max_tokens={self.max_tokens}: at least 1 of each"
            )
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                f"asking: samples={self.samples} at temperature=0 are all the same; raise it"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A problem as the engine gets it."""

    problem: Problem
    tokens: tuple[int, ...]
    """The prompt, and the beginning of the response."""
    room: int
    """For new tokens."""


def written(codec: BeginningCodec, problem: Problem, asking: Asking) -> Asked:
    """The prompt. Raises ConfigError if it cannot be written or the context has no room for it."""
    tokens = codec.encode(instructed(problem, asking.instruction))
    if asking.prefix:
        tokens = (*tokens, *codec.encode_beginning(asking.prefix))
    length = codec.length(tokens, problem.images)
    room = min(asking.max_tokens, codec.context - length)
    if room < 1:
        raise ConfigError(f"its prompt has {length} tokens, the model's context {codec.context}")
    return Asked(problem=problem, tokens=tokens, room=room)


def responses(
    engine: RolloutEngine,
    codec: BeginningCodec,
    prompts: Sequence[Asked],
    asking: Asking,
    seed: object,
) -> Iterator[RolloutGroup]:
    """One group of `asking.samples` finished rollouts per prompt, all in one call of the engine.

    `seed`, the problem and the sample's number decide what is drawn, not the other prompts.
    """
    numbers = range(asking.samples)
    requests = [
        Request(
            tokens=asked.tokens,
            images=asked.problem.images,
            max_new_tokens=asked.room,
            seed=seed_of(seed, asked.problem.id, number),
        )
        for asked in prompts
        for number in numbers
    ]
    sampling = Sampling(temperature=asking.temperature, top_p=asking.top_p)
    done: dict[int, Rollout] = {}
    for one in engine.generate(requests, sampling):
        assert one.finish != "cut", "nobody stopped the engine"
        segment = Segment(tokens=one.tokens, logps=one.logps, version=one.version)
        text = asking.prefix + codec.decode(one.tokens)
        done[one.index] = Rollout(segments=(segment,), finish=one.finish, text=text)
    for place, asked in enumerate(prompts):
        rollouts = tuple(done[place * asking.samples + number] for number in numbers)
        yield RolloutGroup(problem=asked.problem, prompt_tokens=asked.tokens, rollouts=rollouts)

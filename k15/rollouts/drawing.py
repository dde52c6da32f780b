"""Several answers to each problem, from weights that stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from k15.config.errors import ConfigError
from k15.engines.protocol import Completion, Repetition, Request, RolloutEngine, Sampling, seed_of
from k15.engines.repetition import first_repetition
from k15.models.policy import Policy
from k15.rollouts.collector import Codec
from k15.types import FinishReason, Problem, Rollout, RolloutGroup, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How many answers there are to be, and how they are drawn.

    Raises ValueError for values that cannot work.
    """

    samples_per_problem: int = 8
    max_response_tokens: int = 128
    """An answer is cut here."""
    temperature: float = 1.0
    top_p: float = 1.0
    repetition: Repetition | None = None
    """When an answer counts as repeating itself and is ended; None: never."""
    seed: int = 0

    def __post_init__(self) -> None:
        self.sampling()  # says what is wrong with temperature and top_p
        if self.temperature == 0:
            raise ValueError("temperature=0: greedy answers to a problem are all the same")
        for name in ("samples_per_problem", "max_response_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")

    def sampling(self) -> Sampling:
        """How tokens are drawn; requests bring their own seeds."""
        return Sampling(temperature=self.temperature, top_p=self.top_p, repetition=self.repetition)


def drawn(
    engine: RolloutEngine, codec: Codec, problems: Sequence[Problem], drawing: Drawing
) -> Iterator[RolloutGroup]:
    """The answers to each problem, as soon as all of them have ended; not scored.

    An answer depends on the weights, its prompt, the problem's id and its number, and on nothing
    else in the call.
    """
    asked: list[tuple[Problem, tuple[int, ...], int]] = []
    open: dict[str, dict[int, Rollout]] = {}

    def requests() -> Iterator[Request]:
        for problem in problems:
            prompt = codec.encode(problem)
            for number in range(drawing.samples_per_problem):
                asked.append((problem, prompt, number))
                yield Request(
                    tokens=prompt,
                    images=problem.images,
                    max_new_tokens=drawing.max_response_tokens,
                    seed=seed_of(drawing.seed, problem.id, number),
                )

    for completion in engine.generate(requests(), drawing.sampling()):
        problem, prompt, number = asked[completion.index]
        rollouts = open.setdefault(problem.id, {})
        rollouts[number] = answered(completion, codec, drawing.repetition)
        if len(rollouts) == drawing.samples_per_problem:
            del open[problem.id]
            in_order = tuple(rollouts[n] for n in range(drawing.samples_per_problem))
            yield RolloutGroup(problem=problem, prompt_tokens=prompt, rollouts=in_order)


def why_not_asked(policy: Policy, problem: Problem, drawing: Drawing, setting: str) -> str | None:
    """Why a problem cannot be asked, or does not fit into the context; None if it can.

    `setting` is where the longest answer is set.
    """
    longest, context = drawing.max_response_tokens, policy.context
    try:
        prompt = policy.length(policy.encode(problem), problem.images)
    except ConfigError as error:
        return str(error)
    if prompt + longest <= context:
        return None
    return (
        f"its prompt of {prompt} tokens and {setting}={longest} exceed the model's context of "
        f"{context}"
    )


def answered(completion: Completion, codec: Codec, repetition: Repetition | None) -> Rollout:
    """A completion as a whole answer; a loop ends it where it is told from the text."""
    tokens = completion.tokens
    assert completion.finish != "cut", "nobody has stopped the engine"
    finish: FinishReason = completion.finish
    end = first_repetition(tokens, repetition, start=0) if repetition else None
    if end is not None:
        tokens, finish = tokens[:end], "repetition"
    logps = completion.logps[: len(tokens)]
    segment = Segment(tokens=tokens, logps=logps, version=completion.version)
    return Rollout(segments=(segment,), finish=finish, text=codec.decode(tokens))

"""The words every room of k15 speaks: problems, rollouts, experience. Plain data, no heavy imports.

Data flows one way: a `Problem` is sampled; its G `Rollout`s grow by one `Segment` per iteration
until they end; the finished `RolloutGroup` is scored; the groups of one iteration form the
`Experience` that the module trains on.

Legend: G samples per problem, T tokens of a response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

Message = Mapping[str, Any]
"""One chat turn, `{"role": ..., "content": ...}`, as transformers' chat templates take it."""

FinishReason = Literal["stop", "length", "repetition"]
"""Why a response ended: it wrote a stop token; it was cut at a limit; it repeated itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One question with what is needed to grade an answer.

    Example: `Problem(id="1", prompt=({"role": "user", "content": "1+1?"},), answer="2")`
    """

    id: str
    """Unique within its source; names the problem in logs, errors and running success rates."""
    prompt: tuple[Message, ...]
    """Chat messages. A picture stands in `content` as an item `{"type": "image"}`."""
    answer: str | None
    """Reference answer; None where the domain is graded without one."""
    images: Sequence[Image] = ()
    """Pictures in the order of their items in `prompt`."""
    domain: str = "math"
    """math, code, vision or open: decides which rewards apply."""
    difficulty: int | None = None
    """Level as the data gives it, 1 is easiest (k1.5 §2.3.4); None if unknown."""
    tests: tuple[Mapping[str, Any], ...] = ()
    """Test cases of a programming problem."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the source knows: subject, operands, file and line."""

    def __post_init__(self) -> None:
        for name, value in (("id", self.id), ("answer", self.answer)):
            if not isinstance(value, str) and not (name == "answer" and value is None):
                raise ValueError(
                    f"problem {self.id!r}: {name} must be text, got {value!r} "
                    f"({type(value).__name__}); its source has to write it out"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The tokens one iteration added to a response (k1.5 §2.6, partial rollouts)."""

    tokens: tuple[int, ...]
    """[T] sampled token ids, a stop token included."""
    logps: tuple[float, ...]
    """[T] log-probability of each token under the policy that sampled it."""
    version: int
    """Version of that policy: the iteration whose weights it had."""

    def __post_init__(self) -> None:
        if len(self.tokens) != len(self.logps):
            raise ValueError(
                f"segment has {len(self.tokens)} tokens but {len(self.logps)} log-probabilities"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One response, grown segment by segment; `finish` is None while it is unfinished."""

    segments: tuple[Segment, ...] = ()
    finish: FinishReason | None = None
    text: str = ""
    """The decoded response, set when it has ended."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """[T] all token ids so far."""
        return tuple(token for segment in self.segments for token in segment.tokens)

    @property
    def logps(self) -> tuple[float, ...]:
        """[T] the sampling policies' log-probabilities."""
        return tuple(logp for segment in self.segments for logp in segment.logps)

    @property
    def versions(self) -> tuple[int, ...]:
        """[T] version of the policy that sampled each token."""
        return tuple(segment.version for segment in self.segments for _ in segment.tokens)

    @property
    def length(self) -> int:
        """T, in tokens."""
        return sum(len(segment.tokens) for segment in self.segments)

    def extend(self, segment: Segment, finish: FinishReason | None) -> Rollout:
        """The rollout with one more segment."""
        return replace(self, segments=(*self.segments, segment), finish=finish)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutGroup:
    """The G rollouts of one problem; scored once all of them have ended."""

    problem: Problem
    prompt_tokens: tuple[int, ...]
    """The prompt as the engine gets it: each picture is ONE placeholder token."""
    rollouts: tuple[Rollout, ...]
    """[G]"""
    number: int = 0
    """How many groups of the run were started before this one; decides its random numbers."""
    parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Reward part by name, unweighted, each [G]."""
    reward: tuple[float, ...] = ()
    """[G] weighted sum of the parts: what the policy is trained on."""
    outcome: tuple[float, ...] = ()
    """[G] what the verifiers say, from 0 (wrong) to 1 (correct): accuracy and success rates."""

    def __post_init__(self) -> None:
        for name, values in {**self.parts, "reward": self.reward, "outcome": self.outcome}.items():
            if values and len(values) != len(self.rollouts):
                raise ValueError(
                    f"problem {self.problem.id}: {len(self.rollouts)} rollouts "
                    f"but {len(values)} {name} values"
                )

    @property
    def finished(self) -> bool:
        """Whether every rollout has ended."""
        return all(rollout.finish is not None for rollout in self.rollouts)

    def only(self, chosen: Sequence[int]) -> RolloutGroup:
        """The group of these rollouts alone, with what belongs to them."""
        return replace(
            self,
            rollouts=tuple(self.rollouts[i] for i in chosen),
            parts={name: _of(values, chosen) for name, values in self.parts.items()},
            reward=_of(self.reward, chosen),
            outcome=_of(self.outcome, chosen),
        )

    @property
    def success_rate(self) -> float:
        """Mean outcome over the G rollouts."""
        return sum(self.outcome) / len(self.outcome)


def _of(values: tuple[float, ...], chosen: Sequence[int]) -> tuple[float, ...]:
    return tuple(values[i] for i in chosen) if values else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What one iteration collected: the batch of `RLModule.training_step`."""

    iteration: int
    """i of π_i."""
    groups: tuple[RolloutGroup, ...]
    """The complete groups that this iteration hands out, scored, oldest first."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Figures of the rollout and reward phases, by TensorBoard name."""
    version: int | None = None
    """Of the weights that sampled its newest segments, where these are not π_i's."""
    wait_for_next: Callable[[], None] | None = None
    """Waits for the next iteration's, which is being collected meanwhile, or raises what has ended
    that; None: nobody is using the engine.
    """

    @property
    def sampled_by(self) -> int:
        """Version of the weights that sampled its newest segments."""
        return self.iteration if self.version is None else self.version


class Share(list[Any]):
    """What one rank has of a batch, or of its indices."""

    silent: bool = False
    """There only so that all ranks take the same steps: it adds nothing to them."""
    source: str = ""
    """Where all of it comes from, in validation by sources."""


class StepsWithinBatch:
    """A module that takes several optimizer steps on one batch, such as an iteration of RL."""

    under_way: Sequence[str] = ()
    """Ids of the problems whose loss is computed now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What pretraining reads: text, with pictures where they stand.

    Example: `Document(id="7", parts=(None, " a red circle"), images=(picture,))`
    """

    id: str
    """Unique within its source; names the document in errors."""
    parts: tuple[str | None, ...]
    """Texts in their order; None is the place of the next picture."""
    images: Sequence[Image] = ()
    """Pictures in the order of their places."""

    def __post_init__(self) -> None:
        places = self.parts.count(None)
        if places != len(self.images):
            raise ValueError(
                f"document {self.id}: {places} places for pictures, {len(self.images)} pictures"
            )

    @property
    def text(self) -> str:
        """All of its text, a line per part."""
        return "\n".join(part for part in self.parts if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One training sequence: a prompt, and the response tokens a loss looks at."""

    prompt_tokens: tuple[int, ...]
    """Each picture is one placeholder token, as in `RolloutGroup.prompt_tokens`."""
    response_tokens: tuple[int, ...]
    """[T] A document's may hold placeholders, too, which are never in the loss."""
    loss_mask: tuple[bool, ...] = ()
    """[T] True on tokens in the loss; empty means all of them."""
    images: Sequence[Image] = ()

    def __post_init__(self) -> None:
        if self.loss_mask and len(self.loss_mask) != len(self.response_tokens):
            raise ValueError(
                f"{len(self.response_tokens)} response tokens, loss mask of {len(self.loss_mask)}"
            )

    @property
    def length(self) -> int:
        """Tokens of prompt and response, pictures unexpanded."""
        return len(self.prompt_tokens) + len(self.response_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One training sequence made of several: documents that share a token budget."""

    examples: tuple[Example, ...]
    """Those that attend to themselves alone; one, where all attend to all before them."""
    lengths: tuple[int, ...]
    """Tokens of each document in it, pictures expanded."""
    names: tuple[str, ...]
    """`<source>/<id>` of each document, with `#2` its second piece."""
    capacity: int
    """The budget: what is left of it is padding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedExample(Example):
    """What a reward model learns from: the prompt shows question, reference answer and response;
    `response_tokens` are the judge's reasoning and verdict, empty for a value head.
    """

    correct: bool
    question: int
    """Number of the question: responses to one question share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Two responses to one prompt, of which one is preferred."""

    id: str
    """Unique within the data."""
    chosen: Example
    rejected: Example

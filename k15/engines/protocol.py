"""The contract between a rollout collector and whatever generates tokens.

Tokens in, tokens out: an engine never sees text, tasks or rewards. A partial rollout is the same
call with a longer prefix and a smaller budget, so no engine knows about partial rollouts either.

The life of an engine that samples from the policy under training:

    made at its first use ──► wake ─► load_weights ─► generate ... ─► sleep ──► close
                               ▲                                        │
                               └── next iteration, validation ◄── training
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from k15.types import FinishReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """A response repeats itself when its last `tokens` tokens are one pattern, over and over (k1.5
    §2.6).
    """

    tokens: int = 128
    """Shorter runs are no loops: the digits of a number, the rule of a table, a row of zeros."""
    max_pattern: int = 16
    """Longest pattern that is looked for, in tokens."""

    def __post_init__(self) -> None:
        if not 1 <= self.max_pattern <= self.tokens / 2:
            raise ValueError(
                f"repetition: max_pattern={self.max_pattern}, tokens={self.tokens}; take a pattern "
                "of at least 1 token, and tokens for two of the longest"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn, the same for all requests of one call."""

    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    seed: int = 0
    """The same seed, weights and requests give the same tokens."""
    repetition: Repetition | None = None
    """An engine that can end a repeating response early may do so; it counts its own tokens
    only.
    """

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"sampling: temperature={self.temperature}, top_p={self.top_p}; "
                "take temperature >= 0 (0 is greedy) and 0 < top_p <= 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One response to be started or continued."""

    tokens: tuple[int, ...]
    """Prompt and what was generated so far; each picture is one placeholder token."""
    max_new_tokens: int
    images: Sequence[Image] = ()
    seed: int | None = None
    """Of this request's own random numbers, below 2^63: its tokens then depend on nothing else in
    the call. Given for all requests of a call or for none.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The new tokens of one request."""

    index: int
    """Position of the request in the call."""
    tokens: tuple[int, ...]
    """[T] new token ids, a stop token included."""
    logps: tuple[float, ...]
    """[T] log-probability of each under softmax(logits / temperature) before top-p (temperature 1
    if greedy).
    """
    finish: FinishReason
    """"length" means `max_new_tokens` was used up."""
    version: int
    """The version given with the weights that were used."""


class RolloutEngine(Protocol):
    """Generates tokens from the policy whose weights it was last given.

    An engine derives from this class and has `generate` and `load_weights`; what else stands here
    does nothing unless it says otherwise.
    """

    version: int | None = None
    """That of the weights it has; None: those it was made with."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Yield one completion per request, in the order in which they end.

        Equal requests (same tokens, same picture objects) are G samples of one prompt and are
        prefilled once.
        """
        ...

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Take the policy's weights, and `version` as the one that completions carry from here on.

        `weights` is `k15.weights.full.full_weights` of the policy: every tensor of its Hugging Face
        folder under its name there, and the tied ones under each of their names. They are those
        under training, not copies of them: an engine with weights of its own copies them before it
        returns. `k15.engines.sync.sync` calls this, once per version.
        """
        ...

    def sleep(self) -> None:
        """Free what others may need until `wake`: caches, and the weights, too, if `version` is
        None from then on. Nothing is being generated. `RLModule` calls it when an iteration has
        been collected, and callbacks when they have measured.
        """
        return

    def wake(self) -> None:
        """Be ready to generate; `sync` calls it before each use, also where nothing slept."""
        return

    def close(self) -> None:
        """End processes and free memory; the engine is not used again.

        Whoever made the engine calls it, once, also when the run ends in an exception: `train.py`
        and `evaluate.py` close the one that the configuration names, judges and assistants theirs.
        """
        return

"""The contract between a rollout collector and whatever generates tokens.

Tokens in, tokens out: an engine never sees text, tasks or rewards. A partial rollout is the same
call with a longer prefix and a smaller budget, so no engine knows about partial rollouts either.

    requests ──► engine: pulls one whenever a slot is free ──► completions, as they end
                   ▲ stop(): no more is pulled, the rest comes back as it stands, "cut"

The life of an engine that samples from the policy under training:

    made at its first use ──► wake ─► load_weights ─► generate ... ─► sleep ──► close
                               ▲                                        │
                               └── next iteration, validation ◄── training
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from k15.config.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from k15.types import Example, FinishReason


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
    """How the tokens of one call are drawn, where a request does not say otherwise."""

    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    seed: int = 0
    """Of the requests without a seed of their own: each gets one that depends on this and on its
    place in the call.
    """
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

    def of(self, request: Request) -> Sampling:
        """How those of a request are drawn."""
        own = {"temperature": request.temperature, "top_p": request.top_p}
        given: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
        return replace(self, **given) if given else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One response to be started or continued."""

    tokens: tuple[int, ...]
    """Prompt and what was generated so far; each picture is one placeholder token."""
    max_new_tokens: int
    images: Sequence[Image] = ()
    seed: int | None = None
    """Of this request's own random numbers, below 2^63: its tokens depend on nothing else in the
    call. Each token is drawn by the seed and its place behind the prompt's first token, so that a
    response that is cut and continued with the same seed is the uncut one. (An engine whose random
    numbers begin anew in each call mixes `len(tokens)` into the seed instead.)
    """
    temperature: float | None = None
    """0 is greedy; None: the call's. An engine asks `Sampling.of`."""
    top_p: float | None = None
    """None: the call's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The new tokens of one request."""

    index: int
    """How many requests were pulled before this one."""
    tokens: tuple[int, ...]
    """[T] new token ids, a stop token included."""
    logps: tuple[float, ...]
    """[T] log-probability of each under softmax(logits / temperature) before top-p (temperature 1
    if greedy).
    """
    finish: FinishReason | Literal["cut"]
    """"length" means `max_new_tokens` was used up, "cut" that the engine was stopped before."""
    version: int
    """The version given with the weights that were used; of the last token, if several were."""
    versions: tuple[int, ...] = ()
    """[T] that of each token, where weights changed while this was generated; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What the weights say of one response that was given."""

    index: int
    """Its place among the examples."""
    logps: tuple[float, ...]
    """[T] log-probability of each of its tokens under softmax(logits)."""
    greedy: bool
    """Whether each of its tokens is the most likely one in its place."""


class RolloutEngine(Protocol):
    """Generates tokens from the policy whose weights it was last given.

    An engine derives from this class and has `generate` and `load_weights`; what else stands here
    does nothing unless it says otherwise.
    """

    version: int | None = None
    """That of the weights it has; None: those it was made with."""
    weightless: bool = False
    """Whether it can be made for a policy whose weights are not in memory (on torch's meta device)
    and then waits for `load_weights`: for those that have weights of their own.
    """
    beside_training: bool = False
    """Whether it may generate, in another thread, while the policy trains: with weights of its own,
    and with processes or devices of its own if that is to save time. `RolloutPlan.overlap` asks for
    it.
    """

    def generate(
        self, requests: Iterable[Request | None], sampling: Sampling
    ) -> Iterator[Completion]:
        """Yield one completion per request, in the order in which they end.

        `requests` are pulled one by one, each when there is a slot for it, so whoever hands in a
        generator decides as late as possible; None says that there is no request before another
        one has ended. Equal requests that follow each other (same tokens, same picture objects) are
        G samples of one prompt and are prefilled once. Requests of a sequence are checked before
        any work.
        """
        ...

    def score(self, examples: Sequence[Example]) -> Iterator[Scored]:
        """Yield one `Scored` per example, in any order: of its response behind its prompt, nothing
        is generated.

        Raises ConfigError for an engine that cannot, ValueError if an example does not fit into the
        model's context.
        """
        raise ConfigError(
            f"{type(self).__name__} generates, and does not say how likely given tokens are; take "
            "engine=transformers or engine=vllm"
        )

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Take the policy's weights, and `version` as the one that completions carry from here on.

        `weights` is `k15.weights.full.full_weights` of the policy: every tensor of its Hugging Face
        folder under its name there, and the tied ones under each of their names. They are those
        under training, not copies of them: an engine with weights of its own copies them before it
        returns. `k15.engines.sync.sync` calls this, once per version.
        """
        ...

    def stop(self) -> None:
        """End the newest call of `generate`: it pulls no further request, and its iterator yields
        what has ended, then every unfinished request as it stands, finish "cut", and ends. A
        request that was pulled and not begun comes back without tokens.

        Without it an iteration also waits for the responses that run when its groups are complete.
        """
        return

    def progress(self) -> Iterable[Completion]:
        """What the unfinished responses of the newest call have by now, or had when this was asked
        before, finish "cut"; any thread may ask. If this is known of an engine in another process
        that is lost, another one goes on from there.
        """
        return ()

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


def seed_of(*parts: object) -> int:
    """A request's seed, below 2^63, that depends on all parts."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1

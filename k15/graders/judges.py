"""Models that judge responses: a value head, or a chain of thought that ends in a JSON verdict.

Both take prompts as token ids and judge them together. What stands between them and a policy's
responses (`read`) is the same, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import torch

from k15.engines.protocol import Request, RolloutEngine, Sampling
from k15.graders.base import GraderFailure, Verdict
from k15.models.layouts.bucketed import side_by_side
from k15.models.loading import load_policy
from k15.models.value_head import load_value_policy, scores
from k15.models.vocabulary import lacks_words
from k15.tasks.judging import judging_problem, read_verdict

if TYPE_CHECKING:
    from k15.models.policy import Policy

MARGIN = 8  # tokens left free where a response is shortened


Judged = Verdict | GraderFailure
"""A failure where a chain of thought never came to a verdict."""


class Judge(Protocol):
    """A model that judges prompts made by `read`."""

    policy: Policy
    max_new_tokens: int
    """Room its own text needs in the context."""

    def judge(self, prompts: Sequence[Sequence[int]]) -> list[Judged]:
        """One per prompt: `correct` is the probability of being correct, 0 or 1 from a chain of
        thought, which is the verdict's `detail`.
        """
        ...

    def close(self) -> None:
        """Close the engine, if it has one."""
        return


class ValueJudge(Judge):
    """The classic reward model: σ(score), in batches of at most `tokens_per_batch`."""

    max_new_tokens = 0

    def __init__(self, policy: Policy, *, tokens_per_batch: int = 16384) -> None:
        self.policy = policy
        self.tokens_per_batch = tokens_per_batch

    @torch.no_grad()
    def judge(self, prompts: Sequence[Sequence[int]]) -> list[Judged]:
        """One verdict per prompt, with the probability of being correct."""
        verdicts: dict[int, Judged] = {}
        lengths = [len(prompt) for prompt in prompts]
        for chosen in side_by_side(lengths, self.tokens_per_batch):
            found = scores(self.policy, [prompts[i] for i in chosen]).sigmoid().tolist()
            for i, probability in zip(chosen, found, strict=True):
                verdicts[i] = Verdict(correct=probability, how="value head")
        return [verdicts[i] for i in range(len(prompts))]


class CotJudge(Judge):
    """The chain-of-thought reward model: greedy first; where that does not end in a verdict,
    sampled again up to `attempts` times in all.

    A prompt gets the same verdict every time and beside any other prompt: its random numbers are
    those of the attempt.
    """

    def __init__(
        self,
        policy: Policy,
        engine: RolloutEngine,
        *,
        max_new_tokens: int = 256,
        attempts: int = 4,
        temperature: float = 1.0,
    ) -> None:
        if attempts < 1 or max_new_tokens < 1:
            raise ValueError(
                f"attempts={attempts}, max_new_tokens={max_new_tokens}: both must be at least 1"
            )
        self.policy = policy
        self.engine = engine
        self.max_new_tokens = max_new_tokens
        self.attempts = attempts
        self.temperature = temperature

    def judge(self, prompts: Sequence[Sequence[int]]) -> list[Judged]:
        """One verdict per prompt; a failure where every attempt was unreadable."""
        verdicts: list[Judged] = [GraderFailure("nothing was written")] * len(prompts)
        for attempt in range(self.attempts):
            unread = [i for i, one in enumerate(verdicts) if isinstance(one, GraderFailure)]
            if not unread:
                break
            sampling = Sampling(temperature=self.temperature if attempt else 0.0)
            requests = [
                Request(tokens=tuple(prompts[i]), max_new_tokens=self.max_new_tokens, seed=attempt)
                for i in unread
            ]
            for completion in self.engine.generate(requests, sampling):
                text = self.policy.decode(completion.tokens)
                verdicts[unread[completion.index]] = judged(text, completion.finish)
        return verdicts

    def close(self) -> None:
        """Its engine's end."""
        self.engine.close()


def judged(text: str, finish: str) -> Judged:
    """The verdict at the end of a chain of thought, if it came to its end."""
    correct = read_verdict(text) if finish == "stop" else None
    if correct is None:
        return GraderFailure(f"the judge came to no verdict: {text!r}")
    return Verdict(correct=float(correct), how="chain of thought", detail=text)


def read(judge: Judge, question: str, reference: str, response: str) -> tuple[int, ...]:
    """The prompt for one response as token ids.

    A response too long for the judge's context loses its beginning: the answer stands at the end.
    Raises ValueError if question and reference do not fit by themselves, or hold words that the
    judge's tokenizer does not have.
    """
    policy = judge.policy
    room = policy.context - judge.max_new_tokens
    tokens = policy.encode(judging_problem(question, reference, response))
    while len(tokens) > room:
        if not response:
            raise ValueError(
                f"question and reference answer take {len(tokens)} tokens and the reward model's "
                f"context has {room} for them: {question[:80]!r}; take one with a longer context"
            )
        excess = (len(tokens) - room + MARGIN) / len(tokens)
        response = response[max(1, int(excess * len(response))) :]
        tokens = policy.encode(judging_problem(question, reference, response))
    if lacks_words(policy.tokenizer, tokens):
        raise ValueError(
            f"the reward model's vocabulary lacks a word of {question[:80]!r} with the answer "
            f"{reference[:80]!r} or of a response; train it on this task"
        )
    return tokens


def value_judge(
    path: str, *, dtype: str = "float32", device: str = "cpu", tokens_per_batch: int = 16384
) -> ValueJudge:
    """A classic reward model from a Hugging Face sequence classification folder or name."""
    policy = load_value_policy(path, dtype)
    policy.model.to(device).eval()
    return ValueJudge(policy, tokens_per_batch=tokens_per_batch)


def cot_judge(
    path: str,
    *,
    make_engine: Callable[..., RolloutEngine],
    dtype: str = "float32",
    device: str = "cpu",
    max_new_tokens: int = 256,
    attempts: int = 4,
    temperature: float = 1.0,
) -> CotJudge:
    """A chain-of-thought reward model from any Hugging Face language model; `make_engine` makes
    the engine that it writes through from `policy`.
    """
    policy = load_policy(path, dtype)
    policy.model.to(device).eval()
    return CotJudge(
        policy,
        make_engine(policy=policy),
        max_new_tokens=max_new_tokens,
        attempts=attempts,
        temperature=temperature,
    )

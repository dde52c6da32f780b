from collections.abc import Callable, Sequence

import pytest

from k15.types import FinishReason, Problem, Rollout, RolloutGroup, Segment


@pytest.fixture
def make_group() -> Callable[..., RolloutGroup]:
    """A finished group of one problem: its texts, and how long and by what each ended."""

    def make(
        texts: Sequence[str],
        *,
        answer: str | None = "4",
        domain: str = "math",
        lengths: Sequence[int] | None = None,
        finishes: Sequence[FinishReason] | None = None,
        **fields: object,
    ) -> RolloutGroup:
        lengths = lengths or [1] * len(texts)
        finishes = finishes or ["stop"] * len(texts)
        rollouts = tuple(
            Rollout(
                segments=(Segment(tokens=(7,) * length, logps=(-0.5,) * length, version=0),),
                finish=finish,
                text=text,
            )
            for text, length, finish in zip(texts, lengths, finishes, strict=True)
        )
        prompt = ({"role": "user", "content": "2 + 2?"},)
        problem = Problem(id="sum-1", prompt=prompt, answer=answer, domain=domain)
        return RolloutGroup(problem=problem, prompt_tokens=(1,), rollouts=rollouts, **fields)

    return make

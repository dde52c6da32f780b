"""Unfinished rollouts survive a checkpoint; a problem that is gone is named."""

import pytest

from k15.rollouts.buffer import ReplayBuffer
from k15.types import Problem, Rollout, RolloutGroup, Segment

PROBLEM = Problem(id="a", prompt=(), answer="1")
SEGMENT = Segment(tokens=(5, 6), logps=(-0.5, -1.25), version=3)
GROUP = RolloutGroup(
    problem=PROBLEM,
    number=7,
    prompt_tokens=(1, 2),
    rollouts=(
        Rollout(segments=(SEGMENT,)),
        Rollout(segments=(SEGMENT, SEGMENT), finish="stop", text="done"),
    ),
)


def test_saved_and_loaded_is_the_same() -> None:
    buffer, again = ReplayBuffer(), ReplayBuffer()
    assert [buffer.next_number() for _ in range(3)] == [0, 1, 2]
    buffer.put([GROUP, GROUP])
    again.load_state_dict(buffer.state_dict(), {"a": PROBLEM})
    assert again.take() == [GROUP, GROUP]
    assert len(again) == 0 and again.next_number() == 3


def test_a_problem_that_is_gone_is_named() -> None:
    buffer = ReplayBuffer()
    buffer.put([GROUP])
    with pytest.raises(ValueError, match="problem 'a'"):
        ReplayBuffer().load_state_dict(buffer.state_dict(), {})

"""The data carriers refuse unequal lengths and keep their arithmetic straight."""

import pytest

from k15.types import Example, Problem, Rollout, RolloutGroup, Segment


def segment(*tokens: int, version: int = 0) -> Segment:
    return Segment(tokens=tokens, logps=tuple(-float(t) for t in tokens), version=version)


def test_a_rollout_is_the_chain_of_its_segments() -> None:
    start = Rollout()
    one = start.extend(segment(5, 6), None)
    two = one.extend(segment(7, version=1), "stop")
    assert (start.length, one.length, two.length) == (0, 2, 3)
    assert two.tokens == (5, 6, 7) and two.logps == (-5.0, -6.0, -7.0)
    assert two.versions == (0, 0, 1)
    assert one.finish is None and two.finish == "stop"


def test_a_group_is_finished_with_its_last_rollout() -> None:
    problem = Problem(id="p", prompt=(), answer="1")
    ended, running = Rollout(finish="stop"), Rollout()
    group = RolloutGroup(problem=problem, prompt_tokens=(), rollouts=(ended, running))
    assert not group.finished
    group = RolloutGroup(
        problem=problem, prompt_tokens=(), rollouts=(ended,) * 4, outcome=(1.0, 0.0, 0.0, 1.0)
    )
    assert group.finished and group.success_rate == 0.5


def test_some_rollouts_of_a_group_keep_what_belongs_to_them() -> None:
    group = RolloutGroup(
        problem=Problem(id="p", prompt=(), answer="1"),
        prompt_tokens=(1,),
        rollouts=tuple(Rollout(text=text) for text in "abc"),
        parts={"math": (1.0, 0.0, 1.0)},
        reward=(1.5, 0.0, 0.5),
    )
    last, first = group.only([2, 0]).rollouts
    assert (last.text, first.text) == ("c", "a")
    assert group.only([2, 0]).reward == (0.5, 1.5)
    assert group.only([1]).parts == {"math": (0.0,)}
    assert group.only([1]).outcome == () and group.only([]).rollouts == ()


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 tokens but 1 log-probabilities"):
        Segment(tokens=(1, 2), logps=(0.0,), version=0)
    with pytest.raises(ValueError, match="problem p: 2 rollouts but 1 math values"):
        RolloutGroup(
            problem=Problem(id="p", prompt=(), answer="1"),
            prompt_tokens=(),
            rollouts=(Rollout(),) * 2,
            parts={"math": (1.0,)},
        )
    with pytest.raises(ValueError, match="2 response tokens, loss mask of 1"):
        Example(prompt_tokens=(1,), response_tokens=(2, 3), loss_mask=(True,))


@pytest.mark.parametrize("answer", [["4"], 4, {"value": "4"}, True, float("nan")])
def test_a_problem_whose_answer_is_no_text_is_refused_by_id(answer: object) -> None:
    with pytest.raises(ValueError, match="problem 'p': answer must be text, got "):
        Problem(id="p", prompt=(), answer=answer)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="problem 7: id must be text, got 7"):
        Problem(id=7, prompt=(), answer=None)  # type: ignore[arg-type]

"""Judgements: balanced, labelled as the task checks, with reasoning that arrives at the label."""

from random import Random

import pytest

from k15.models.tiny import tiny_policy
from k15.tasks.judging import (
    Judgement,
    Judging,
    Make24Judging,
    judging_problem,
    question_of,
    read_verdict,
)
from k15.tasks.make24 import Make24
from k15.types import Problem

JUDGING = Make24Judging(Make24(seed=5))
# 25 -2 -1 +2 = 24, and 25 +2 -1 -2 = 24
PROBLEM = Problem(
    id="p",
    prompt=({"role": "user", "content": " 25 a2 b1 c2:"},),
    answer="-a-b+c",
    meta={"start": 25, "values": (2, 1, 2)},
)


def test_half_of_the_judgements_are_of_correct_responses() -> None:
    for index in range(200):
        problem = JUDGING.task.problem(index)
        right, wrong = JUDGING.judgements(index)
        assert right.correct and not wrong.correct
        assert JUDGING.task.check(problem, right.response) == 1.0
        assert JUDGING.task.check(problem, wrong.response) == 0.0
        assert right.question == wrong.question == problem.prompt[0]["content"]


def test_judgements_are_the_same_every_time_and_splits_share_no_question() -> None:
    assert JUDGING.judgements(3) == Make24Judging(Make24(seed=5)).judgements(3)
    train = {JUDGING.judgements(i)[0].question for i in range(300)}
    held_out = {JUDGING.judgements(i, "held_out")[0].question for i in range(300)}
    assert not train & held_out


def test_the_reasoning_arrives_at_the_label() -> None:
    for index in range(500):
        for judgement in JUDGING.judgements(index):
            assert judgement.reasoning.endswith(" yes" if judgement.correct else " no")
            assert read_verdict(judgement.text) is judgement.correct


@pytest.mark.parametrize(
    ("boxed", "reasoning"),
    [
        ("-a-b+c", "-a 23-b 22+c 24 yes"),  # 25 - 2 - 1 + 2
        ("+a-b-c", "+a 27-b 26-c 24 yes"),  # not the reference, and right: 25 + 2 - 1 - 2
        ("+a+b+c", "+a 27+b 28+c 30 no"),
        ("+a-b", "+a 27-b 26 no"),
        ("+a-c", "+a 27 no"),
        ("+a-b-c+d", "+a 27-b 26-c 24 no"),
        ("", " no"),
    ],
)
def test_the_reasoning_writes_running_totals(boxed: str, reasoning: str) -> None:
    response = f"<think>+a 27 no</think>\\boxed{{{boxed}}}"
    assert JUDGING.reasoning(PROBLEM, response) == reasoning
    assert JUDGING.task.check(PROBLEM, response) == reasoning.endswith("yes")


def test_broken_responses_come_in_their_share() -> None:
    """With `unreadable=1` none but a few wrong ones is a sign pattern of the right operands."""
    judging = Make24Judging(Make24(seed=5), unreadable=1.0)
    wrong = [judging.judgements(index)[1] for index in range(300)]
    finished = [j for j in wrong if j.reasoning.count(" ") == j.question.count(" ")]
    assert len(finished) < 150
    none_broken = Make24Judging(Make24(seed=5), unreadable=0.0)
    for index in range(100):
        judgement = none_broken.judgements(index)[1]
        assert judgement.reasoning.count(" ") == judgement.question.count(" ")


def test_the_tiny_vocabulary_reads_and_writes_it_all() -> None:
    policy = tiny_policy(words=JUDGING.words, hidden_size=32, layers=1)
    for index in range(50):
        for j in JUDGING.judgements(index):
            asked = judging_problem(j.question, j.reference, j.response)
            assert policy.decode(policy.encode(asked)) == asked.prompt[0]["content"]
            assert policy.decode(policy.encode_response(j.text)) == j.text


def test_the_judge_reads_what_follows_the_thoughts() -> None:
    asked = judging_problem(" 25 a2:", "-a", "<think>+a 27 no</think>\\boxed{-a}")
    expected = " 25 a2:\nReference answer: -a\nResponse: \\boxed{-a}\nVerdict:"
    assert asked.prompt[0]["content"] == expected


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('{"correct": true}', True),
        ('<think>...</think>\n```json\n{"correct": false}\n```', False),
        ('{"reason": "x", "correct": false, "sure": true}', False),
        ('<think>{"correct": true}? no</think>{"correct": false}', False),
        ('{"correct": true}.', True),
        ('{"correct": true} I think', True),
        ('{"correct": "true"}', True),
        ("{'correct': True}", True),
        ('{"correct": false}\n\n{"correct": false}', False),
        ('{"correct": true} and then {"reason": "x", "correct": false}', None),
        ('<think>{"correct": true}', None),
        ('{"correct": 1}', None),
        ('{"right": true}', None),
        ('{"reason": "\\\\boxed{5} is it", "correct": true}', True),
        ('{"reason": "it says {\'correct\': true}", "correct": false}', False),
        ('{"correct": true', None),
        ("{}", None),
        ("yes", None),
        ("", None),
    ],
)
def test_a_verdict_is_one_object_behind_the_thoughts_or_none(
    text: str, verdict: bool | None
) -> None:
    assert read_verdict(text) is verdict


def test_what_cannot_be_judged_says_why() -> None:
    class Other(Make24):
        name = "other"

    assert Make24Judging(Other()).judgements(0)[0].correct  # a Make24 with another name
    with pytest.raises(ValueError, match="a reward model reads text; use text"):
        Judging(Make24(modality="image"))
    with pytest.raises(ValueError, match="has a picture"):
        question_of(Make24(modality="image").problem(0))
    with pytest.raises(ValueError, match="has no answer"):
        question_of(Problem(id="x", prompt=PROBLEM.prompt, answer=None))


def test_a_task_without_written_reasoning_has_labels() -> None:
    right, wrong = Judging(Make24(seed=5)).judgements(0)
    assert (right.correct, wrong.correct, right.reasoning) == (True, False, "")
    assert isinstance(right, Judgement)


def test_a_broken_response_differs_in_its_conclusion() -> None:
    response = "<think>+a 27 no</think>\\boxed{+a-b-c}"
    made = {JUDGING.broken(response, Random(seed)) for seed in range(200)}
    assert all(text.startswith("<think>+a 27 no</think>") for text in made)
    assert "<think>+a 27 no</think>" in made and len(made) > 20

"""Make 24: answers, demonstrations, splits, pictures."""

from random import Random

import numpy as np
import pytest

from k15.tasks.make24 import Make24
from k15.types import Problem

# start 25, a=2, b=1, c=1, d=3: 25+2-1+1-3 = 24 and 25-2-1-1+3 = 24, but 25+2+1-1-3 = 24 too
EXAMPLE = Problem(
    id="example",
    prompt=({"role": "user", "content": " 25 a2 b1 c1 d3:"},),
    answer="+a-b+c-d",
    meta={"start": 25, "values": (2, 1, 1, 3)},
)


@pytest.mark.parametrize(
    ("boxed", "expected"),
    [
        ("+a-b+c-d", 1.0),
        ("-a-b-c+d", 1.0),
        ("+a+b-c-d", 1.0),
        ("+a+b+c+d", 0.0),  # 32
        ("+a-b+c", 0.0),  # an operand is missing
        ("+a-c+b-d", 0.0),  # out of order
        ("24", 0.0),
        ("", 0.0),
    ],
)
def test_check_evaluates_the_boxed_signs(boxed: str, expected: float) -> None:
    response = f"<think>+a 27 yes</think>\\boxed{{{boxed}}}"
    assert Make24().check(EXAMPLE, response) == expected


@pytest.mark.parametrize(
    "response", ["", "</think>", "\\boxed{+a-b+c-d}", "</think>\\boxed{+a-b+c-d} no"]
)
def test_check_wants_the_box_at_the_end_after_thinking(response: str) -> None:
    assert Make24().check(EXAMPLE, response) == 0.0


def test_every_problem_has_a_right_answer_and_totals_that_have_words() -> None:
    task = Make24(seed=3)
    for index in range(300):
        problem = task.problem(index)
        start, values = problem.meta["start"], problem.meta["values"]
        assert len(values) == problem.difficulty + 1
        assert start - sum(values) >= 0 and start + sum(values) <= 48
        assert task.check(problem, f"</think>\\boxed{{{problem.answer}}}") == 1.0


def test_patient_demonstrators_find_more_answers_and_write_longer() -> None:
    """Level 3 has 16 patterns; one that never gives up within 16 trials always finds one."""
    task = Make24(levels=[3])
    problems = [task.problem(index) for index in range(200)]

    def demonstrations(trials: int, give_up: float) -> list[str]:
        return [
            task.demonstrate(p, Random(i), max_trials=trials, give_up=give_up)
            for i, p in enumerate(problems)
        ]

    def accuracy(responses: list[str]) -> float:
        return float(np.mean([task.check(p, r) for p, r in zip(problems, responses, strict=True)]))

    hasty, patient = demonstrations(1, 1.0), demonstrations(16, 0.0)
    assert accuracy(hasty) < 0.35
    assert accuracy(patient) == 1.0
    assert np.mean([len(r) for r in patient]) > 2 * np.mean([len(r) for r in hasty])


def test_demonstrations_write_right_running_totals() -> None:
    response = Make24().demonstrate(EXAMPLE, Random(0), max_trials=1, give_up=1.0)
    thought = response.removeprefix("<think>").partition("</think>")[0].split()
    signed, totals = thought[0::2], [int(word[:2]) for word in thought[1:-1]]
    running, values = 25, dict(zip("abcd", (2, 1, 1, 3), strict=True))
    steps = response.removeprefix("<think>")
    assert signed and totals
    for label, value in values.items():
        place = steps.index(label)
        running += value if steps[place - 1] == "+" else -value
        assert int(steps[place + 2 : place + 4]) == running


def test_splits_share_no_question_whatever_the_seed() -> None:
    train = {Make24(seed=1).problem(i).prompt[0]["content"] for i in range(500)}
    held_out = {Make24(seed=2).problem(i, "held_out").prompt[0]["content"] for i in range(200)}
    assert not train & held_out


def test_the_same_seed_gives_the_same_problem() -> None:
    assert Make24(seed=5).problem(7) == Make24(seed=5).problem(7)
    assert Make24(seed=5).problem(7).prompt != Make24(seed=6).problem(7).prompt


def test_a_picture_asks_the_same_question() -> None:
    text, picture = Make24(seed=1).problem(4), Make24(seed=1, modality="image").problem(4)
    assert picture.answer == text.answer and picture.meta["values"] == text.meta["values"]
    assert picture.domain == "vision" and len(picture.images) == 1
    assert picture.images[0].size == (112, 28)
    words = picture.meta["patch_words"]
    assert words[0] == f" {text.meta['start']}"
    assert [words[8 + i][1] for i in range(len(text.meta["values"]))] == list(
        "abcdef"[: len(words) - 1]
    )
    pixels = np.asarray(picture.images[0].convert("L"))
    inked = {p for p in range(16) if pixels[p // 8 * 14 :, p % 8 * 14 :][:14, :14].min() < 128}
    assert set(words) <= inked


def test_bad_settings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="modality='sound'"):
        Make24(modality="sound")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="levels"):
        Make24(levels=[9]).problem(0)


def test_every_level_one_question_is_on_one_side() -> None:
    """33 questions: for each pair of digits the starts 24 - (+-a +-b), less equal ones."""
    starts = {
        (24 - sign * a - other * b, a, b)
        for a in (1, 2, 3)
        for b in (1, 2, 3)
        for sign in (1, -1)
        for other in (1, -1)
    }
    assert len(starts) == 33
    sides = [Make24(levels=[1], seed=8).different(100, split) for split in ("train", "held_out")]
    assert sum(map(len, sides)) == 33 and min(map(len, sides)) > 3

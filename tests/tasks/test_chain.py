"""Chains: answers, demonstrations, splits, pictures."""

import math
from random import Random

import numpy as np
import pytest

from k15.models.tiny import word_tokenizer
from k15.tasks.chain import Chain
from k15.types import Problem

# 7+3 = 10, 10+1 = 11, 11+2 = 13; from 7 on: 10, 8, 9
EXAMPLE = Problem(
    id="example",
    prompt=({"role": "user", "content": " 7 k3 l1 m2:"},),
    answer=" k 0 l 1 m 3",
    meta={"start": 7, "steps": {"k": 3, "l": 1, "m": 2}},
)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (" k 0 l 1 m 3", 1.0),
        (" k 0 check ok l 1 m 3 check ok check ok", 1.0),
        (" k 0 l 1 m 4", 0.0),
        (" k 1 l 1 m 3", 0.0),  # each step counts, not only the last
        (" k 0 l 1", 0.0),
        (" k 0 l 1 m 3 m 3", 0.0),
        (" k 0 m 3 l 1", 0.0),
        (" k 0 check l 1 m 3", 0.0),
        (" check ok k 0 l 1 m 3", 0.0),
        (" k 0 l 1 m 3:", 0.0),
        (" k 0 l 1 m 3\n", 0.0),
        (" k 0 l 1 m 33", 0.0),
        ("", 0.0),
    ],
)
def test_check_wants_every_step_in_its_place(response: str, expected: float) -> None:
    assert Chain().check(EXAMPLE, response) == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (" k 0 l 8 m 9", 1.0),
        (" m 9 check ok k 0 l 8", 1.0),
        (" m 9 k 0", 0.0),
        (" m 9 k 0 k 0 l 8", 0.0),
        (" k 0 l 1 m 3", 0.0),  # the chained values
    ],
)
def test_in_free_order_each_step_adds_to_the_start(response: str, expected: float) -> None:
    assert Chain(free_order=True).check(EXAMPLE, response) == expected


@pytest.mark.parametrize("free_order", [False, True])
def test_a_clean_demonstration_is_right_and_made_of_the_words(free_order: bool) -> None:
    """Nothing becomes padding, and the text comes back; a step is two tokens, a check two more."""
    task = Chain(seed=3, levels=range(1, 17), free_order=free_order)
    tokenizer = word_tokenizer(task.words)
    for index in range(100):
        problem = task.problem(index)
        response = task.demonstrate(problem, Random(index), waste=0.3)
        assert task.check(problem, response) == task.check(problem, str(problem.answer)) == 1.0
        checks = response.count("check")
        for text in (str(problem.prompt[0]["content"]), response):
            tokens = tokenizer(text)["input_ids"]
            assert tokenizer.pad_token_id not in tokens and tokenizer.decode(tokens) == text
        assert problem.difficulty is not None
        assert len(tokens) == 2 * problem.difficulty + 2 * checks


@pytest.mark.parametrize("free_order", [False, True])
def test_a_share_of_wrong_steps_leaves_its_power_of_right_answers(free_order: bool) -> None:
    """With one wrong step in five, level 3 is right with 0.8^3 = 0.512."""
    task = Chain(levels=[3], free_order=free_order)
    problems = [task.problem(index) for index in range(1000)]
    right = [task.check(p, task.demonstrate(p, Random(p.id), error=0.2)) for p in problems]
    assert abs(np.mean(right) - 0.512) < 4 * math.sqrt(0.25 / 1000)


def test_behind_each_check_stands_another_one_as_often() -> None:
    """Of waste w there are w/(1-w) checks per step: 1 at 0.5. Their variance is w/(1-w)^2 = 2."""
    task = Chain(levels=[10])
    problems = [task.problem(index) for index in range(200)]
    checks = [task.demonstrate(p, Random(p.id), waste=0.5).count("check") for p in problems]
    assert abs(np.mean(checks) / 10 - 1.0) < 4 * math.sqrt(2 / 2000)


def test_a_chain_goes_on_from_a_wrong_value() -> None:
    """Where every step is wrong, each is wrong by what stands before it."""
    response = Chain().demonstrate(EXAMPLE, Random(0), error=1.0).split()
    before = [7, *map(int, response[1::2])]
    for start, digit, value in zip(before, (3, 1, 2), before[1:], strict=False):
        assert value != (start + digit) % 10


@pytest.mark.parametrize("levels", [[2], [10, 11, 12, 13, 14, 15], [16]])
@pytest.mark.parametrize("free_order", [False, True])
def test_four_hundred_held_out_questions_that_nothing_trains_on(
    levels: list[int], free_order: bool
) -> None:
    """Level 2 has 10 starts x 20 labels x 9 pairs of digits; one in four is held out."""

    def asked(seed: int, split: str, numbers: list[int]) -> set[str]:
        task = Chain(levels=levels, free_order=free_order, seed=seed)
        return {str(task.problem(n, split).prompt[0]["content"]) for n in numbers}  # type: ignore[arg-type]

    numbers = Chain(levels=levels, free_order=free_order, seed=1).held_out(400)
    held_out = asked(1, "held_out", numbers)
    assert len(held_out) == 400
    assert not held_out & asked(2, "train", [*range(300)])
    if min(levels) > 2:  # level 2 has 450 held-out questions in all
        other = Chain(levels=levels, free_order=free_order, seed=2).held_out(400)
        assert not held_out & asked(2, "held_out", other)


def test_a_picture_asks_the_same_question() -> None:
    text = Chain(seed=1, levels=[15]).problem(4)
    picture = Chain(seed=1, levels=[15], modality="image").problem(4)
    assert picture.answer == text.answer and picture.meta["steps"] == text.meta["steps"]
    assert picture.domain == "vision" and picture.images[0].size == (112, 42)
    words = picture.meta["patch_words"]
    assert "".join(words[patch] for patch in range(16)) + ":" == text.prompt[0]["content"]
    pixels = np.asarray(picture.images[0].convert("L"))
    inked = {p for p in range(24) if pixels[p // 8 * 14 :, p % 8 * 14 :][:14, :14].min() < 128}
    assert inked == set(range(16))


def test_bad_settings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="chain has levels 1 to 16, not 17"):
        Chain(levels=[17]).problem(0)
    with pytest.raises(ValueError, match="modality='sound'"):
        Chain(modality="sound")  # type: ignore[arg-type]

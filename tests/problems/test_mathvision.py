"""MATH-Vision's records as problems to train on."""

import json
from pathlib import Path

import pytest
from PIL import Image

from k15.config import ConfigError
from k15.problems.mathvision import MathVisionSource
from k15.rewards.mathvision import MathVisionReward
from k15.types import Problem, Rollout, RolloutGroup

ROWS = [
    {"id": "1", "question": "How long?\n<image1>", "options": [], "answer": "60", "level": 2},
    {"id": "2", "question": "Which?\n<image1>", "options": ["kite", "ball"], "answer": "B"},
    {"id": "3", "question": "<image1> and <image2>: same?", "options": ["no"], "answer": "A"},
]


def source(folder: Path, rows: list[dict] = ROWS, **settings) -> MathVisionSource:
    (folder / "images").mkdir(exist_ok=True)
    for row in rows:
        Image.new("RGB", (20 + int(row["id"]), 20), "red").save(folder / f"images/{row['id']}.jpg")
    lines = [{**row, "image": f"images/{row['id']}.jpg", "subject": "length"} for row in rows]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    other = {"id": "9", "question": "What?", "options": [], "answer": "1", "image": "images/1.jpg"}
    (folder / "val.jsonl").write_text(json.dumps(other) + "\n")
    held_out = str(folder / "val.jsonl")
    return MathVisionSource(str(folder / "train.jsonl"), held_out_path=held_out, **settings)


def test_options_are_listed_and_pictures_stand_in_their_places(tmp_path: Path) -> None:
    """One picture that two places name comes first."""
    free, choice, composite = source(tmp_path, domain="vision").train
    (turn,) = free.prompt
    assert turn["content"] == [{"type": "text", "text": "How long?\n"}, {"type": "image"}]
    assert (free.answer, free.difficulty, free.meta["choices"]) == ("60", 2, [])
    assert choice.prompt[0]["content"][-1]["text"] == "(A) kite\n(B) ball"
    assert choice.meta["choices"] == ["kite", "ball"] and choice.domain == "vision"
    assert [part["type"] for part in composite.prompt[0]["content"]] == ["image", "text"]
    assert len(composite.images) == 1


def test_without_multiple_choice(tmp_path: Path) -> None:
    assert [problem.id for problem in source(tmp_path, options=False).train] == ["1"]


def test_an_answer_that_is_no_option_is_refused_by_line(tmp_path: Path) -> None:
    rows = [ROWS[0], {**ROWS[1], "answer": "C"}]
    message = r"train\.jsonl:2: field 'answer' must be the letter of an option \(A, B\), got"
    with pytest.raises(ConfigError, match=message):
        source(tmp_path, rows)


def test_the_reward_knows_letters_and_values() -> None:
    reward = MathVisionReward()
    choice = Problem(id="2", prompt=(), answer="B", meta={"choices": ["1/2", "3/4"]})
    free = Problem(id="1", prompt=(), answer="60", meta={"choices": []})
    for problem, texts, expected in (
        (choice, [r"\boxed{B}", r"\boxed{0.75}", r"\boxed{A}"], [1.0, 1.0, 0.0]),
        (free, [r"\boxed{60}", r"\boxed{120/2}", r"60"], [1.0, 1.0, 0.0]),
    ):
        rollouts = tuple(Rollout(finish="stop", text=text) for text in texts)
        group = RolloutGroup(problem=problem, prompt_tokens=(), rollouts=rollouts)
        assert reward.score(group) == expected
    reward.grader.close()

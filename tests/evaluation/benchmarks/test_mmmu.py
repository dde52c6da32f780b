"""MMMU: options stored as text, several pictures, open answers by number or words."""

import json
from pathlib import Path

import pytest
from PIL import Image

from k15.evaluation.benchmarks.mmmu import MMMU

CHOICE = {
    "id": "validation_Art_Theory_3",
    "question": "Which of <image 1> and <image 2> is older?",
    "options": "['the first', \"the artist's second\"]",
    "answer": "B",
    "question_type": "multiple-choice",
    "topic_difficulty": "Hard",
    "image_1": "1.png",
    "image_2": "2.png",
    "image_3": "3.png",
}
OPEN = {
    "id": "validation_Finance_1",
    "question": "What is the price in <image 1>?",
    "options": "[]",
    "answer": "['1,080.5', 'about 1080']",
    "question_type": "open",
    "topic_difficulty": "Easy",
    "image_1": "3.png",
}


def benchmark(folder: Path, *rows: dict) -> MMMU:
    for i in (1, 2, 3):
        Image.new("RGB", (i, i)).save(folder / f"{i}.png")
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return MMMU(str(folder / "a.jsonl"))


def test_pictures_stand_where_the_question_names_them(tmp_path: Path) -> None:
    problem = benchmark(tmp_path, CHOICE).problems()[0]
    kinds = [item["type"] for item in problem.prompt[0]["content"]]
    assert kinds == ["text", "image", "text", "image", "text"]
    assert [image.size for image in problem.images] == [(1, 1), (2, 2)]
    assert problem.prompt[0]["content"][-1]["text"].endswith("(B) the artist's second")
    assert problem.meta["subject"] == "Art_Theory"


def test_gold_answers_score_100_percent_and_wrong_ones_none(tmp_path: Path) -> None:
    mmmu = benchmark(tmp_path, CHOICE, OPEN)
    choice, price = mmmu.problems()
    for problem, right, wrong in (
        (choice, ["\\boxed{B}", "The answer is (B).", "B"], ["\\boxed{A}", "A", "No idea", ""]),
        (price, ["\\boxed{1080.50}", "The answer is $1,080.5."], ["\\boxed{1080.6}", "108", ""]),
    ):
        assert [mmmu.grade(problem, text).correct for text in right] == [1] * len(right)
        assert [mmmu.grade(problem, text).correct for text in wrong] == [0] * len(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": "['a'"}, "a.jsonl:1: field 'options' must be a list of texts"),
        ({"answer": "C"}, "a.jsonl:1: field 'answer' must be the letter of one of 2 options"),
        ({"image_2": None}, "a.jsonl:1: field 'image_2' must be a picture, the question names it"),
    ],
)
def test_bad_rows_are_refused_by_line_and_field(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        benchmark(tmp_path, {**CHOICE, **change}).problems()

"""Pictures of a benchmark: where they stand in the prompt, missing and broken ones."""

import json
import re
from base64 import b64encode
from pathlib import Path

import pytest
from PIL import Image

from k15.evaluation.benchmarks.mathvision import MathVision
from k15.problems.pictures import Picture


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Three problems; the picture of the first is whole, of the second cut, of the third absent."""
    (tmp_path / "images").mkdir()
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "images" / "0.jpg")
    whole = (tmp_path / "images" / "0.jpg").read_bytes()
    (tmp_path / "images" / "1.jpg").write_bytes(whole[: len(whole) // 2])
    lines = [
        {"id": str(i), "question": "How many? <image1> Count.", "options": [], "answer": "5",
         "image": f"images/{i}.jpg", "subject": "counting", "level": 1}
        for i in range(3)
    ]  # fmt: skip
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_the_picture_stands_where_its_tag_is(rows: Path) -> None:
    problem = MathVision(str(rows), limit=1).problems()[0]
    before, picture, after = problem.prompt[0]["content"]
    assert (before["text"], picture["type"], after["text"]) == ("How many? ", "image", "Count.")
    assert [(image.size, image.mode) for image in problem.images] == [((64, 64), "RGB")]


def test_a_picture_that_is_cut_is_an_error_naming_problem_and_file(rows: Path) -> None:
    message = r"mathvision, problem 1: .*images/1\.jpg: cannot be read as a picture"
    with pytest.raises(ValueError, match=message):
        MathVision(str(rows)).problems()


def test_only_the_pictures_that_are_asked_about_are_needed(rows: Path) -> None:
    assert MathVision(str(rows), limit=1).problems()[0].id == "0"


def test_skipped_and_asked_without(rows: Path) -> None:
    skipping = MathVision(str(rows), missing_images="skip")
    assert [problem.id for problem in skipping.problems()] == ["0"]
    assert skipping.left_out == ["1", "2"]
    blind = MathVision(str(rows), missing_images="text_only").problems()
    assert [(tuple(p.images), p.prompt[0]["content"]) for p in blind] == [
        ((), "How many?  Count.")
    ] * 3


def test_a_setting_that_does_not_exist_is_refused(rows: Path) -> None:
    message = re.escape("missing_images='ignore': choose error, skip, text_only")
    with pytest.raises(ValueError, match=message):
        MathVision(str(rows), missing_images="ignore")


def test_no_picture_at_all_says_where_it_looked(rows: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(ValueError, match=f"looked in {elsewhere}.*benchmark.mathvision.images="):
        MathVision(str(rows), missing_images="skip", images=str(elsewhere)).problems()


def test_pictures_are_read_when_they_are_looked_at(rows: Path) -> None:
    benchmark = MathVision(str(rows), limit=1)
    problems = benchmark.problems()
    (rows.parent / "images" / "0.jpg").unlink()
    problem = problems[:1][0]
    assert problem.id == "0" and len(problem.images) == 1
    with pytest.raises(ValueError, match=r"images/0\.jpg: cannot be read as a picture"):
        problem.images[0]


def test_bytes_of_a_data_set_are_pictures_too(rows: Path) -> None:
    data = (rows.parent / "images" / "0.jpg").read_bytes()
    assert Picture(data, "here").load().size == (64, 64)
    with pytest.raises(ValueError, match="here: cannot be read as a picture"):
        Picture(b64encode(data), "here").check()


def test_one_picture_may_hold_what_several_tags_name(rows: Path) -> None:
    line = json.loads(rows.read_text().split("\n")[0])
    rows.write_text(json.dumps({**line, "question": "Is <image1> over <image2>?"}))
    [problem] = MathVision(str(rows)).problems()
    assert problem.prompt[0]["content"] == [
        {"type": "image"},
        {"type": "text", "text": "Is  over ?"},
    ]


def test_as_many_tags_as_pictures_or_the_problem_is_named(rows: Path) -> None:
    line = json.loads(rows.read_text().split("\n")[0])
    pictures = {"question": "<image1>", "image": ["images/0.jpg"] * 2}
    rows.write_text(json.dumps({**line, **pictures}))
    message = r"mathvision, problem 0 .*rows\.jsonl:1\): its text has 1 places for pictures"
    with pytest.raises(ValueError, match=message):
        MathVision(str(rows)).problems()

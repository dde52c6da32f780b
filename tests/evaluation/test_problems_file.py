import json

import pytest
from PIL import Image

from k15.evaluation.problems_file import read_problems, write_problems
from k15.types import Problem
from tests.evaluation.sums import Sums


def problem(id="1", content="1+1?", **fields):
    prompt = ({"role": "user", "content": content},)
    return Problem(**{"id": id, "prompt": prompt, "answer": "2", **fields})


def write(folder, *problems):
    write_problems(folder, "sums", Sums(max_response_tokens=7), problems)
    return read_problems(folder)


def test_a_line_says_what_was_asked(tmp_path):
    assert write(tmp_path, problem(meta={"parity": "odd", "source": "here"})) == [
        {
            "benchmark": "sums",
            "id": "1",
            "question": "1+1?",
            "answer": "2",
            "images": [],
            "groups": {"parity": "odd"},
            "max_response_tokens": 7,
        }
    ]


def test_text_items_are_the_question_and_pictures_are_files(tmp_path):
    content = [{"type": "image"}, {"type": "text", "text": "Which?"}, {"type": "image"}]
    pictures = (Image.new("RGB", (1200, 300), "red"), Image.new("L", (10, 20)))
    (row,) = write(tmp_path, problem(content=content, images=pictures))
    assert row["question"] == "Which?"
    sizes = [Image.open(tmp_path / name).size for name in row["images"]]
    assert sizes == [(1000, 250), (10, 20)]


def test_a_picture_is_saved_once_and_as_the_model_sees_it(tmp_path):
    clear = Image.new("RGBA", (5, 5), (255, 0, 0, 0))
    rows = write(tmp_path, *(problem(id=id, images=(clear.copy(),)) for id in "ab"))
    assert rows[0]["images"] == rows[1]["images"]
    (file,) = (tmp_path / "images").iterdir()
    assert Image.open(file).getpixel((0, 0)) == (255, 255, 255)


def test_writing_again_adds_only_what_is_new_behind_what_was_cut_off(tmp_path):
    write(tmp_path, problem("1"), problem("2"))
    with (tmp_path / "problems.jsonl").open("a") as file:
        file.write('{"benchmark": "su')
    assert [row["id"] for row in write(tmp_path, problem("2"), problem("3"))] == ["1", "2", "3"]


def test_several_values_of_a_group_and_several_messages(tmp_path):
    prompt = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"})
    (row,) = write(tmp_path, problem(prompt=prompt, meta={"parity": ("odd", 3)}))
    assert row["groups"] == {"parity": ["odd", "3"]}
    assert row["question"] == "Be brief.\n\nWhy?"


def test_a_programming_problem_names_its_language(tmp_path):
    (row,) = write(tmp_path, problem(domain="code", meta={"language": "php"}))
    assert row["language"] == "php"


def test_a_line_without_a_field_is_refused_by_number(tmp_path):
    write(tmp_path, problem())
    with (tmp_path / "problems.jsonl").open("a") as file:
        file.write(json.dumps({"benchmark": "sums", "id": "2"}) + "\n")
    with pytest.raises(ValueError, match=r"problems\.jsonl:2: no field question, answer"):
        read_problems(tmp_path)


@pytest.mark.parametrize("answer", [["2"], {"value": "2"}, True, "\ud800"])
def test_an_answer_that_is_no_text_is_refused_by_line(tmp_path, answer):
    write(tmp_path, problem())
    line = (tmp_path / "problems.jsonl").read_text()
    (tmp_path / "problems.jsonl").write_text(
        line + json.dumps({**json.loads(line), "answer": answer})
    )
    with pytest.raises(ValueError, match=r"problems\.jsonl:2: field 'answer' (must|holds)"):
        read_problems(tmp_path)


def test_line_separators_and_half_characters_stay_in_their_line(tmp_path):
    text = "a\u2028b\x85c\ud800"
    assert [row["question"] for row in write(tmp_path, problem(content=text), problem("2"))] == [
        text,
        "1+1?",
    ]

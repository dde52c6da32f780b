"""Records become problems or are refused by line and reason; both sides by what they ask."""

import json
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from k15.problems.record_source import RecordSource
from k15.problems.sources import NoDemonstration, demonstrations

MATH = Path(__file__).parents[2] / ".." / "shared" / "data" / "math" / "math_train.jsonl"


def write(path: Path, rows: list[object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def rows(count: int) -> list[object]:
    return [
        {"problem": f"What is {i}+{i}?", "answer": 2 * i, "level": "Level 2"} for i in range(count)
    ]


def answers(path: str, **settings: object) -> list[set[str | None]]:
    """What the two sides are about: in `rows` every answer stands for its question."""
    source = RecordSource(path, **settings)  # type: ignore[arg-type]
    return [{problem.answer for problem in side} for side in (source.train, source.held_out)]


def test_records_become_problems(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", rows(100))
    source = RecordSource(file, instruction="Box it.", held_out_problems=5)
    few = RecordSource(file, instruction="Box it.", train_problems=3)
    assert list(few.train) == list(source.train[:3])
    assert len(source.held_out) == 5
    questions = {p.prompt[0]["content"] for p in source.train}
    assert not questions & {p.prompt[0]["content"] for p in source.held_out}
    first = source.train[0]
    assert first.prompt[0]["content"].endswith("?\nBox it.")
    assert first.difficulty == 2 and first.answer is not None
    assert first.id == first.meta["place"] and first.id.startswith(f"{file}:")


def test_fields_can_be_renamed(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [{"question": f"q{i}", "gold": "1"} for i in range(50)])
    source = RecordSource(file, fields={"problem": "question", "answer": "gold"})
    assert source.train[0].answer == "1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no records"),
        ('{"problem": "x", "answer": "1"}\n{"problem": "y"}\n', r"a.jsonl:2: no field 'answer'"),
        ('{"problem": "x", "answer": " "}\n', r"a.jsonl:1: field 'answer' .*\(blank text\)"),
        ('{"problem": "x", "answer": ["1"]}\n', r"a.jsonl:1: field 'answer' .*\(a list\)"),
        ('{"problem": [{"content": "x"}], "answer": "1"}\n', r"a.jsonl:1: .*\(chat messages;"),
        (
            '{"problem": "x", "answer": "1", "solution": ["1"]}\n',
            r"a.jsonl:1: field 'solution' must be text, .*data\.fields\.solution=<name>",
        ),
        ('{"problem": "x", "answer": "1"}\n{broken\n', r"a.jsonl:2: not JSON"),
        ("[1, 2]\n", r"a.jsonl:1: expected a JSON object"),
        ('{"id": 7, "problem": "x", "answer": "1"}\n' * 2, r"a.jsonl:2: .*already"),
    ],
)
def test_unusable_files_are_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        RecordSource(str(file))


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        RecordSource(str(tmp_path / "absent.jsonl"))
    binary = tmp_path / "b.jsonl"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not UTF-8"):
        RecordSource(str(binary))


@pytest.mark.skipif(not MATH.exists(), reason="../shared/data is not here")
def test_all_of_math_train_becomes_problems() -> None:
    source = RecordSource(str(MATH), demonstrate="answer", held_out_problems=10_000)
    assert len(source.train) + len(source.held_out) == 7498
    assert 600 < len(source.held_out) < 900  # one in ten
    levels = [p.difficulty for p in (*source.train, *source.held_out)]
    assert levels.count(None) == 2 and levels.count(1) == 564  # as data/README.md counts them
    problem, response = source.demonstration(0)
    assert response == f"\\boxed{{{problem.answer}}}"


def test_the_split_goes_by_the_question_alone(tmp_path: Path) -> None:
    """Another instruction, order, spacing or further column changes nothing."""
    given = rows(200)
    expected = answers(write(tmp_path / "a.jsonl", given))
    assert answers(str(tmp_path / "a.jsonl"), instruction="Box it.") == expected
    shuffled = Random(0).sample(given, len(given))
    spaced = [{**row, "problem": row["problem"].replace(" ", "  ") + "\n", "x": 1} for row in given]
    for number, other in enumerate((shuffled, spaced, [{**row, "level": 5} for row in given])):
        assert answers(write(tmp_path / f"{number}.jsonl", other)) == expected
    assert answers(write(tmp_path / "b.jsonl", given[:100])) == [
        {answer for answer in side if int(answer or 0) < 200} for side in expected
    ]


def test_of_many_held_out_questions_no_order_chooses(tmp_path: Path) -> None:
    given = rows(200)
    few = answers(write(tmp_path / "a.jsonl", given), held_out_problems=5)
    assert len(few[1]) == 5
    assert answers(write(tmp_path / "b.jsonl", given[::-1]), held_out_problems=5) == few
    more = answers(str(tmp_path / "a.jsonl"), held_out_problems=10)
    assert few[0] == more[0] and few[1] < more[1]


def test_records_that_ask_the_same_are_on_one_side(tmp_path: Path) -> None:
    twice = [*rows(100), *({**row, "problem": row["problem"] + " "} for row in rows(100))]
    train, held_out = answers(write(tmp_path / "a.jsonl", twice))
    assert len(train) + len(held_out) == 100 and not train & held_out


def test_questions_of_the_held_out_file_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten of the twelve training records: two stay."""
    file = write(tmp_path / "a.jsonl", rows(12))
    other = write(tmp_path / "b.jsonl", rows(10))
    source = RecordSource(file, held_out_path=other, held_out_problems=3, instruction="Box it.")
    assert [problem.answer for problem in source.train] == ["20", "22"]
    assert len(source.held_out) == 3
    said = capsys.readouterr().out
    assert said.startswith(
        f"data.held_out_path={other!r} asks what 10 of the training problems ask"
    )
    assert said.endswith(f"left out: {', '.join(f'{file}:{n}' for n in range(1, 6))}, ...\n")
    with pytest.raises(ValueError, match="no training problems among 12 records"):
        RecordSource(file, held_out_path=file)


def test_a_missing_solution_is_no_boxed_answer(tmp_path: Path) -> None:
    """Without a word, three records would teach to answer without a thought."""
    records = [{**row, "solution": f"So {i}."} for i, row in enumerate(rows(40))]
    for place in (0, 1, 2):
        del records[place]["solution"]
    file = write(tmp_path / "a.jsonl", records)
    source = RecordSource(file, demonstrate="solution")
    lacking = next(i for i, p in enumerate(source.train) if "solution" not in p.meta)
    with pytest.raises(ValueError, match=r"problem .*: .*a.jsonl:\d has no solution") as error:
        source.demonstration(lacking)
    for way_out in ("data.fields.solution=", "data.demonstrate=answer"):
        assert way_out in str(error.value)
    with pytest.raises(NoDemonstration):
        list(islice(demonstrations(source, 0, "train"), 40))
    told: dict[str, str] = {}
    drawn = demonstrations(source, 0, "train", refuse=told.__setitem__)
    assert all(response.startswith("So ") for _, response in islice(drawn, 80))
    assert told.keys() == {p.id for p in source.train if "solution" not in p.meta}
    whole = next(i for i, p in enumerate(source.train) if "solution" in p.meta)
    assert source.demonstration(whole)[1].startswith("So ")
    boxed = RecordSource(file, demonstrate="answer").demonstration(lacking)[1]
    assert boxed == f"\\boxed{{{source.train[lacking].answer}}}"

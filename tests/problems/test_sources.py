"""Records become problems or are refused by line and reason; pools and demonstrations."""

import json
from itertools import islice
from pathlib import Path

import pytest

from k15.problems.sources import NoDemonstration, RecordSource, TaskSource, demonstrations
from k15.tasks.make24 import Make24
from k15.tasks.programs import Programs

MATH = Path(__file__).parents[2] / ".." / "shared" / "data" / "math" / "math_train.jsonl"


def write(path: Path, rows: list[object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def rows(count: int) -> list[object]:
    return [
        {"problem": f"What is {i}+{i}?", "answer": 2 * i, "level": "Level 2"} for i in range(count)
    ]


def test_records_become_problems(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", rows(100))
    source = RecordSource(file, instruction="Box it.", held_out_problems=5)
    few = RecordSource(file, instruction="Box it.", train_problems=3)
    assert few.train == source.train[:3]
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
    problem, response = source.demonstration(0, give_up=(0.5,), max_trials=1)
    assert response == f"\\boxed{{{problem.answer}}}"


def test_a_task_pool_is_made_on_demand_and_stays() -> None:
    source = TaskSource(Make24(), train_problems=30, held_out_problems=20)
    assert len(source.train) == 30 and len(source.held_out) == 20
    assert source.train[-1] is source.train[29]
    assert len({problem.id for problem in (*source.train, *source.held_out)}) == 50
    with pytest.raises(IndexError):
        source.train[30]


def test_a_missing_solution_is_no_boxed_answer(tmp_path: Path) -> None:
    """Without a word, three records would teach to answer without a thought."""
    records = [{**row, "solution": f"So {i}."} for i, row in enumerate(rows(40))]
    for place in (0, 1, 2):
        del records[place]["solution"]
    file = write(tmp_path / "a.jsonl", records)
    patience = {"give_up": (0.5,), "max_trials": 1}
    source = RecordSource(file, demonstrate="solution")
    lacking = next(i for i, p in enumerate(source.train) if "solution" not in p.meta)
    with pytest.raises(ValueError, match=r"problem .*: .*a.jsonl:\d has no solution") as error:
        source.demonstration(lacking, **patience)
    for way_out in ("data.fields.solution=", "data.demonstrate=answer"):
        assert way_out in str(error.value)
    with pytest.raises(NoDemonstration):
        list(islice(demonstrations(source, 0, "train", **patience), 40))
    told: dict[str, str] = {}
    drawn = demonstrations(source, 0, "train", **patience, refuse=told.__setitem__)
    assert all(response.startswith("So ") for _, response in islice(drawn, 80))
    assert told.keys() == {p.id for p in source.train if "solution" not in p.meta}
    whole = next(i for i, p in enumerate(source.train) if "solution" in p.meta)
    assert source.demonstration(whole, **patience)[1].startswith("So ")
    boxed = RecordSource(file, demonstrate="answer").demonstration(lacking, **patience)[1]
    assert boxed == f"\\boxed{{{source.train[lacking].answer}}}"


def test_demonstrations_are_endless_and_repeatable() -> None:
    source = TaskSource(Make24(), train_problems=3)
    first = source.demonstration(1000, give_up=(0.0, 0.5), max_trials=4)
    assert first == source.demonstration(1000, give_up=(0.0, 0.5), max_trials=4)
    assert first[1].startswith("<think>")


def test_a_level_or_form_that_the_task_does_not_have():
    with pytest.raises(ValueError, match=r"task\.levels: make24 has levels 1 to 5, not 9"):
        TaskSource(Make24(levels=(1, 9)))
    with pytest.raises(
        ValueError, match=r"'programs' has no picture form; use task\.modality=text"
    ):
        TaskSource(Programs(modality="image"))

r"""Raw GSM8K and MATH records say the same to training and to evaluation."""

import json
from pathlib import Path

import pytest

from k15.evaluation.benchmarks.math import MathBenchmark
from k15.problems.golds import gold, solution
from k15.problems.record_source import RecordSource
from k15.problems.rows import Row

GSM8K = {
    "question": "Half of 2,000 and 6?",
    "answer": "Half is 2000/2 = <<2000/2=1000>>1000.\nIt is <<1000+6=1006>>1,006.\n#### 1,006",
}
MATH = {
    "problem": "Solve $2x=6$.",
    "level": "Level 1",
    "type": "Algebra",
    "solution": "First \\boxed{2}? No, $x=\\boxed{\\frac{6}{2}}$.",
}
PLAIN = {"prompt": "1+1?", "answer": 2}
STEPS = "Half is 2000/2 = 1000.\nIt is 1,006.\n\\boxed{1006}"
FIELDS = {"problem": ("problem", "question", "prompt")}


@pytest.mark.parametrize(
    ("record", "answer", "worked"),
    [
        (GSM8K, "1006", STEPS),
        (MATH, "\\frac{6}{2}", MATH["solution"]),
        (PLAIN, "2", None),
        ({**PLAIN, "solution": "Two."}, "2", "Two."),
        ({"problem": "?", "solution": "So $x=\\boxed 5$."}, "5", "So $x=\\boxed 5$."),
        ({"problem": "?", "solution": GSM8K["answer"]}, "1006", STEPS),
    ],
)
def test_the_answer_and_its_solution(record: dict, answer: str, worked: str | None) -> None:
    row = Row("here", record, FIELDS)
    assert gold(row) == answer
    assert solution(row) == worked


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"problem": "?"}, "here: no field 'answer'; the record has"),
        ({"problem": "?", "solution": "It is 3."}, "here: no field 'answer'; the record has"),
        (
            {"problem": "?", "answer": "3 + 4\n####"},
            "here: field 'answer' must end in \"#### \" and",
        ),
        ({"problem": "?", "solution": "7 #### "}, "here: field 'solution' must end in \"#### \""),
    ],
)
def test_a_record_without_an_answer_is_refused(record: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gold(Row("here", record))


def test_training_and_evaluation_read_the_same(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [GSM8K, MATH, {**PLAIN, "problem": PLAIN["prompt"]}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = RecordSource(str(file))
    trained = {p.meta["question"]: p.answer for p in (*source.train, *source.held_out)}
    measured = [p.answer for p in MathBenchmark(str(file), name="mine").problems()]
    assert sorted(trained.values()) == sorted(measured) == ["1006", "2", "\\frac{6}{2}"]

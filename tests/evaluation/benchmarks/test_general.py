"""Tasks of lm-eval, from local records: letters and the checks of instructions."""

import json
from pathlib import Path
from typing import Any

import pytest

from k15.evaluation.benchmarks.general import LmEval

pytest.importorskip("lm_eval", reason="pip install 'k15[lm-eval]'")


def benchmark(where: Path, rows: list[dict], **settings: Any) -> LmEval:
    file = where / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return LmEval(name="mine", path=str(file), **settings)


def test_multiple_choice_by_letter(tmp_path: Path) -> None:
    row = {"question": "2+2?", "subject": "anatomy", "choices": ["1", "2", "3", "4"], "answer": 3}
    mmlu = benchmark(tmp_path, [row], tasks=["mmlu_anatomy"], folder="mmlu/default")
    [problem] = mmlu.problems()
    assert problem.prompt[0]["content"].endswith("2+2?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:")
    graded = [mmlu.grade(problem, text).correct for text in ("\\boxed{D}", "D", "\\boxed{C}", "")]
    assert (problem.answer, graded) == ("D", [1, 1, 0, 0])


def test_cluewsc_is_a_task_of_ours(tmp_path: Path) -> None:
    rows = [
        {
            "text": "小明说他累了。",
            "target": {"span1_text": name, "span2_text": "他"},
            "label": label,
        }
        for name, label in (("小明", "true"), ("小红", "false"))
    ]
    clue = benchmark(tmp_path, rows, tasks=["k15_cluewsc"])
    problems = clue.problems()
    assert [problem.answer for problem in problems] == ["A", "B"]
    assert "“他”指的是“小红”吗" in problems[1].prompt[0]["content"]
    assert [clue.grade(problem, "答案是A").correct for problem in problems] == [1, 0]


def test_instructions_are_checked_by_lm_eval(tmp_path: Path) -> None:
    row = {
        "key": 1,
        "prompt": "Name two fruits. Use no commas.",
        "instruction_id_list": ["punctuation:no_comma"],
        "kwargs": [{}],
    }
    ifeval = benchmark(tmp_path, [row], tasks=["ifeval"], folder="ifeval")
    [problem] = ifeval.problems()
    assert ifeval.grade(problem, "<think>Well, apples.</think>apples and pears").correct == 1
    assert ifeval.grade(problem, "apples, pears").correct == 0


def test_a_task_without_its_file_is_refused(tmp_path: Path) -> None:
    missing = LmEval(name="mine", tasks=["ifeval"], folder="ifeval", path=str(tmp_path))
    with pytest.raises(ValueError, match=r"benchmark.mine.path=.*no such file: .*ifeval\.jsonl"):
        missing.problems()

"""MathVista: the official verdicts, with and without an extraction model; pictures."""

import json
from pathlib import Path

import pytest

from k15.evaluation.benchmarks.mathvista import MathVista

DATA = Path(__file__).parents[4] / "shared" / "data" / "mathvista"
TESTMINI, BARD = DATA / "testmini.json", DATA / "scored_outputs_bard.jsonl"
needs_data = pytest.mark.skipif(not TESTMINI.exists(), reason="../shared/data is not here")


@pytest.fixture(scope="module")
def scored() -> list[dict]:
    return [json.loads(line) for line in BARD.read_text().splitlines()]


@needs_data
def test_the_queries_are_the_official_ones() -> None:
    official = json.loads((DATA / "query_testmini.json").read_text())
    problems = MathVista(str(TESTMINI), missing_images="text_only").problems()
    assert {problem.id: problem.meta["query"] for problem in problems} == official


@needs_data
def test_all_official_verdicts_with_what_the_extraction_model_said(scored: list[dict]) -> None:
    given = MathVista(str(TESTMINI), missing_images="text_only", extractions=str(BARD))
    problems = {problem.id: problem for problem in given.problems()}
    for row in scored:
        problem = problems[row["pid"]]
        assert given.grade(problem, row["response"]).correct == row["true_false"], row["pid"]


@needs_data
def test_a_model_is_asked_where_no_quick_rule_decides(scored: list[dict]) -> None:
    """It says what the official one said, so the verdicts are the official ones."""
    said = {row["response"]: row["extraction"] for row in scored}
    asked: list[str] = []

    def extract(prompt: str) -> str:
        asked.append(prompt)
        return next(text for response, text in said.items() if f"\n\n{response}\n\n" in prompt)

    benchmark = MathVista(str(TESTMINI), missing_images="text_only", extract=extract)
    problems = {problem.id: problem for problem in benchmark.problems()}
    for row in scored[:50]:
        verdict = benchmark.grade(problems[row["pid"]], row["response"])
        assert (verdict.correct, verdict.found) == (row["true_false"], "extraction model")
    assert len(asked) == 50 and problems["2"].meta["query"] in asked[1]


@needs_data
def test_our_rules_agree_with_the_official_verdicts_on_98_percent(scored: list[dict]) -> None:
    benchmark = MathVista(str(TESTMINI), missing_images="text_only")
    problems = {problem.id: problem for problem in benchmark.problems()}
    verdicts = [benchmark.grade(problems[row["pid"]], row["response"]) for row in scored]
    agree = [v.correct == row["true_false"] for v, row in zip(verdicts, scored, strict=True)]
    assert sum(agree) >= 980


@needs_data
def test_gold_answers_score_100_percent_and_wrong_ones_none() -> None:
    benchmark = MathVista(str(TESTMINI), missing_images="text_only")
    for problem in benchmark.problems():
        others = [choice for choice in problem.meta["choices"] if choice != problem.answer]
        wrong = others[-1] if others else "[-7]" if problem.answer[0] == "[" else "-7919"
        for text in ("{}", 'The answer is "{}".', "I see it. The answer is {}", "\\boxed{{{}}}"):
            right = benchmark.grade(problem, text.format(problem.answer))
            assert right.correct == 1, (problem.id, text, right)
            assert benchmark.grade(problem, text.format(wrong)).correct == 0, (problem.id, text)


@needs_data
def test_groups_are_there_for_every_problem() -> None:
    benchmark = MathVista(str(TESTMINI), missing_images="text_only")
    problems = benchmark.problems()
    assert all(key in problem.meta for problem in problems for key in benchmark.groups)
    assert len({problem.meta["task"] for problem in problems}) == 5


@needs_data
def test_only_problems_with_a_readable_picture(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match=r"mathvista, problem 1: .*images/1\.jpg: no such file"):
        MathVista(str(TESTMINI)).problems()
    benchmark = MathVista(str(TESTMINI), missing_images="skip")
    problems = benchmark.problems()
    assert [problem.id for problem in problems] == ["106", "225", "540", "824", "852"]
    assert len(benchmark.left_out) == 995 and "995 of 1000 problems left out" in caplog.text
    image, text = problems[0].prompt[0]["content"]
    assert image == {"type": "image"} and text["text"] == problems[0].meta["query"]
    assert [image.size for image in problems[0].images] == [(448, 448)]  # as testmini.json says
    assert [problem.id for problem in problems[1:3]] == ["225", "540"]


@needs_data
def test_an_empty_response_takes_the_shortest_choice_unless_it_is_ignored() -> None:
    """pid 5: 97, 102, 107, 122. The official scorer has it so, by edit distance."""
    for ignore, found in ((False, "97"), (True, None)):
        benchmark = MathVista(str(TESTMINI), missing_images="text_only", ignore_empty=ignore)
        problem = benchmark.problems()[4]
        assert benchmark.grade(problem, " ").extracted == found

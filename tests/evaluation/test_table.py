import pytest

from k15.evaluation.table import (
    cells,
    columns,
    comparison_table,
    found_lines,
    groups_table,
    scores_table,
)


def score(**fields):
    accuracy = {"value": 0.4625, "standard_error": 0.05, "low": 0.36, "high": 0.5625}
    metrics = {
        "accuracy": accuracy,
        "pass@10": {**accuracy, "value": 1.0},
        "pass@2": {**accuracy, "value": 0.5},
        "maj@2": {**accuracy, "value": None},
        "tokens_mean": 1234.5,
        "tokens_p95": 2000.0,
        "truncated": 0.015,
        "score_per_1k_tokens": None,
    }
    groups = {"task": {"几何": {"accuracy": accuracy, "problems": 1200}}}
    entry = {"benchmark": "algebra", "prompting": "cot", "problems": 40, "samples": 4}
    entry["questions"] = 40
    return {**entry, "ungraded": 0, "metrics": metrics, "groups": groups, **fields}


def test_scores_in_per_cent_a_half_upwards():
    assert scores_table({"scores": [score()]}, width=200).splitlines() == [
        "benchmark  prompting  problems  accuracy          95 %  pass@2  pass@10  maj@2"
        "  tokens    p95  cut %  per 1k",
        "algebra    cot          40 x 4      46.3  36.0 .. 56.3    50.0    100.0      -"
        "   1,234  2,000    1.5       -",
    ]


def test_problems_that_ask_the_same_are_said():
    line = scores_table({"scores": [score(questions=22)]}, width=200).splitlines()[1]
    assert line.split()[:7] == ["algebra", "cot", "40", "x", "4", "(22", "different)"]


def test_how_answers_were_found():
    rows = [score(found={"boxed": 1480, "none": 20}), score(benchmark="code", found={})]
    assert found_lines({"scores": rows}) == "answers found:\n  algebra, cot: 1,480 boxed, 20 none"
    assert found_lines({"scores": rows[1:]}) == ""


def test_a_score_without_samples_shows_what_broke():
    table = scores_table({"scores": [score(metrics={}, ungraded=7)]}, width=200)
    assert table.splitlines()[1].split()[-2:] == ["-", "7"]


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_columns_that_do_not_fit_go_into_further_blocks(width):
    rows = {"scores": [score(), score(benchmark="应用题")]}
    table = scores_table(rows, width=width)
    whole = scores_table(rows, width=500)
    blocks = [[line.split("  ") for line in block.splitlines()] for block in table.split("\n\n")]
    assert all(cells(line) <= max(width, 36) for line in table.splitlines())
    assert all(len(block) == 3 and block[2][0] == "应用题" for block in blocks)
    words = [word for block in table.split("\n\n") for word in block.splitlines()[1].split()[2:]]
    assert words == whole.splitlines()[1].split()[2:]


def test_wide_characters_take_two_columns():
    table = columns(["name", "n"], [["应用题", "1"], ["é" + "e\u0301", "22"]], labels=1, width=80)
    assert [cells(line) for line in table.splitlines()] == [10, 10, 10]
    assert table.splitlines()[1] == "应用题   1"


def test_groups():
    assert groups_table({"scores": [score()]}, width=100).splitlines()[1].split() == [
        "algebra", "cot", "task", "几何", "1,200", "46.3", "36.0", "..", "56.3",
    ]  # fmt: skip
    assert groups_table({"scores": [score(groups={})]}) == ""


def test_a_comparison_says_points_with_sign_and_no_p_of_zero():
    pair = {
        "benchmark": "algebra",
        "prompting": ["direct", "cot"],
        "runs": ["old", "new"],
        "problems": 40,
        "accuracy": [0.5, 0.4],
        "tokens_mean": [40.0, 400.0],
        "difference": {"value": -0.1, "standard_error": 0.1, "low": -0.3, "high": 0.05},
        "better": 3,
        "worse": 9,
        "p_value": 0.0001,
    }
    table = comparison_table({"runs": ["old", "new"], "pairs": [pair]}, width=200)
    assert table.startswith("against old:\n")
    assert " ".join(table.splitlines()[2].split()) == (
        "algebra direct / cot new 40 40.0 50.0 -10.0 -30.0 .. +5.0 <0.001 3 9 400 40"
    )

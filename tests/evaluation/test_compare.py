import json

import pytest

from k15.evaluation.compare import compare, read_runs, write_comparison
from k15.evaluation.problems_file import FIELDS
from k15.evaluation.report import Run
from k15.evaluation.samples import Sample
from tests.evaluation import example_run


def run(name, verdicts, prompting="direct", benchmark="sums", question="?"):
    """One problem per entry; an entry has the verdicts of its samples."""
    problems = [
        {
            **dict.fromkeys(FIELDS),
            "benchmark": benchmark,
            "id": str(number),
            "question": f"{question} {number}",
            "images": [],
        }
        for number in range(len(verdicts))
    ]
    samples = [
        Sample(
            benchmark=benchmark,
            prompting=prompting,
            id=str(number),
            index=index,
            response="",
            tokens=100 + number,
            finish="stop",
            extracted=None,
            correct=float(verdict),
            how="",
        )
        for number, own in enumerate(verdicts)
        for index, verdict in enumerate(own)
    ]
    return Run(name=name, folder=None, results={}, problems=problems, samples=samples)


def test_one_sample_per_problem_is_mcnemars_test():
    """8 common problems: 5 get better, 1 worse, 2 stay: p 14/64; a ninth has no partner."""
    first = run("old", [[0]] * 5 + [[1]] + [[1], [0]])
    other = run("new", [[1]] * 5 + [[0]] + [[1], [0]] + [[1]])
    (pair,) = compare([first, other])["pairs"]
    assert pair["problems"] == 8 and (pair["better"], pair["worse"]) == (5, 1)
    assert pair["accuracy"] == [2 / 8, 6 / 8] and pair["difference"]["value"] == 0.5
    assert pair["p_value"] == 14 / 64
    assert pair["tokens_mean"] == [103.5, 103.5]
    assert pair["difference"]["low"] < 0.5 < pair["difference"]["high"]


def test_problems_that_ask_the_same_flip_together():
    """Five get better and one worse, but the five are one question: 1 to 1, p 1."""
    first, other = run("old", [[0]] * 5 + [[1]]), run("new", [[1]] * 5 + [[0]])
    for problem in (*first.problems, *other.problems):
        problem["question"] = "1+1?" if problem["id"] < "5" else "1+2?"
    (pair,) = compare([first, other])["pairs"]
    assert (pair["problems"], pair["better"], pair["worse"]) == (6, 5, 1)
    assert pair["p_value"] == 1 > 14 / 64


def test_samples_of_a_problem_are_averaged_first():
    """Problem 0 from 1/2 to 1, problem 1 from 1 to 2/3: mean difference (1/2 - 1/3) / 2."""
    first, other = run("old", [[1, 0], [1, 1]]), run("new", [[1], [1, 0, 1]])
    (pair,) = compare([first, other])["pairs"]
    assert pair["difference"]["value"] == pytest.approx((1 / 2 - 1 / 3) / 2)


def test_each_later_run_is_held_against_the_first():
    runs = [run(name, [[right]] * 3) for name, right in (("a", 0), ("b", 1), ("c", 0))]
    found = compare(runs)
    assert found["runs"] == ["a", "b", "c"]
    assert [pair["runs"] for pair in found["pairs"]] == [["a", "b"], ["a", "c"]]
    assert [pair["p_value"] for pair in found["pairs"]] == [2 / 2**3, 1]


def test_two_ways_of_prompting_are_compared_where_each_run_has_one():
    (pair,) = compare([run("old", [[0]]), run("new", [[1]], prompting="cot")])["pairs"]
    assert pair["prompting"] == ["direct", "cot"]


def test_runs_without_common_problems_are_refused_by_name():
    with pytest.raises(ValueError, match=r"old \(sums direct\) and new \(products direct\)"):
        compare([run("old", [[0]]), run("new", [[1]], benchmark="products")])


def test_two_problems_of_one_id_are_refused():
    with pytest.raises(ValueError, match="problem '0' of sums has another question in new"):
        compare([run("old", [[0]]), run("new", [[1]], question="!")])


def test_fewer_than_two_runs_are_refused(tmp_path):
    folder = example_run.write_run(tmp_path / "run", ["cot"], limit=1)
    for folders in ([folder], [folder, folder]):
        with pytest.raises(ValueError, match="name two runs or more"):
            read_runs(folders)


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path):
    folders = [example_run.write_run(tmp_path / part / "run", ["cot"], limit=1) for part in "ab"]
    assert [run.name for run in read_runs(folders)] == [str(folder) for folder in folders]


def test_files_of_a_comparison(tmp_path):
    first = example_run.write_run(tmp_path / "first", ["cot"], limit=10)
    other = example_run.write_run(tmp_path / "other", ["cot"], better=0.5, limit=10)
    found = write_comparison([first, other], tmp_path / "both")
    assert json.loads((tmp_path / "both/comparison.json").read_text()) == found
    assert [pair["benchmark"] for pair in found["pairs"]] == ["algebra", "figures", "应用题"]
    assert "first and other: comparison" in (tmp_path / "both/compare.html").read_text()
    assert found["pairs"][0]["difference"]["value"] > 0

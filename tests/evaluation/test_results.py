import json
import math

import pytest

from k15.evaluation.problems_file import read_problems
from k15.evaluation.results import (
    graded_samples,
    read_results,
    results,
    ungraded_responses,
    write_results,
)
from k15.evaluation.samples import Response, Sample
from k15.journal import Journal
from tests.evaluation import example_run
from tests.evaluation.sums import Sums


def sample(id="0", index=0, *, correct=1.0, extracted="1", tokens=100, finish="stop", **fields):
    row = {"benchmark": "sums", "prompting": "direct", "response": "", "how": "", **fields}
    return Sample(
        id=id,
        index=index,
        correct=correct,
        extracted=extracted,
        tokens=tokens,
        finish=finish,
        **row,
    )


def row(id, question=None, images=(), **groups):
    words = id if question is None else question
    fields = {"question": words, "images": list(images), "groups": groups}
    return {"benchmark": "sums", "id": id, **fields}


def scored(samples, rows=None, *, ungraded=(), **how):
    how = {"samples": 2, "temperature": 1.0, **how}
    rows = [row("0", parity="even"), row("1", parity="odd")] if rows is None else rows
    benchmarks = {"sums": Sums(**how)}
    found = results(samples, rows, benchmarks, model="example", settings={}, ungraded=ungraded)
    return found["scores"]


def test_scores_by_hand():
    """Problem 0: 1 of 2 right; problem 1: 0 of 2, both cut. 1 right for 1,000 tokens."""
    (score,) = scored(
        [
            sample("0", 0, tokens=100, found="boxed"),
            sample("0", 1, tokens=300, correct=0.0, extracted="7"),
            sample("1", 0, tokens=300, correct=0.0, finish="length", extracted=None),
            sample("1", 1, tokens=300, correct=0.0, finish="length", extracted=None),
        ],
        pass_at=[1, 2],
        majority_at=[2],
    )
    metrics = score["metrics"]
    assert score["found"] == {"boxed": 1}
    assert (score["problems"], score["samples"], score["ungraded"]) == (2, 2, 0)
    assert metrics["accuracy"]["value"] == 0.25
    assert metrics["accuracy"]["standard_error"] == pytest.approx(math.sqrt(0.125 / 2))
    assert metrics["pass@1"]["value"] == 0.25 and metrics["pass@2"]["value"] == 0.5
    assert metrics["maj@2"]["value"] == 0.25  # a tie of right and wrong, and nobody voting
    assert metrics["tokens_mean"] == 250 and metrics["truncated"] == 0.5
    assert metrics["score_per_1k_tokens"] == 1
    assert score["groups"]["parity"]["even"]["accuracy"]["value"] == 0.5
    assert score["groups"]["parity"]["odd"]["problems"] == 1


def test_answers_vote_as_the_benchmark_says():
    class Signless(Sums):
        def same(self, one, other):
            return one.lstrip("+") == other.lstrip("+")

    rows = [row("0")]
    samples = [
        sample("0", 0, extracted="+1"),
        sample("0", 1, extracted="1"),
        sample("0", 2, extracted="2", correct=0.0),
        sample("0", 3, extracted="2", correct=0.0),
        sample("0", 4, extracted="+1"),
    ]
    for kind, expected in ((Signless, 1.0), (Sums, 0.5)):  # 3 to 2; or a tie of 2, 2 and 1
        how = kind(samples=5, temperature=1.0, majority_at=[5])
        found = results(samples, rows, {"sums": how}, model="example", settings={})
        assert found["scores"][0]["metrics"]["maj@5"]["value"] == expected


def test_a_problem_counts_in_each_of_its_groups():
    rows = [row("0", skills=["area", "reading"]), row("1", skills=["reading"])]
    (score,) = scored([sample("0"), sample("1", correct=0.0)], rows)
    assert score["groups"]["skills"]["area"]["accuracy"]["value"] == 1
    assert score["groups"]["skills"]["reading"]["accuracy"]["value"] == 0.5


def test_problems_that_ask_the_same_are_one_draw():
    """1, 1, 1, 0 of which the first three are one question: mean 3/4, residuals 3/4 and -3/4 by
    question, error sqrt(2/1 * 2 * 9/16) / 4 = 3/8; as four draws it would be 1/4.
    """
    samples = [sample(id, correct=float(id != "3")) for id in "0123"]
    rows = [row("0", "1+1?"), row("1", " 1+1?\n"), row("2", "1+1?"), row("3", "1+2?")]
    (score,) = scored(samples, rows, pass_at=[1], majority_at=[1])
    assert (score["problems"], score["questions"]) == (4, 2)
    for name in ("accuracy", "pass@1", "maj@1"):
        assert score["metrics"][name]["value"] == 0.75
        assert score["metrics"][name]["standard_error"] == pytest.approx(3 / 8)
    pictured = [row(id, "How?", [f"images/{id}.png"]) for id in "0123"]
    (score,) = scored(samples, pictured)
    assert score["questions"] == 4
    assert score["metrics"]["accuracy"]["standard_error"] == pytest.approx(1 / 4)


def test_broken_graders_are_counted_and_score_nothing():
    broken = [("sums", "direct", "1", 0), ("sums", "cot", "0", 0), ("sums", "cot", "0", 1)]
    direct, cot = scored([sample("0")], ungraded=broken)
    assert (direct["ungraded"], direct["metrics"]["accuracy"]["value"]) == (1, 1)
    assert (cot["ungraded"], cot["problems"], cot["metrics"]) == (2, 0, {})


def test_what_cannot_be_had_is_null(tmp_path):
    """One problem has no interval, no tokens no score per token."""
    found = {"model": "example", "settings": {}, "scores": scored([sample(tokens=0)])}
    write_results(tmp_path, found)
    assert "NaN" not in (tmp_path / "results.json").read_text()
    metrics = read_results(tmp_path)["scores"][0]["metrics"]
    assert metrics["accuracy"] == {"value": 1, "standard_error": None, "low": None, "high": None}
    assert metrics["score_per_1k_tokens"] is None


def test_samples_of_something_unknown_are_refused():
    with pytest.raises(ValueError, match=r"'9' of sums, which problems\.jsonl does not have"):
        scored([sample("9")])
    with pytest.raises(ValueError, match="benchmark 'other', but this evaluation has sums"):
        scored([sample(benchmark="other")])


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no finished evaluation run"):
        read_results(tmp_path)


def test_scores_can_be_computed_again_from_the_folder(tmp_path):
    run = example_run.write_run(tmp_path / "run", ["cot"], limit=6)
    before = json.loads((run / "results.json").read_text())
    (run / "results.json").unlink()
    example_run.score(run)
    assert json.loads((run / "results.json").read_text()) == before
    assert [score["ungraded"] for score in before["scores"]] == [0, 1, 0]
    assert len(read_problems(run)) == 18


def test_files_of_all_ranks_are_read_once(tmp_path):
    for name, samples in (("samples-0", [sample("0")]), ("samples-1", [sample("1"), sample("0")])):
        journal = Journal(tmp_path / f"{name}.jsonl")
        for line in samples:
            journal.append(line)
        journal.close()
    journal = Journal(tmp_path / "responses-0.jsonl")
    for id in ("0", "2"):
        journal.append(Response.at(("sums", "direct", id, 0), "", 1, "stop"))
    journal.close()
    assert [line.id for line in graded_samples(tmp_path)] == ["0", "1"]
    assert ungraded_responses(tmp_path) == [("sums", "direct", "2", 0)]

"""The math verifier on real processes, answers that explode, and labelled pairs."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from k15.rewards.base import GraderFailure
from k15.rewards.math import MathReward, MathVerifier, exact, extract, normalise

LABELLED = Path(__file__).parents[3] / "shared" / "data" / "math_equivalence_dev.jsonl"
TOWER = r"\boxed{9^{9^{9^{9}}}}"


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    verifier = MathVerifier(workers=2, cpu_seconds=1.0)
    yield verifier
    verifier.close()


def children(parent: int) -> dict[int, float]:
    """CPU seconds of each live child, by process id."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):  # ended since the listing
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            ticks = int(fields[11]) + int(fields[12])
            found[int(stat.parent.name)] = ticks / os.sysconf("SC_CLK_TCK")
    return found


def alive(pid: int) -> bool:
    """False also for a process that has ended and waits for its parent to notice."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(condition, what: str):
    deadline = time.monotonic() + 120
    while not (result := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return result


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"so \boxed{5}", "5"),
        (r"\boxed{4}, no, wait: \boxed{5}.", "5"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed {5}", "5"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed{x=\boxed{5}}", "5"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\left\{1,2\right.}", r"\left\{1,2\right."),
        (r"\boxed{}", ""),
        (r"\boxed{5", None),
        (r"\boxed{4} and \boxed{\frac{1}{2}", None),
        ("5", None),
        ("", None),
    ],
)
def test_extract(response, answer):
    assert extract(response) == answer


@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        (r"\left( 1, 2 \right)", "(1, 2)"),
        (r"\leftarrow", r"\leftarrow"),
        ("10,000", "10000"),
        (r"10{,}000", "10000"),
        (r"10,\! 000,\!000", "10000000"),
        (r"1\,000\,000.5", "1000000.5"),
        (r"\frac{1}{20,\!000}", r"\frac{1}{20000}"),
        ("(1,234)", "(1,234)"),
        ("0,111", "0,111"),
        ("1, 234", "1, 234"),
        ("2 1/2", "2 1/2"),
        (r"\$ 5.", "5"),
        ("- 5", "-5"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    ],
)
def test_normalise(spelling, normal):
    assert normalise(spelling) == normal


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("x+1", "x+1", True),
        ("5.0", "5", True),
        ("0.5", r"\frac{1}{2}", True),
        (r"-\frac12", "-1/2", True),
        ("073", "73", True),
        ("6", "5", False),
        ("1/3", "1/2", False),
        ("4.9999999", "5", False),
        ("0.333333333", "1/3", None),
        ("1+x", "x+1", None),
        ("1/0", "5", None),
        ("x", "5", None),
        ("9" * 5000, "5", None),
    ],
)
def test_exact(answer, gold, equal):
    assert exact(answer, gold) is equal


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\sqrt{12}", r"2\sqrt{3}"),
        ("x^2+2x+1", "(x+1)^2"),
        ("5", "x=5"),
        ("x = 5", "5"),
        (r"\left(\frac12, 3\right)", "(0.5,3)"),
        (r"\left[ 0, 1 \right)", "[0,1)"),
        (r"(2,3) \cup (0,1)", r"(0,1)\cup(2,3)"),
        (r"\{3,1,2\}", "1,2,3"),
        ("0.333333333", r"\frac{1}{3}"),
        (r"50\%", "50"),
        (r"5\text{ cm}", "5"),
        (r"90^\circ", "90"),
        (r"2\frac{1}{2}", "2.5"),
        ("Evelyn", r"\text{Evelyn}"),
        (r"\begin{bmatrix}1\\2\end{bmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
        (r"\sin^2(t)", r"\sin^2 t"),
    ],
)
def test_the_same_in_another_form_is_right(verifier, answer, gold):
    verdict = verifier.verify(f"so it is \\boxed{{{answer}}}.", gold)
    assert (verdict.correct, verdict.how) == (True, "math-verify")


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("3.14", r"\pi"),
        (r"\pi", "3.14"),
        ("[0,1]", "[0,1)"),
        ("(0,1)", "[0,1)"),
        ("(2,1)", "(1,2)"),
        ("1,23", "123"),
        ("0.33", "1/3"),
        ("0.25", "25"),
        ("1,2", "1"),
        ("1", "1,2"),
        (r"x\ge2", "x>2"),
        (r"2\sqrt5", r"2\sqrt3"),
        (r"1\,000\,000", "0"),
        (r"\text{odd}", r"\text{even}"),
        (r"5 \text{ or } 6", "5"),
    ],
)
def test_almost_the_same_is_wrong(verifier, answer, gold):
    assert not verifier.verify(f"\\boxed{{{answer}}}", gold).correct


@pytest.mark.parametrize(
    ("response", "how"),
    [
        ("it is 5", "no answer"),
        (r"\boxed{5", "no answer"),
        (r"\boxed{ }", "no answer"),
        (r"\boxed{" + "5+" * 600 + "5}", "too long"),
        (r"\boxed{5}", "exact"),
        (r"\boxed{4+1}", "math-verify"),
        (TOWER, "limit"),
    ],
)
def test_each_verdict_says_how_it_was_found(verifier, response, how):
    verdict = verifier.verify(response, "5")
    assert (verdict.correct, verdict.how) == (how in ("exact", "math-verify"), how)


def test_an_answer_that_explodes_leaves_the_verifier_working(verifier):
    assert verifier.verify(TOWER.replace("9", "8"), "5").how == "limit"
    assert verifier.verify(r"\boxed{\sqrt{75}}", r"5\sqrt{3}").correct


def test_threads_get_the_verdicts_that_one_thread_gets(verifier):
    responses = [f"\\boxed{{\\sqrt{{{n * n}}}+{n % 3}}}" for n in range(1, 25)]
    alone = MathVerifier(workers=1)
    expected = [alone.verify(response, "7") for response in responses]
    alone.close()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda response: verifier.verify(response, "7"), responses))
    assert found == expected == verifier.verify_all(responses, "7")
    # n + n mod 3 is 7 for n = 5 alone: 5 + 2
    assert [n for n, verdict in enumerate(expected, 1) if verdict.correct] == [5]


def test_verdicts_are_remembered(verifier):
    assert verifier.verify(TOWER, "5").how == "limit"
    before = children(os.getpid())
    assert verifier.verify(TOWER, "5").how == "limit"
    assert children(os.getpid()).keys() == before.keys()  # no process had to be replaced


def test_processes_killed_in_mid_task_are_a_failure_and_no_zero():
    mine = set(children(os.getpid()))
    verifier = MathVerifier(workers=1, cpu_seconds=60.0)

    def busy():  # it takes about 0.7 s to start
        now = children(os.getpid())
        return [pid for pid, seconds in now.items() if pid not in mine and seconds > 1.5]

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(verifier.verify, TOWER, "5")
        for _ in range(2):
            pid = eventually(busy, "no process got busy")[0]
            os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: pid not in children(os.getpid()), "it does not die")
        with pytest.raises(GraderFailure, match="status -9"):
            future.result(timeout=60)
    assert verifier.verify(r"\boxed{4+1}", "5").correct
    verifier.close()


def test_processes_end_with_a_parent_that_is_killed():
    program = f"""
from threading import Thread
from k15.rewards.math import MathVerifier
verifier = MathVerifier(workers=2, cpu_seconds=3.0)
Thread(target=verifier.verify, args=({TOWER!r}, "5")).start()
verifier.verify(r"\\boxed{{4+1}}", "5")
print("one busy, one idle", flush=True)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"one busy, one idle\n"
    workers = set(children(parent.pid))
    assert len(workers) == 2
    parent.kill()
    parent.communicate()
    eventually(lambda: not any(alive(pid) for pid in workers), "workers outlive their parent")


def test_libraries_that_grade_wrong_are_found_at_the_start(tmp_path, monkeypatch):
    broken = "import math_verify\nmath_verify.verify = lambda *_, **__: False\n"
    (tmp_path / "sitecustomize.py").write_text(broken)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(GraderFailure, match=r"math-verify does not find .* equal to 50"):
        MathVerifier().start()


def test_reference_answers_are_checked_by_id(verifier, make_group):
    reward = MathReward()
    reward.verifier = verifier
    for answer in ("4", "10,000", r"\frac{1}{2}", r"\text{Evelyn}", "[0,1)", r"\sin^2 t"):
        reward.check(make_group(["x"], answer=answer).problem)
    with pytest.raises(ValueError, match="'sum-1' has no answer"):
        reward.check(make_group(["x"], answer=None).problem)
    for answer, message in (
        (" ", "the answer is empty"),
        (r"\frac{1}{", r"cannot parse the answer '\\\\frac"),
        ("x" * 2000, "2000 characters, at most 1000"),
    ):
        with pytest.raises(ValueError, match=message):
            reward.check(make_group(["x"], answer=answer).problem)


def test_an_unreadable_reference_is_a_failure_and_no_zero(verifier):
    with pytest.raises(GraderFailure, match="cannot parse the reference answer"):
        verifier.verify(r"\boxed{x+1}", r"\frac{1}{")


def test_the_reward_is_thin(make_group):
    reward = MathReward(workers=1)
    assert reward.outcome
    group = make_group([r"\boxed{4}", r"\boxed{2+2}", r"\boxed{5}", "4"])
    assert reward.score(group) == [1.0, 1.0, 0.0, 0.0]
    reward.setup(None, None, "fit")
    reward.teardown(None, None, "fit")


def bare(text: str) -> str | None:
    """The answer in a labelled record: its one box, its formula, or the text if it is short."""
    if r"\boxed" in text:
        return extract(text) if text.count(r"\boxed") == 1 else None
    if formula := re.fullmatch(r"\s*\$\$?([^$]+)\$\$?\s*", text):
        return formula[1]
    return text if len(text) < 40 and "$" not in text and "is" not in text else None


@pytest.mark.skipif(not LABELLED.exists(), reason="the labelled pairs are not here")
def test_rates_on_labelled_pairs(verifier, record_property):
    records = [json.loads(line) for line in LABELLED.read_text().splitlines()]
    core = [r for r in records if not r["caveat"] and r["kind"] != "choice"]
    pairs = [(bare(r["pred"]), bare(r["gold"]), r["expected"]) for r in core]
    pairs = [pair for pair in pairs if pair[0] and pair[1]][:100]
    found = {True: [], False: []}
    for answer, gold, expected in pairs:
        found[expected].append(verifier.verify(f"\\boxed{{{answer}}}", gold).correct)
    true_positives, false_positives = (sum(v) / len(v) for v in (found[True], found[False]))
    record_property("pairs", len(pairs))
    record_property("true_positive_rate", true_positives)
    record_property("false_positive_rate", false_positives)
    assert len(pairs) == 100
    assert true_positives >= 0.97
    assert false_positives <= 0.03

"""The math verifier on real processes, labelled pairs and the conventions it lets one choose."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from k15.graders.base import GraderFailure, each_once
from k15.graders.math.compare.exact import exact
from k15.graders.math.normalise import normalise
from k15.graders.math.verifier import WORKER, MathVerifier
from k15.graders.workers import LimitExceeded, WorkerPool

LABELLED = Path(__file__).parents[4] / "shared" / "data" / "math_equivalence_dev.jsonl"
EQUIVALENCES = Path(__file__).with_name("equivalences.tsv")
TOWER = "9^{9^{9^{9}}}"
# Equal, but that takes math-verify many CPU seconds.
LONG = "+".join(rf"\frac{{1}}{{1+\sin {letter}}}" for letter in "xyzuvw")
LONG_GOLD = "+".join(rf"\frac{{1-\sin {letter}}}{{\cos^2 {letter}}}" for letter in "xyzuvw")


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


def boxed(answer: str) -> str:
    return rf"so it is \boxed{{{answer}}}."


def test_equivalences(verifier):
    """One miss is known: nobody knows that n!/(n-1)! is n."""
    lines = EQUIVALENCES.read_text().splitlines()
    table = [line.split("\t") for line in lines]
    wrong = [
        (gold, answer, label)
        for _, gold, answer, label in table
        if verifier.verify(boxed(answer), gold).correct != (label == "same")
    ]
    assert {label for *_, label in table} == {"same", "different"}
    assert len(table) >= 250
    assert wrong == [("n!/(n-1)!", "n", "same")]


@pytest.mark.skipif(not LABELLED.exists(), reason="the labelled pairs are not here")
def test_rates_on_labelled_pairs(verifier, record_property):
    records = [json.loads(line) for line in LABELLED.read_text().splitlines()]
    lenient = {kind: MathVerifier(workers=1, extraction=kind) for kind in ("free", "choice")}
    found = {True: [], False: []}
    for record in (r for r in records if not r["caveat"]):
        answer, gold, kind = record["pred"], record["gold"], record["kind"]
        if kind == "answer":
            verdict = verifier.verify(boxed(answer), gold)
        else:
            verdict = lenient["choice" if kind == "choice" else "free"].verify(answer, gold)
        found[record["expected"]].append(verdict.correct)
    for other in lenient.values():
        other.close()
    record_property("true_positive_rate", sum(found[True]) / len(found[True]))
    assert (len(found[True]), len(found[False])) == (145, 46)
    assert sum(found[True]) >= 0.99 * 145
    assert sum(found[False]) == 0


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("x+1", "x+1", True),
        ("073", "73", True),
        ("6", "5", False),
        ("4.9999999", "5", False),
        ("1+x", "x+1", True),
        ("1/0", "5", None),
        (r"\sin^2 x", r"1-\cos^2 x", None),
        (r"\sqrt{1+\sqrt2}", "1.5", False),  # 1.5537...
    ],
)
def test_exact(answer, gold, equal):
    assert exact(normalise(answer), normalise(gold)) is equal


@pytest.mark.parametrize(
    ("response", "gold", "correct", "how"),
    [
        ("it is 5", "5", False, "no answer"),
        ("", "5", False, "no answer"),
        (r"\boxed{5", "5", False, "no answer"),
        (r"\boxed{ }", "5", False, "no answer"),
        (boxed("5+" * 600 + "5"), "5", False, "too long"),
        (boxed("5"), "5", True, "exact"),
        (boxed("4+1"), "5", True, "exact"),
        (boxed(r"\tan^2 x + 1"), r"\sec^2 x", True, "math-verify"),
        (boxed(TOWER), "5", False, "limit"),
        (boxed(TOWER), TOWER, True, "exact"),
        (boxed(LONG), LONG_GOLD, False, "limit"),
        (boxed("roughly speaking 5^2 or so"), "5", False, "unreadable"),
    ],
)
def test_each_verdict_says_how_it_was_found(verifier, response, gold, correct, how):
    verdict = verifier.verify(response, gold)
    assert (verdict.correct, verdict.how) == (correct, how)


def test_ten_megabytes_and_ten_thousand_boxes(verifier):
    assert verifier.verify("x" * 10**7 + boxed("5"), "5").correct
    assert not verifier.verify(boxed("5") + "{" * 10**7, "6").correct
    assert verifier.verify("".join(boxed(n) for n in range(10_000)), "9999").correct
    assert verifier.verify("\ud800" + boxed("5"), "5").correct
    lenient = MathVerifier(extraction="free")
    assert lenient.verify("x 3 " * 10**6 + "so the final answer is 5.", "5").correct
    assert lenient.verify("".join(boxed(n) + " hence " for n in range(10_000)), "9999").correct


def test_threads_get_the_verdicts_that_one_thread_gets(verifier):
    responses = [boxed(rf"\sin^2 x+\cos^2 x+{n}") for n in range(1, 9)]
    alone = MathVerifier(workers=1)
    expected = [alone.verify(response, "7") for response in responses]
    alone.close()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda response: verifier.verify(response, "7"), responses))
    assert found == expected == each_once(lambda one: verifier.verify(one, "7"), responses, 2)
    assert [n for n, verdict in enumerate(expected, 1) if verdict.correct] == [6]


def test_verdicts_are_remembered(verifier):
    assert verifier.verify(boxed(LONG), LONG_GOLD).how == "limit"
    before = children(os.getpid())
    assert verifier.verify(boxed(LONG), LONG_GOLD).how == "limit"
    assert children(os.getpid()).keys() == before.keys()  # no process had to be replaced
    assert verifier.verify(boxed(r"\tan x\cos x"), r"\sin x").correct


def test_too_little_memory_is_a_limit_and_no_verdict():
    """(x+1)^100000 takes 400 MB to write out; the verifier itself would refuse it."""
    pool = WorkerPool((sys.executable, "-P", str(WORKER), "60", str(60 * 2**20)), size=1)
    with pytest.raises(LimitExceeded, match="memory"):
        pool.call({"answer": "(x+1)^{100000}", "gold": "x^2+1"})
    assert pool.call({"answer": "x+1", "gold": "1+x"}) == {"equal": True}
    pool.close()


def test_processes_killed_in_mid_task_are_a_failure_and_no_zero():
    mine = set(children(os.getpid()))
    verifier = MathVerifier(workers=1, cpu_seconds=60.0)

    def busy():  # it takes about 0.7 s to start
        now = children(os.getpid())
        return [pid for pid, seconds in now.items() if pid not in mine and seconds > 1.2]

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(verifier.verify, boxed(LONG), LONG_GOLD)
        os.kill(eventually(busy, "no process got busy")[0], signal.SIGKILL)
        with pytest.raises(GraderFailure, match="status -9"):
            future.result(timeout=60)
    assert verifier.verify(boxed(r"\tan x\cos x"), r"\sin x").correct
    verifier.close()


def test_processes_end_with_a_parent_that_is_killed():
    program = f"""
from threading import Thread
from k15.graders.math.verifier import MathVerifier
verifier = MathVerifier(workers=2, cpu_seconds=3.0)
Thread(target=verifier.verify, args=({boxed(LONG)!r}, {LONG_GOLD!r})).start()
verifier.verify(r"\\boxed{{\\tan x\\cos x}}", r"\\sin x")
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


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        (r"\frac{1}{", "cannot parse the answer"),
        ("", "the answer is empty"),
        ("$ $", "the answer is empty"),
        ("7" * 5000, "the answer has 5000 characters, at most 1000 are graded"),
        ("4\ud800", "half of a UTF-16 pair"),
        (["4"], r"the answer \['4'\] is no text but list: write it in quotes"),
        ({"value": "4"}, "no text but dict"),
        (float("nan"), "the answer nan is no text but float"),
        (False, "the answer False is no text but bool"),
        (None, "no text but NoneType"),
        (4, "no text but int"),
    ],
)
def test_what_cannot_serve_as_a_reference_is_refused(verifier, gold, message):
    for refuse in (verifier.check, lambda gold: verifier.verify(boxed("4"), gold)):
        with pytest.raises(ValueError, match=message):
            refuse(gold)


@pytest.mark.parametrize(
    ("answer", "gold", "correct"),
    [
        ("73", "073", True),
        ("073", "73", True),
        ("73.0", "73", True),
        (r"\text{73}", "73", True),
        ("72+1", "73", True),
        ("73.5", "73", False),
        ("1073", "73", False),
        ("-73", "73", False),
        (r"73\%", "73", True),
        ("seventy", "73", False),
    ],
)
def test_whole_numbers_of_a_range(answer, gold, correct):
    aime = MathVerifier(integer_range=[0, 999])
    assert aime.verify(boxed(answer), gold).correct is correct


def test_a_reference_out_of_the_range_is_refused():
    for gold in ("1000", "-1", r"\frac{1}{2}", "x"):
        with pytest.raises(ValueError, match=r"is no whole number in \[0, 999\]"):
            MathVerifier(integer_range=[0, 999]).check(gold)


@pytest.mark.parametrize(
    ("policy", "answer", "gold", "correct"),
    [
        ({"percent": "either"}, "50", r"50\%", True),
        ({"percent": "either"}, "0.5", r"50\%", True),
        ({"percent": "number"}, "50", r"50\%", True),
        ({"percent": "number"}, "0.5", r"50\%", False),
        ({"percent": "value"}, "50", r"50\%", False),
        ({"percent": "value"}, r"\frac12", r"50\%", True),
        ({"percent": "strict"}, "0.5", r"50\%", False),
        ({"percent": "strict"}, r"50.0\%", r"50\%", True),
        ({"rounding": "repeating"}, "0.666667", r"\frac{2}{3}", True),
        ({"rounding": "repeating"}, "0.666666", r"\frac{2}{3}", True),
        ({"rounding": "repeating"}, "0.666668", r"\frac{2}{3}", False),
        ({"rounding": "repeating"}, "0.66667", r"\frac{2}{3}", False),
        ({"rounding": "repeating"}, "3.14159265", r"\pi", False),
        ({"rounding": "exact"}, "0.666667", r"\frac{2}{3}", False),
        ({"rounding": "gold"}, r"\pi", "3.14", True),
        ({"rounding": "gold"}, "3.1416", "3.14", True),
        ({"rounding": "gold"}, "3.146", "3.14", False),
        ({"rounding": "gold"}, "3.14", r"\pi", False),
    ],
)
def test_conventions(policy, answer, gold, correct):
    assert MathVerifier(**policy).verify(boxed(answer), gold).correct is correct


def test_options_are_checked():
    for options, message in (
        ({"percent": "yes"}, "percent='yes': choose one of either, number, value, strict"),
        ({"rounding": 2}, "rounding=2: choose one of exact, repeating, gold"),
        ({"extraction": "all"}, "extraction='all': choose one of boxed, free, choice"),
        ({"integer_range": [5]}, "integer_range=.5.: give the lowest and the highest"),
    ):
        with pytest.raises(ValueError, match=message):
            MathVerifier(**options)

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from k15.config.errors import ConfigError
from k15.engines.scripted import ScriptedEngine
from k15.evaluation.evaluator import Evaluator
from k15.evaluation.prompting.base import Once
from k15.evaluation.samples import Sample
from k15.graders.base import GraderFailure
from k15.journal import read
from tests.evaluation.sums import Characters, Sums, answering, right_sum

ONCE = {"direct": Once(name="direct", instruction="")}


def evaluator(run_dir, *benchmarks, promptings=ONCE, **how):
    named = {benchmark.name: benchmark for benchmark in benchmarks or (Sums(),)}
    how = {"backoff": 0.0, **how}
    return Evaluator(benchmarks=named, promptings=promptings, run_dir=run_dir, **how)


def run(evaluator, engine=None):
    """The samples after a run."""
    evaluator.run(engine, engine and Characters())
    return evaluator.samples()


def shares(samples):
    """Mean of `correct` by benchmark."""
    total, right = Counter(), Counter()
    for sample in samples:
        total[sample.benchmark] += 1
        right[sample.benchmark] += sample.correct
    return {name: right[name] / total[name] for name in total}


def test_right_answers_score_one_wrong_ones_zero_and_a_mix_its_share(tmp_path):
    def answer(prompt, request):
        name, _, question = prompt.partition(": ")
        wrong = name == "wrong" or (name == "mix" and int(question[0]) >= 7)
        return "no" if wrong else right_sum(prompt)

    benchmarks = [Sums(name=name) for name in ("right", "wrong", "mix")]
    samples = run(evaluator(tmp_path, *benchmarks), answering(answer))
    assert shares(samples) == {"right": 1.0, "wrong": 0.0, "mix": 0.7}
    # "10" and the end token: two digits for a = 9 alone, in `right`
    assert sum(s.tokens for s in samples if s.benchmark == "right") == 9 * 2 + 3


def test_benchmarks_of_other_temperatures_share_a_call(tmp_path):
    """The engine is asked once, and each request says how its tokens are drawn."""
    calls = []

    class Asked(ScriptedEngine):
        def generate(self, requests, sampling):
            ways = [sampling.of(request) for request in requests]
            calls.append(Counter((way.temperature, way.top_p) for way in ways))
            return super().generate(requests, sampling)

    engine = Asked(lambda request, index: (ord("0"), 1))
    cold = Sums(name="cold", size=2)
    warm = Sums(name="warm", size=3, samples=2, temperature=0.8, top_p=0.9)
    run(evaluator(tmp_path, cold, warm), engine)
    assert calls == [{(0.0, 1.0): 2, (0.8, 0.9): 6}]


def test_each_sample_has_its_own_seed_and_each_prompting_its_instruction(tmp_path):
    seen = []

    def answer(prompt, request):
        seen.append((prompt, request.seed))
        return right_sum(prompt)

    promptings = {name: Once(name=name, instruction=name.upper()) for name in ("direct", "cot")}
    benchmark = Sums(size=2, samples=3, temperature=1.0)
    run(evaluator(tmp_path, benchmark, promptings=promptings), answering(answer))
    assert Counter(prompt for prompt, _ in seen) == {
        f"sums: {a}+1?\n{mode}": 3 for a in (0, 1) for mode in ("DIRECT", "COT")
    }
    assert len({seed for _, seed in seen}) == 12


def test_what_is_there_is_not_generated_again(tmp_path):
    asked = Counter()

    def answer(prompt, request):
        asked[request.seed] += 1
        if sum(asked.values()) == 8:
            raise ConnectionError("the engine died")
        return right_sum(prompt)

    with pytest.raises(ConnectionError):
        run(evaluator(tmp_path), answering(answer))
    assert len(list(read(tmp_path / "responses.jsonl", Sample.__mro__[1]))) == 7
    samples = run(evaluator(tmp_path), answering(answer))
    assert shares(samples) == {"sums": 1.0}
    # the one during which the engine died was asked twice, all others once
    assert sorted(asked.values()) == [1] * 9 + [2]


def test_a_half_written_line_is_cut_off_and_its_sample_made_again(tmp_path):
    run(evaluator(tmp_path), answering(right_sum))
    whole = (tmp_path / "samples.jsonl").read_bytes()
    for name in ("samples.jsonl", "responses.jsonl"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-5])
    samples = run(evaluator(tmp_path), answering(right_sum))
    assert len(samples) == 10
    assert sorted((tmp_path / "samples.jsonl").read_bytes().splitlines()) == sorted(
        whole.splitlines()
    )


PROGRAM = """
import sys, time
from pathlib import Path
from tests.evaluation.sums import Characters, Sums, answering, right_sum
from k15.config.errors import ConfigError
from k15.engines.scripted import ScriptedEngine
from k15.evaluation.evaluator import Evaluator
from k15.evaluation.prompting.base import Once

def answer(prompt, request):
    with open(sys.argv[2], "a") as log:
        log.write(f"{request.seed}\\n")
    time.sleep(0.002)
    return right_sum(prompt)

benchmarks = {"sums": Sums(size=200)}
promptings = {"direct": Once(name="direct", instruction="")}
evaluator = Evaluator(benchmarks=benchmarks, promptings=promptings, run_dir=Path(sys.argv[1]))
evaluator.run(answering(answer), Characters())
print(len(evaluator.samples()), flush=True)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_samples(tmp_path):
    log, run = tmp_path / "log", tmp_path / "run"
    run.mkdir()
    command = [sys.executable, "-c", PROGRAM, str(run), str(log)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for lines in (50, 120):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while not log.exists() or len(log.read_text().splitlines()) < lines:
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "200", done.stderr
    samples = list(read(run / "samples.jsonl", Sample))
    assert len({sample.key for sample in samples}) == len(samples) == 200
    # at most the response that was being written at each of the two kills was made again
    assert len(log.read_text().splitlines()) <= 202


class Broken(Sums):
    """Its grader breaks on some problems, the first `times` times."""

    def __init__(self, ids, times, **how):
        super().__init__(**how)
        self.ids, self.times, self.calls = ids, times, Counter()

    def grade(self, problem, response):
        self.calls[problem.id] += 1
        if problem.id in self.ids and self.calls[problem.id] <= self.times:
            raise GraderFailure("sandbox down")
        return super().grade(problem, response)


def test_a_broken_grader_is_asked_again_and_never_a_wrong_answer(tmp_path):
    broken = Broken({"3"}, times=2)
    assert shares(run(evaluator(tmp_path, broken), answering(right_sum))) == {"sums": 1.0}
    assert broken.calls["3"] == 3

    gone = evaluator(tmp_path / "other", Broken({"3"}, times=99))
    (tmp_path / "other").mkdir()
    samples = run(gone, answering(right_sum))
    assert len(samples) == 9 and shares(samples) == {"sums": 1.0}
    assert gone.ungraded == {("sums", "direct", "3", 0): "sandbox down"}
    # the next run on the folder grades what is missing, without an engine
    assert len(run(evaluator(tmp_path / "other"))) == 10


def test_too_many_broken_gradings_stop_the_run_with_the_cause(tmp_path):
    benchmark = Broken({str(a) for a in range(0, 40, 2)}, times=99, size=40)
    with pytest.raises(GraderFailure, match=r"max_ungraded=0.05.*sandbox down"):
        run(evaluator(tmp_path, benchmark), answering(right_sum))


def test_a_grader_that_raises_ends_the_run(tmp_path):
    class Raises(Sums):
        def grade(self, problem, response):
            raise KeyError("unit")

    with pytest.raises(KeyError, match="unit"):
        run(evaluator(tmp_path, Raises()), answering(right_sum))


def test_a_prompt_that_cannot_be_written_is_refused_by_benchmark_and_id(tmp_path):
    class Strict(Characters):
        def encode(self, problem):
            if problem.id == "3":
                raise ConfigError("its prompt has 2 places for 1 pictures")
            return super().encode(problem)

    asked = []
    engine = answering(lambda prompt, request: asked.append(prompt) or right_sum(prompt))
    with pytest.raises(ValueError, match="benchmark sums, problem '3': its prompt has 2 places"):
        evaluator(tmp_path).run(engine, Strict())
    assert not asked


def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_generated(tmp_path):
    codec = Characters()
    codec.context = 20  # the prompt "sums: 0+1?" has 10 characters
    asked = []
    engine = answering(lambda prompt, request: asked.append(prompt) or right_sum(prompt))
    with pytest.raises(ValueError, match=r"problem '0' has 10 tokens.*context is 20"):
        evaluator(tmp_path).run(engine, codec)
    assert not asked
    codec.context = 30  # room for 20: the response may be so long
    budgets = []
    engine = answering(lambda prompt, request: budgets.append(request) or right_sum(prompt))
    evaluator(tmp_path).run(engine, codec)
    assert {request.max_new_tokens for request in budgets} == {20}


def test_ranks_share_the_samples_and_each_reads_what_the_others_wrote(tmp_path):
    asked = Counter()

    def answer(prompt, request):
        asked[prompt] += 1
        return right_sum(prompt)

    first, both = (
        run(evaluator(tmp_path, rank=rank, ranks=2), answering(answer)) for rank in (0, 1)
    )
    assert [len(first), len(both)] == [5, 10]
    # one rank alone finds all of it done
    assert len(run(evaluator(tmp_path), answering(answer))) == 10
    assert set(asked.values()) == {1}


def test_two_problems_of_one_id_are_refused(tmp_path):
    class Twice(Sums):
        def problems(self):
            return super().problems() * 2

    with pytest.raises(ValueError, match="benchmark sums: two problems have the same id"):
        run(evaluator(tmp_path, Twice()), answering(right_sum))


def test_responses_made_elsewhere_are_graded_without_an_engine(tmp_path):
    lines = [
        {"benchmark": "sums", "prompting": "direct", "id": str(a), "index": 0}
        | {"response": str(a + (a < 4)), "tokens": 0, "finish": "given"}
        for a in range(10)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "responses.jsonl").write_text(text)
    assert shares(run(evaluator(tmp_path))) == {"sums": 0.4}


def test_impossible_settings_are_refused():
    for how, message in (
        ({"samples": 2}, "temperature=0 are all the same"),
        ({"samples": 2, "temperature": 1.0, "pass_at": [4]}, "@4 of samples=2"),
    ):
        with pytest.raises(ValueError, match=message):
            Sums(**how)

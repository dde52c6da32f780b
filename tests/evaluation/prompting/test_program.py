import pytest

from k15.evaluation.evaluator import Evaluator
from k15.evaluation.prompting.program import ProgramPrompting, written
from k15.graders.base import GraderFailure
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import Outcome
from tests.evaluation.sums import Characters, Sums, answering


class Boxed(Sums):
    """Right if the box holds the sum."""

    def grade(self, problem, response):
        _, box, rest = response.rpartition("\\boxed{")
        return super().grade(problem, rest.removesuffix("}") if box else "")


def solved(tmp_path, program):
    prompting = ProgramPrompting(sandbox=LocalSandbox(), cpu_seconds=1.0)
    evaluator = Evaluator(
        benchmarks={"sums": Boxed(size=3)}, promptings={"program": prompting}, run_dir=tmp_path
    )
    engine = answering(lambda prompt, request: f"So:\n```python\n{program}\n```\n")
    evaluator.run(engine, Characters())
    return sorted(evaluator.samples(), key=lambda sample: sample.id)


def test_what_the_program_prints_last_is_the_answer(tmp_path):
    samples = solved(tmp_path, "print('thinking')\nprint(1 + 1)")
    # the sums are 0+1, 1+1 and 2+1: the program is right for the second
    assert [sample.correct for sample in samples] == [0.0, 1.0, 0.0]
    assert samples[0].response.endswith("```output\nthinking\n2\n```\n\\boxed{2}")


def test_a_program_that_fails_has_no_answer_and_says_why(tmp_path):
    samples = solved(tmp_path, "print(1)\nraise KeyError('unit')")
    assert all("[crash]" in sample.response and "unit" in sample.response for sample in samples)
    assert [sample.correct for sample in samples] == [0.0, 0.0, 0.0]


def test_the_output_is_written_behind_the_response():
    assert written(Outcome(cause="ok", stdout=b"a\n 7 \n")) == "```output\na\n 7\n```\n\\boxed{7}"
    assert written(Outcome(cause="cpu", stdout=b"7")) == "```output\n[cpu] \n```"
    assert written(Outcome(cause="ok", stdout=b" ")) == "```output\n[ok] \n```"


def test_a_broken_sandbox_is_no_answer(tmp_path):
    class Down:
        def start(self):
            pass

        def close(self):
            pass

        def run(self, program, inputs, limits):
            return iter([Outcome(cause="infrastructure", detail="gone") for _ in inputs])

    prompting = ProgramPrompting(sandbox=Down())
    with pytest.raises(GraderFailure, match="the sandbox failed: gone"):
        prompting.run("print(1)")
    evaluator = Evaluator(
        benchmarks={"sums": Boxed(size=3)}, promptings={"program": prompting}, run_dir=tmp_path
    )
    evaluator.run(answering(lambda *_: "```python\nprint(1)\n```"), Characters())
    assert evaluator.samples() == []
    assert set(evaluator.ungraded.values()) == {"the sandbox failed: gone"}


def test_a_sandbox_that_comes_back_is_asked_again(tmp_path):
    class Stumbles(LocalSandbox):
        runs = 0

        def run(self, program, inputs, limits):
            self.runs += 1
            if self.runs == 1:
                return iter([Outcome(cause="infrastructure", detail="gone") for _ in inputs])
            return super().run(program, inputs, limits)

    sandbox = Stumbles()
    evaluator = Evaluator(
        benchmarks={"sums": Boxed(size=3)},
        promptings={"program": ProgramPrompting(sandbox=sandbox)},
        run_dir=tmp_path,
        backoff=0.01,
    )
    evaluator.run(answering(lambda *_: "```python\nprint(1)\n```"), Characters())
    assert len(evaluator.samples()) == 3 and not evaluator.ungraded
    assert sandbox.runs == 4

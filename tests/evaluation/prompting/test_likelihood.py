"""Choices by what the model finds likely: the sums of their tokens, behind the same question."""

from pathlib import Path

import pytest

from k15.config import ConfigError
from k15.engines.protocol import Scored
from k15.engines.scripted import ScriptedEngine
from k15.evaluation.evaluator import Evaluator
from k15.evaluation.pairs import pair
from k15.evaluation.prompting.base import Once
from k15.evaluation.prompting.likelihood import Likelihood
from k15.types import Problem
from tests.evaluation.sums import Characters, Sums


class Choices(Sums):
    """Is it a+1, or something else?"""

    def problems(self) -> list[Problem]:
        return [
            Problem(
                id=str(a),
                prompt=({"role": "user", "content": f"{a}+1? Answer:"},),
                answer="A",
                meta={"choices": ["one", "something"], "continuations": [" one", " something"]},
            )
            for a in range(self.size)
        ]


class Weighing(ScriptedEngine):
    """Every token of " one" is worth -2, one of " something" -1: -8 in all against -10."""

    def __init__(self) -> None:
        super().__init__(lambda request, index: [ord("B"), 0])
        self.calls: list[list[tuple[str, str]]] = []

    def score(self, examples):
        read = Characters().decode
        self.calls.append([(read(e.prompt_tokens), read(e.response_tokens)) for e in examples])
        for index in reversed(range(len(examples))):
            length = len(examples[index].response_tokens)
            logp = -2.0 if length == 4 else -1.0
            yield Scored(index=index, logps=(logp,) * length, greedy=False)


def evaluated(folder: Path, engine, benchmark, *promptings) -> dict[str, list[str]]:
    evaluator = Evaluator(
        benchmarks={benchmark.name: benchmark},
        promptings={prompting.name: prompting for prompting in promptings},
        run_dir=folder,
    )
    evaluator.run(engine, Characters())
    found: dict[str, list[str]] = {}
    for sample in evaluator.samples():
        found.setdefault(sample.prompting, []).append(sample.response)
        assert sample.tokens == (0 if "like" in sample.prompting else 2)
    return found


def test_the_likeliest_choice_in_one_call_beside_what_is_generated(tmp_path: Path) -> None:
    engine = Weighing()
    letters = evaluated(
        tmp_path,
        engine,
        Choices(size=2),
        Likelihood(),
        Likelihood(name="likelihood per character", per_character=True),  # -8/3 against -10/9
        Once(name="direct", instruction=""),
    )
    assert letters == {
        "likelihood": ["A", "A"],
        "likelihood per character": ["B", "B"],
        "direct": ["B", "B"],
    }
    asked = [(f"{a}+1? Answer:", f" {text}") for a in range(2) for text in ("one", "something")]
    [call] = engine.calls
    assert sorted(call) == sorted(asked * 2)


def test_a_benchmark_without_choices_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"problem 0 of benchmark sums has no choices"):
        evaluated(tmp_path, Weighing(), Sums(), Likelihood())


def test_an_engine_that_cannot_weigh_is_one_line(tmp_path: Path) -> None:
    engine = ScriptedEngine({})
    with pytest.raises(ConfigError, match=r"ScriptedEngine generates, .* take engine=transformers"):
        evaluated(tmp_path, engine, Choices(), Likelihood())


def test_a_choice_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    class Short(Characters):
        context = 20

    evaluator = Evaluator(
        benchmarks={"sums": Choices(size=1)}, promptings={"l": Likelihood()}, run_dir=tmp_path
    )
    with pytest.raises(ConfigError, match=r"problem '0' with a choice has 22 tokens .* is 20"):
        evaluator.run(Weighing(), Short())


def test_spaces_between_belong_to_the_text() -> None:
    read = Characters().decode
    for beginning, text in (("1+1:", " 2"), ("1+1: ", "2")):
        assert [read(part) for part in pair(Characters(), beginning, text)] == ["1+1:", " 2"]

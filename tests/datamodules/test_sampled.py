"""Samples are drawn once per model, and what is learned from them is what a reader would choose.

Every problem gets four answers: right and short, right and long, wrong, and one without an end.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from k15.config import ConfigError
from k15.datamodules.preference import PreferenceData
from k15.datamodules.rejection import ShortestData
from k15.engines.protocol import RolloutEngine
from k15.engines.scripted import ScriptedEngine
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.problems.sources import TaskSource
from k15.rewards.task import TaskReward
from k15.rollouts.drawing import Drawing
from k15.tasks.make24 import Make24

TASK = Make24()
SOURCE = TaskSource(TASK, train_problems=3, held_out_problems=2)
DRAWING = Drawing(samples_per_problem=4, max_response_tokens=40)


def policy(seed: int = 0) -> Policy:
    torch.manual_seed(seed)
    return tiny_policy(words=TASK.words, hidden_size=32, layers=1, context=160)


def answers(answer: str) -> list[str]:
    """The last one is longer than an answer may be."""
    return [
        f"<think> no no no no no no</think>\\boxed{{{answer}}}",
        f"<think></think>\\boxed{{{answer}}}",
        "<think> no no no</think>",
        "<think>" + " no" * 60,
    ]


def scripted(by: Policy, texts: Callable[[str], list[str]] = answers) -> ScriptedEngine:
    problems = (*SOURCE.train, *SOURCE.held_out)
    return ScriptedEngine(
        {
            by.encode(problem): [by.encode_response(text) for text in texts(problem.answer)]
            for problem in problems
        }
    )


class Silent(RolloutEngine):
    """There is nothing to draw."""

    def generate(self, requests, sampling):
        raise AssertionError("asked again")


def data(
    folder: Path,
    kind=PreferenceData,
    seed: int = 0,
    engine: RolloutEngine | None = None,
    **settings,
):
    model = policy(seed)
    made = kind(
        policy=model,
        source=SOURCE,
        engine=engine or scripted(model),
        rewards={"answer": TaskReward(TASK)},
        samples=str(folder / "samples"),
        run_dir=str(folder / "run"),
        **({"drawing": DRAWING} | settings),
    )
    made.prepare_data()
    made.setup("fit")
    return made


def rows(folder: Path) -> list[dict]:
    (file,) = folder.glob("samples/*/samples.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_pairs_are_the_shortest_right_answer_against_longer_ones(tmp_path: Path) -> None:
    """Of n tokens the shortest is right; right with six words more is at least 1.5 times as long
    up to n = 12, and so is what was cut; wrong and shorter is none.
    """
    made = data(tmp_path)
    short = len(made.policy.encode_response(answers(SOURCE.train[0].answer)[1]))
    first = [
        pair
        for pair in made.train
        if pair.chosen.prompt_tokens == made.train[0].chosen.prompt_tokens
    ]
    assert [len(pair.chosen.response_tokens) for pair in first] == [short] * len(first)
    longer = [len(pair.rejected.response_tokens) for pair in first]
    assert longer[0] == 40 and set(longer[1:]) <= {short + 6}
    assert len({pair.id for pair in made.train}) == len(made.train)
    assert all(pair.chosen.prompt_tokens == pair.rejected.prompt_tokens for pair in made.train)
    report = json.loads((tmp_path / "run/samples.json").read_text())
    assert report["train"] == {"problems": 3, "used": 3, "items": len(made.train)}
    batches = list(made.train_dataloader())
    assert sorted(pair.id for batch in batches for pair in batch) == sorted(
        p.id for p in made.train
    )


def test_the_shortest_right_answer_is_an_example(tmp_path: Path) -> None:
    made = data(tmp_path, ShortestData)
    said = {made.policy.decode(one.response_tokens) for one in made.train}
    assert said == {f"<think></think>\\boxed{{{problem.answer}}}" for problem in SOURCE.train}
    assert len(made.held_out) == 2


def test_rows_can_be_read(tmp_path: Path) -> None:
    data(tmp_path)
    found = rows(tmp_path)
    assert [row["id"] for row in found] == [p.id for p in (*SOURCE.train, *SOURCE.held_out)]
    first = found[0]
    assert first["question"] == SOURCE.train[0].prompt[0]["content"]
    assert first["right"] == 2
    assert [one["right"] for one in first["samples"]] == [True, True, False, False]
    assert [one["finish"] for one in first["samples"]] == ["stop", "stop", "stop", "length"]
    assert first["samples"][3]["length"] == 40


def test_another_stage_of_the_same_model_draws_nothing(tmp_path: Path) -> None:
    data(tmp_path)
    again = data(tmp_path, ShortestData, engine=Silent())
    assert len(again.train) == 3


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    """The second row is torn: it and those behind it are drawn again."""
    data(tmp_path)
    (file,) = tmp_path.glob("samples/*/samples.jsonl")
    whole = file.read_text()
    file.write_text(whole[: whole.index("\n") + 40])
    data(tmp_path)
    assert file.read_text() == whole


def test_another_model_makes_its_own_and_takes_no_other(tmp_path: Path) -> None:
    data(tmp_path)
    (folder,) = tmp_path.glob("samples/*")
    data(tmp_path, seed=1)
    assert len(list(tmp_path.glob("samples/*"))) == 2
    assert len(data(tmp_path, ShortestData, engine=Silent(), samples_from=str(folder)).train) == 3
    with pytest.raises(ConfigError, match="made otherwise: weights is"):
        data(tmp_path, seed=1, samples_from=str(folder))
    with pytest.raises(ConfigError, match="samples_from=absent: no samples there"):
        data(tmp_path, samples_from="absent")
    with pytest.raises(ConfigError, match="made otherwise: drawing is"):
        data(tmp_path, samples_from=str(folder), drawing=Drawing(max_response_tokens=40))


def test_problems_that_teach_nothing_are_counted(tmp_path: Path) -> None:
    """One problem without a right answer; one whose answers are all alike."""
    model = policy()
    engine = scripted(model)
    none, same = (model.encode(problem) for problem in SOURCE.train[:2])
    engine.responses[none] = engine.responses[none][2:]
    engine.responses[same] = engine.responses[same][:1]
    made = data(tmp_path, engine=engine)
    report = json.loads((tmp_path / "run/samples.json").read_text())["train"]
    assert report == {
        "problems": 3,
        "used": 1,
        "items": len(made.train),
        "left out: all equally long": 1,
        "left out: no correct sample": 1,
    }


def test_a_run_without_anything_to_learn_from_stops(tmp_path: Path) -> None:
    model = policy()
    endless = scripted(model, lambda _: ["<think>" + " no" * 60])
    with pytest.raises(ConfigError, match=r"no problem's samples teach anything.*no correct"):
        data(tmp_path, engine=endless)
    alone = Drawing(samples_per_problem=1, max_response_tokens=40)
    with pytest.raises(ConfigError, match="left out: a single sample': 3"):
        data(tmp_path, drawing=alone)


def test_values_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ratio=0\.5"):
        data(tmp_path, ratio=0.5)
    with pytest.raises(ValueError, match="pairs_per_problem=0"):
        data(tmp_path, pairs_per_problem=0)
    with pytest.raises(ValueError, match="temperature=0"):
        Drawing(temperature=0.0)
    with pytest.raises(ValueError, match="samples_per_problem=0"):
        Drawing(samples_per_problem=0)


def test_problems_that_do_not_fit_are_named(tmp_path: Path) -> None:
    """A context of 160 tokens has no room for any prompt and 159."""
    long = Drawing(samples_per_problem=4, max_response_tokens=159)
    with pytest.raises(
        ValueError, match=r"(?s)5 of 5 problems.*tokens=159 exceed the model's context"
    ):
        data(tmp_path, drawing=long)

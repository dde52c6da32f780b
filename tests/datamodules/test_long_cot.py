"""The warm-up set: written once, verified, kept where a person can read it, then learned.

Asked to plan, the model is right at length and once wrong; asked plainly, right and short.
"""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch

from k15.config import ConfigError
from k15.datamodules.long_cot import LongCotData
from k15.engines.protocol import RolloutEngine
from k15.engines.scripted import ScriptedEngine
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.problems.sources import TaskSource
from k15.rewards.task import TaskReward
from k15.rollouts.drawing import Drawing
from k15.rollouts.traces import Demonstrated, Prompted, Traces
from k15.tasks.make24 import Make24
from k15.types import Problem

DRAWING = Drawing(samples_per_problem=3, max_response_tokens=60)
TEMPLATES = {"plan": "{question} no no:", "plain": "{question}"}


def source(modality: str = "text") -> TaskSource:
    return TaskSource(Make24(modality=modality), train_problems=3, held_out_problems=2)


def policy(modality: str = "text") -> Policy:
    torch.manual_seed(0)
    return tiny_policy(
        words=Make24().words, modality=modality, hidden_size=32, layers=1, context=160
    )


def said(form: str, answer: str) -> list[str]:
    """The right one that is longest, one that is shorter, and a wrong one or one without end."""
    if form == "plan":
        thoughts = "<think> no no no no</think>", "<think> no</think>"
        return [*(f"{one}\\boxed{{{answer}}}" for one in thoughts), "<think>" + " no" * 70]
    return [f"<think></think>\\boxed{{{answer}}}", "<think> yes</think>", "<think> no</think>"]


def scripted(by: Policy, problems: TaskSource) -> ScriptedEngine:
    traces = Prompted(by, ScriptedEngine({}), problems, drawing=DRAWING, templates=TEMPLATES)
    return ScriptedEngine(
        {
            by.encode(asked): [by.encode_response(text) for text in said(form, problem.answer)]
            for problem in (*problems.train, *problems.held_out)
            for form, asked in traces.forms(problem).items()
        }
    )


class Silent(RolloutEngine):
    """There is nothing to write."""

    def generate(self, requests, sampling):
        raise AssertionError("asked again")


def data(
    folder: Path,
    *,
    engine: RolloutEngine | None = None,
    traces: Traces | None = None,
    modality: str = "text",
    run: str = "run",
    **settings,
) -> LongCotData:
    by, problems = policy(modality), source(modality)
    own = Prompted(
        by, engine or scripted(by, problems), problems, drawing=DRAWING, templates=TEMPLATES
    )
    made = LongCotData(
        policy=by,
        source=problems,
        traces=traces or own,
        rewards={"answer": TaskReward(problems.task)},
        samples=str(folder / "samples"),
        run_dir=str(folder / run),
        **settings,
    )
    made.prepare_data()
    made.setup("fit")
    return made


def kept(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "long_cot.jsonl").read_text().splitlines()]


def test_the_bare_question_is_learned_with_the_longest_right_answers(tmp_path: Path) -> None:
    """Two for each of three problems: what planning brought, and the plain one."""
    made = data(tmp_path)
    by = made.policy
    expected = [
        (by.encode(problem), by.encode_response(said(form, problem.answer)[0]))
        for problem in source().train
        for form in ("plan", "plain")
    ]
    assert [(one.prompt_tokens, one.response_tokens) for one in made.train] == expected
    assert len(made.held_out) == 4
    rows = kept(tmp_path / "run")
    first = source().train[0]
    assert rows[0] == {
        "id": f"{first.id} (plan)",
        "problem": first.id,
        "form": "plan",
        "messages": [
            {"role": "user", "content": first.prompt[0]["content"]},
            {"role": "assistant", "content": said("plan", first.answer)[0]},
        ],
        "images": [],
        "answer": first.answer,
        "tokens": len(expected[0][1]),
    }
    report = json.loads((tmp_path / "run/samples.json").read_text())
    assert report["train"] == {
        "problems": 3,
        "used": 3,
        "traces": 6,
        "left out: no correct sample": 0,
    }
    assert report["right"] == {"plan": "10 of 15", "plain": "5 of 15"}
    assert len(data(tmp_path, run="less", traces_per_problem=1, problems=2).train) == 2


def test_pictures_are_learned_from_and_lie_beside_the_file(tmp_path: Path) -> None:
    first = source("image")
    first.train, first.held_out = first.train[:1], first.held_out[:0]  # all prompts are alike
    engine = scripted(policy("image"), first)
    made = data(tmp_path, modality="image", engine=engine, problems=1, held_out_problems=0)
    assert [len(one.images) for one in made.train] == [1, 1]
    row = kept(tmp_path / "run")[0]
    assert row["messages"][0]["content"] == "<image>:"
    (name,) = row["images"]
    assert (tmp_path / "run" / name).is_file()


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    """Neither by another run, nor by one that was killed in the third row, nor by a resumed one,
    which learns what the file says, by whomever it was mended.
    """
    data(tmp_path)
    data(tmp_path, engine=Silent(), run="other")
    (file,) = tmp_path.glob("samples/*/samples.jsonl")
    whole = file.read_text()
    lines = whole.splitlines(keepends=True)
    file.write_text("".join(lines[:2]) + lines[2][:40])
    data(tmp_path, run="killed")
    assert file.read_text() == whole
    mended = tmp_path / "run" / "long_cot.jsonl"
    mended.write_text("".join(mended.read_text().splitlines(keepends=True)[1:]))
    assert len(data(tmp_path, engine=Silent()).train) == 5


def test_demonstrations_are_verified(tmp_path: Path) -> None:
    """A hasty demonstrator is often wrong; what is kept is right."""
    problems = source()
    by = policy()
    made = data(tmp_path, traces=Demonstrated(by, problems), problems=40)
    report = json.loads((tmp_path / "run/samples.json").read_text())["train"]
    assert 0 < report["used"] < report["problems"] <= 40 and report["used"] == len(made.train)
    task = problems.task
    asked = {problem.id: problem for problem in made.source.train}
    for row in kept(tmp_path / "run"):
        if row["problem"] in asked:
            problem = asked[row["problem"]]
            assert task.check(problem, row["messages"][-1]["content"]) == 1.0


def test_problems_that_cannot_be_asked_are_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Forgetful(Prompted):
        def forms(self, problem: Problem) -> dict[str, Problem]:
            if problem == self.source.train[0]:
                problem = replace(problem, prompt=({"role": "user", "content": ":" * 150},))
            return super().forms(problem)

    by, problems = policy(), source()
    made_by = Forgetful(by, scripted(by, problems), problems, drawing=DRAWING, templates=TEMPLATES)
    with pytest.raises(ValueError, match=r"1 of 5 problems cannot be used(.|\n)*prompt of 15\d"):
        data(tmp_path, traces=made_by)
    assert len(data(tmp_path, traces=made_by, max_refused=0.5).train) == 4
    assert "they are left out" in capsys.readouterr().out


def test_a_set_without_a_right_trace_stops_the_run(tmp_path: Path) -> None:
    class Wrong(Demonstrated):
        def problems(self, split, number):
            found = super().problems(split, number)
            rng = Random(0)
            for one in found:
                self.responses[one.id] = f"<think>{rng.choice([' no', ' yes'])}</think>"
            return found

    with pytest.raises(ConfigError, match=r"no trace is right.*'problems': 3, 'used': 0"):
        data(tmp_path, traces=Wrong(policy(), source()))
    assert not (tmp_path / "run" / "long_cot.jsonl").exists()
    with pytest.raises(ConfigError, match=r"datamodule\.problems=0: must be at least 1"):
        data(tmp_path, problems=0)


def test_without_held_out_problems_there_is_no_validation(tmp_path: Path) -> None:
    made = data(tmp_path, held_out_problems=0)
    assert made.held_out == [] and list(made.val_dataloader()) == [] and len(made.train) == 6

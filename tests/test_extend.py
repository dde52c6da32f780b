"""docs/extend.md: its files are written down, its commands run, and its classes are really used."""

import ast
import csv
import importlib.util
import json
import os
import re
import shlex
import shutil
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest
import yaml
from omegaconf import OmegaConf

from k15 import runs
from k15.config import build, load
from k15.types import Rollout, RolloutGroup
from tests.programs import Program

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extend.md").read_text()
COMMANDS = re.findall(r"^(?:\w+=\S+ )*python \S*train\.py .*$", PAGE, re.MULTILINE)
SMALL = [
    "start_from=null",
    "model.hidden_size=32",
    "model.intermediate_size=64",
    "data.train_problems=40",
    "data.held_out_problems=8",
    "data.max_response_tokens=24",
    "datamodule.plan.cut_unfinished=false",
    "sizes.problems_per_iteration=8",
    "sizes.samples_per_problem=4",
    "sizes.minibatches_per_iteration=1",
    "module.drop_zero_advantage=false",
    "logger=csv",
    "trainer.max_epochs=2",
    "run_dir=run",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the files of the page; blocks with the same first line are one file."""
    files = defaultdict(str)
    for name, text in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        files[name] += text
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    shutil.copy(ROOT / "train.py", tmp_path)
    return tmp_path


def run(line: str, folder: Path, *more: str, code: int = 0) -> str:
    """A command of the page: `train.py` lies beside the project, `path/to/train.py` elsewhere."""
    words = shlex.split(line)
    start = words.index("python")
    script = {"train.py": "train.py", "path/to/train.py": str(ROOT / "train.py")}[words[start + 1]]
    said = dict(word.split("=") for word in words[:start])
    program = Program([script, *words[start + 2 :], *more], folder, {**os.environ, **said})
    output = program.output(200)
    assert program.returncode == code, output[-6000:]
    return output


def rows_of(folder: Path) -> list[list[dict]]:
    """The rollouts of each iteration."""
    files = sorted((folder / "run" / "rollouts").glob("*.jsonl"))
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def logged(folder: Path, name: str) -> list[float]:
    with (folder / "run" / "csv" / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def running_rates(rows: list[dict], rates: dict[str, float]) -> dict[str, float]:
    """s <- s/2 + rate/2 for each group of four rows; the first group sets s."""
    for start in range(0, len(rows), 4):
        name = rows[start]["problem"]
        rate = sum(row["outcome"] for row in rows[start : start + 4]) / 4
        rates[name] = 0.5 * rates.get(name, rate) + 0.5 * rate
    return rates


def worse_than_the_mean(rows: list[dict]) -> float:
    """The share of responses whose reward is below that of the other three."""
    groups = [[row["reward"] for row in rows[i : i + 4]] for i in range(0, len(rows), 4)]
    worse = [reward < sum(group) / 4 - 1e-9 for group in groups for reward in group]
    return sum(worse) / len(worse)


def test_each_extension_is_shorter_than_thirty_lines_and_an_engine_than_sixty(
    project: Path,
) -> None:
    engine = ast.parse((project / "my_engine.py").read_text()).body[-1]
    assert engine.end_lineno - engine.lineno + 1 < 60
    files = (project / name for name in ("my_project.py", "my_graders.py"))
    nodes = [node for file in files for node in ast.parse(file.read_text()).body]
    lines = {n.name: n.end_lineno - n.lineno + 1 for n in nodes if hasattr(n, "name")}
    assert lines.keys() == {"Brief", "Frontier", "one_sided", "Sorting", "Estimate"}
    assert max(lines.values()) < 30


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_compose_and_say_what_they_should(line: str, project: Path) -> None:
    config = OmegaConf.create(run(line, project, "--cfg"))
    assert re.search(r"\bmy_(project|graders|engine)\.", OmegaConf.to_yaml(config))
    for key, value in re.findall(r"(\w+\.[\w.]+)=(\S+)", line):
        assert OmegaConf.select(config, key) == yaml.safe_load(value), key


def test_keys_of_the_old_class_are_refused_by_name(project: Path) -> None:
    """As the page says of `sampler=curriculum`."""
    line = "python train.py stage=rl sampler=curriculum sampler._target_=my_project.Frontier"
    message = run(line, project, code=2)
    assert "sampler.schedule: my_project.Frontier has no parameter schedule" in message


def test_a_module_elsewhere_has_to_be_importable(project: Path) -> None:
    """Without the page's PYTHONPATH the message names the module."""
    line = next(line for line in COMMANDS if line.startswith("PYTHONPATH"))
    message = run(line.removeprefix("PYTHONPATH=. "), project, code=2)
    assert "rewards.brief._target_: no module my_project" in message


def test_one_grader_serves_a_reward_and_a_benchmark(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """19 is within 10 % of 20, not within 1 %; 15 is not, and "many" is no number."""
    (project / "my_questions.jsonl").write_text('{"problem": "How many?", "answer": 20}\n')
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(project)
    texts = ["About 19.", "15", "many", "20.0"]

    benchmark = build(load("evaluate", ["benchmark=my_estimates.yaml"]).benchmark.my_estimates)
    (problem,) = benchmark.problems()
    verdicts = [benchmark.grade(problem, text) for text in texts]
    assert [verdict.extracted for verdict in verdicts] == ["19", "15", None, "20.0"]
    assert [verdict.correct for verdict in verdicts] == [True, False, False, True]

    words = ["stage=rl", "data=math", "data.path=my_questions.jsonl", "rewards=my_rewards.yaml"]
    group = RolloutGroup(
        problem=problem,
        prompt_tokens=(1,),
        rollouts=tuple(Rollout(text=text, finish="stop") for text in texts),
    )
    for percent, scores in ((10, [1, 0, 0, 1]), (1, [0, 0, 0, 1])):
        config = load("train", [*words, f"rewards.answer.grader.percent={percent}"])
        assert build(config.rewards)["answer"].score(group) == scores


@pytest.mark.parametrize("task", ["task._target_=my_project.Sorting", "task=my_task.yaml"])
def test_earlier_stages_hear_of_the_task(
    task: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(project)
    configs = runs.stages_to_run(["stage=rl", task])
    assert [runs.stage(config) for config in configs] == ["pretrain", "sft", "rl"]
    assert {config.task._target_ for config in configs} == {"my_project.Sorting"}


def test_the_task_grades_its_own_demonstrations(project: Path) -> None:
    """Patient ones end right; a single guess is right if it says so."""
    spec = importlib.util.spec_from_file_location("page_project", project / "my_project.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    task, grades = module.Sorting(levels=[1]), set()
    for index in range(40):
        problem, rng = task.problem(index), Random(index)
        patient = task.demonstrate(problem, rng, max_trials=1000, give_up=0.0)
        hasty = task.demonstrate(problem, rng, max_trials=1, give_up=0.5)
        assert task.check(problem, patient) == 1.0
        assert task.check(problem, hasty) == float(" yes" in hasty)
        grades.add(task.check(problem, hasty))
    assert grades == {0.0, 1.0}


def test_one_run_uses_reward_sampler_loss_and_task(project: Path) -> None:
    """Every figure is computed again from the rollouts on disk."""
    (line,) = (line for line in COMMANDS if "experiment=" in line)
    run(line, project, *SMALL)
    first, second = rows_of(project)
    for row in (*first, *second):
        assert re.fullmatch(r"( \d+){3,4}:", row["prompt"])
        assert row["parts"]["brief"] == float(row["tokens"] <= 20)
        assert row["reward"] == pytest.approx(row["outcome"] + 0.2 * row["parts"]["brief"])
    assert {row["parts"]["brief"] for row in first} == {0.0, 1.0}

    rates: dict[str, float] = {}
    means = []
    for rows in (first, second):
        rates = running_rates(rows, rates)
        seen = sum(max(0.1, 4 * s * (1 - s)) for s in rates.values())
        means.append((seen + 40 - len(rates)) / 40)
    assert logged(project, "sampler/weight_mean") == pytest.approx(means, rel=1e-5)
    worse = [worse_than_the_mean(first), worse_than_the_mean(second)]
    assert logged(project, "train/worse") == pytest.approx(worse, rel=1e-5)
    assert min(worse) > 0


def test_one_run_uses_the_engine(project: Path) -> None:
    """Steps are large: the log-probabilities are those of each iteration's own weights."""
    (line,) = (line for line in COMMANDS if "my_engine" in line)
    more = ["learning_rates.rl=0.01", "objective=reinforce", "rewards.length.weight=0.5"]
    more += ["data.max_response_tokens=12", "data.held_out_problems=2"]
    run(line, project, *SMALL, *more)
    mismatch = logged(project, "train/engine_mismatch")
    assert len(mismatch) == 2 and 0 < max(mismatch) < 1e-5
    versions = {row["versions"][0] for row in rows_of(project)[1]}
    assert versions == {1}

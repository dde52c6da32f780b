"""Several sources in one run: pools, words and demonstrations; each domain has its own verifier."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from k15 import runs
from k15.config import build, load
from k15.datamodules.demonstrations import DemonstrationData
from k15.datamodules.pictures import PictureData
from k15.models.tiny import tiny_policy, word_tokenizer
from k15.problems.mixture import MixedSource
from k15.problems.record_source import RecordSource
from k15.problems.sources import TaskSource, demonstrations
from k15.rewards.scorer import Scorer
from k15.tasks.make24 import Make24
from k15.tasks.programs import Programs
from k15.types import Problem, Rollout, RolloutGroup, Segment
from tests.test_train import run

MIXED = ["stage=rl", "data=mixed", "task.modality=image"]
VERIFIED_BY = {"math": "answer", "vision": "answer", "code": "code"}


def mixed(weights: dict[str, float] | None = None, problems: int = 6, **settings) -> MixedSource:
    tasks = {"math": Make24(), "code": Programs(), "vision": Make24(modality="image")}
    sources = {
        name: TaskSource(task, train_problems=problems, held_out_problems=20)
        for name, task in tasks.items()
    }
    return MixedSource(sources, weights=weights, **settings)


def group(problem: Problem, *texts: str) -> RolloutGroup:
    segment = Segment(tokens=(7,), logps=(-0.5,), version=0)
    rollouts = tuple(Rollout(segments=(segment,), finish="stop", text=text) for text in texts)
    return RolloutGroup(problem=problem, prompt_tokens=(1,), rollouts=rollouts)


@pytest.fixture(scope="module")
def rewards(local_sandbox: None) -> Iterator[Scorer]:
    """configs/rewards/mixed.yaml, with a sandbox that runs."""
    scorer = Scorer(build(load("train", MIXED).rewards))
    yield scorer
    scorer.rewards["code"].grader.close()


def test_pools_follow_each_other_and_both_forms_of_a_question_keep_apart() -> None:
    source = mixed(held_out_problems=5)
    assert len(source.train) == 18 and len(source.held_out) == 15
    assert len({problem.id for problem in (*source.train, *source.held_out)}) == 33
    text, picture = source.train[2], source.train[14]
    assert (text.id, picture.id) == ("math/make24-train-0-2", "vision/make24-train-0-2")
    assert (text.domain, picture.domain) == ("math", "vision")
    assert text.meta["twin"] == picture.meta["twin"]


def test_what_a_task_gives_is_unchanged_but_for_its_id() -> None:
    alone = TaskSource(Programs()).demonstration(4)
    mix = mixed({"math": 1e-9, "code": 1.0, "vision": 1e-9})
    problem, response = mix.demonstration(4)
    assert problem.id == f"code/{alone[0].id}" and response == alone[1]
    assert (problem.prompt, problem.tests) == (alone[0].prompt, alone[0].tests)


def test_words_are_all_words_once_and_split_each_task_as_its_own_do() -> None:
    words = mixed().words
    assert len(words) == len(set(words)) == len({*Make24().words, *Programs().words})
    together = word_tokenizer(words)
    for task in (Make24(), Programs()):
        own = word_tokenizer(task.words)
        for index in range(30):
            problem = task.problem(index)
            shown = task.demonstrate(problem, Random(index), max_trials=9, give_up=0.2)
            for text in (problem.prompt[0]["content"], shown):
                assert together.tokenize(text) == own.tokenize(text)


def test_one_source_of_free_text_makes_it_free_text(tmp_path: Path) -> None:
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(f'{{"problem": "{i}+1?", "answer": {i + 1}}}\n' for i in range(60)))
    sums = RecordSource(str(file), max_response_tokens=200)
    source = MixedSource({"sums": sums, "make24": TaskSource(Make24(), max_response_tokens=50)})
    assert source.words == () and source.max_response_tokens == 200
    assert MixedSource({"sums": sums}, max_response_tokens=30).max_response_tokens == 30


def test_demonstrations_follow_the_weights_and_their_number() -> None:
    """Of 600, the shares 1/2, 1/3, 1/6 give 300, 200, 100; the standard deviation is at most 13."""
    source = mixed({"math": 3.0, "code": 2.0, "vision": 1.0})
    drawn = [source.demonstration(i) for i in range(600)]
    counts = Counter(problem.domain for problem, _ in drawn)
    for domain, expected in {"math": 300, "code": 200, "vision": 100}.items():
        assert abs(counts[domain] - expected) < 52  # four standard deviations
    again = [source.demonstration(i) for i in range(20)]
    assert [(p.id, r) for p, r in again] == [(p.id, r) for p, r in drawn[:20]]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"math": 1.0, "code": 1.0}, "sources are math, code, vision"),
        ({"math": 1.0, "code": 1.0, "vision": 0.0}, r"weights.vision=0.0: must be positive"),
        ({"math": 1.0, "code": 1.0, "vision": float("nan")}, r"weights.vision=nan"),
    ],
)
def test_weights_that_cannot_work_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mixed(weights)


def test_stages_of_the_vision_tower_pass_over_what_has_no_picture() -> None:
    source = mixed()
    pictures = PictureData(source=source, pictures=40, held_out_pictures=10)
    pictures.setup("fit")
    assert [len(pictures.train), len(pictures.held_out)] == [40, 10]
    assert all("patch_words" in problem.meta for problem in (*pictures.train, *pictures.held_out))
    shown = DemonstrationData(
        policy=tiny_policy(words=source.words, modality="image"),
        source=source,
        tokens=2000,
        held_out_examples=10,
        pictures_only=True,
    )
    shown.setup("fit")
    assert all(example.images for example in (*shown.train, *shown.held_out))
    every = islice(demonstrations(source, 0, "train"), 60)
    assert {problem.domain for problem, _ in every} == {"math", "code", "vision"}


def test_the_warm_up_mixes_the_same_domains_and_begins_on_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stages = runs.stages_to_run(MIXED)
    names = [runs.stage(config) for config in stages]
    assert names == ["pretrain", "align", "vision", "joint", "sft", "rl"]
    assert {config.choices.data for config in stages} == {"mixed"}
    forms = [config.task.modality for config in stages]
    assert forms == ["text", *["image"] * 5]


@pytest.mark.parametrize("domain", VERIFIED_BY)
def test_each_domain_is_scored_by_its_own_verifier(rewards: Scorer, domain: str) -> None:
    """A patient demonstration of level 1 is right; its program runs in the sandbox."""
    task = build(load("train", MIXED).data).sources[domain].task
    problem = task.problem(0)
    right = task.demonstrate(problem, Random(0), max_trials=1000, give_up=0.0)
    scored = rewards.score(group(problem, right, "nothing"))
    assert scored is not None and scored.outcome == scored.reward == (1.0, 0.0)
    verifiers = {name for name in scored.parts if rewards.rewards[name].outcome}
    assert verifiers == {VERIFIED_BY[domain]}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("rewards")
def test_one_run_trains_on_all_three(tmp_path: Path) -> None:
    """From fresh weights: nothing is right yet, but every response is scored and trained on."""
    pools = [f"data.sources.{name}.train_problems=12" for name in VERIFIED_BY]
    small = [
        "start_from=null",
        "model.hidden_size=32",
        "model.intermediate_size=64",
        "data.max_response_tokens=16",
        "data.held_out_problems=4",
        "datamodule.plan.cut_unfinished=false",
        "sizes.problems_per_iteration=16",
        "sizes.samples_per_problem=2",
        "sizes.minibatches_per_iteration=2",
        "module.drop_zero_advantage=false",
        "trainer.max_epochs=1",
        "run_dir=run",
    ]
    run(tmp_path, *MIXED, *pools, *small)
    (file,) = (tmp_path / "run" / "rollouts").glob("*.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 20 * 2  # oversampling 1.25: none was dropped
    assert {row["problem"].partition("/")[0] for row in rows} == set(VERIFIED_BY)
    for row in rows:
        verified = row["parts"].keys() & {"answer", "code"}
        assert verified == {VERIFIED_BY[row["problem"].partition("/")[0]]}
    history = json.loads((tmp_path / "run" / "summary.json").read_text())["history"]
    assert {f"val/accuracy/{domain}" for domain in VERIFIED_BY} <= history[-1].keys()
    assert history[-1]["val/reward/groups_dropped"] == 0

"""RLDataModule under a real Trainer: on policy in every iteration, honest about unusable problems,
exact after a restore.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from PIL import Image
from torch import Tensor

from k15.config import ConfigError
from k15.datamodules.rl import RLDataModule
from k15.datamodules.samplers import Prioritized
from k15.engines.scripted import ScriptedEngine
from k15.engines.sync import sync
from k15.losses.advantages import mean_baseline
from k15.losses.mirror_descent import mirror_descent
from k15.models.policy import Policy
from k15.models.tiny import IMAGE, tiny_policy
from k15.modules.rl import RLModule
from k15.problems.sources import TaskSource
from k15.rewards.task import TaskReward
from k15.rollouts.plan import RolloutPlan
from k15.sizes import Sizes
from k15.tasks.make24 import Make24
from k15.types import Experience, Problem

TASK = Make24()
SIZES = Sizes(problems_per_iteration=4, samples_per_problem=2, minibatches_per_iteration=2)


class Recording(ScriptedEngine):
    """Keeps the weights it is given, and notes with which ones it generates."""

    def __init__(self, policy: Policy, source: TaskSource) -> None:
        script = {}
        for problem in (*source.train, *source.held_out):
            right = f"<think></think>\\boxed{{{problem.answer}}}"
            script[policy.encode(problem)] = [
                policy.encode_response(text) for text in (right, f"<think> no{right[7:]} no")
            ]
        super().__init__(script)
        self.names = [name for name, _ in policy.model.named_parameters()]
        self.loads: list[int] = []
        self.calls: list[tuple[int, Tensor]] = []

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        super().load_weights(weights, version)
        self.loads.append(version)
        given = dict(weights)
        self.weights = torch.cat([given[name].detach().flatten() for name in self.names])

    def generate(self, requests, sampling):
        self.calls.append((self.version, self.weights.clone()))
        return super().generate(requests, sampling)


class Watching(Callback):
    """The weights at the start of each iteration, and what was collected in it."""

    def __init__(self) -> None:
        self.starts: list[Tensor] = []
        self.experiences: list[Experience] = []

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        parameters = pl_module.model.parameters()
        self.starts.append(torch.cat([p.detach().flatten() for p in parameters]))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.experiences.append(batch)


def datamodule(train: Sequence[Problem] | None = None, **settings) -> RLDataModule:
    torch.manual_seed(0)
    policy = tiny_policy(words=TASK.words, hidden_size=32, layers=1, context=160)
    source = TaskSource(TASK, train_problems=40, held_out_problems=5)
    if train is not None:
        source.train = train
    plan = {"max_response_tokens": 128, "segment_tokens": 3} | settings.pop("plan", {})
    defaults = {
        "engine": Recording(policy, source),
        "sampler": Prioritized(),
        "rewards": {"answer": TaskReward(TASK, domains=["math"])},
        "plan": RolloutPlan(sizes=SIZES, **plan),
    }
    return RLDataModule(policy=policy, source=source, **(defaults | settings))


def trainer(*callbacks: Callback, epochs: int = 1) -> Trainer:
    return Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def module(data: RLDataModule) -> RLModule:
    return RLModule(
        data.policy,
        engine=data.collector.engine,
        loss=partial(mirror_descent, tau=0.5),
        advantage=mean_baseline,
        learning_rate=1e-3,
        sizes=SIZES,
    )


def on_its_own(data: RLDataModule) -> RLDataModule:
    """Ready to collect without training, as iteration 0 and version 0."""
    data.setup("fit")
    data.trainer = trainer()
    sync(data.collector.engine, data.policy.model, 0)
    return data


def test_every_iteration_is_collected_with_the_weights_it_starts_from() -> None:
    """Lightning fetches one batch ahead if it does not know the length: that would be version k - 1
    in iteration k.
    """
    data, watching = datamodule(plan={"segment_tokens": None}), Watching()
    fit = trainer(watching, epochs=4)
    fit.limit_val_batches = 0
    fit.fit(module(data), data)
    engine = data.collector.engine
    assert [version for version, _ in engine.calls] == [0, 1, 2, 3]
    for (_, weights), start in zip(engine.calls, watching.starts, strict=True):
        assert torch.equal(weights, start)
    assert not torch.equal(watching.starts[0], watching.starts[1])
    for iteration, experience in enumerate(watching.experiences):
        assert experience.iteration == iteration and len(experience.groups) == 4
        segments = [s for g in experience.groups for r in g.rollouts for s in r.segments]
        assert {segment.version for segment in segments} == {iteration}


def test_validation_sees_the_newest_weights_and_nothing_is_sent_twice() -> None:
    """Before training version 0; after iteration k version k + 1, which the next one takes over."""
    data, watching = datamodule(), Watching()
    rl = module(data)
    fit = trainer(watching, epochs=2)
    fit.validate(rl, data, verbose=False)
    fit.fit(rl, data)
    fit.validate(rl, data, verbose=False)
    engine = data.collector.engine
    # validate | collect, validate | collect, validate | validate
    assert [version for version, _ in engine.calls] == [0, 0, 1, 1, 2, 2]
    assert engine.loads == [0, 1, 2]
    assert torch.equal(engine.calls[2][1], watching.starts[1])
    assert fit.callback_metrics["val/accuracy"] == 1.0  # the first response of every script


def test_the_sampler_learns_from_the_groups_and_its_figures_are_reported() -> None:
    """Of the two responses to each problem one is right."""
    data = on_its_own(datamodule(plan={"segment_tokens": None}))
    (experience,) = data.train_dataloader()
    assert experience.metrics["accuracy"] == experience.metrics["sampler/success_mean"] == 0.5
    names = {group.problem.id for group in experience.groups}
    assert data.sampler.success == dict.fromkeys(names, 0.5)


def test_unusable_problems_are_named_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """One of 40 has no reward that grades its domain; the share that may be refused is 1/40."""
    problems = [TASK.problem(index) for index in range(40)]
    problems[7] = replace(problems[7], domain="code")
    data = datamodule(problems, max_refused=1 / 40)
    data.setup("fit")
    assert [p.id for p in data.train] == [p.id for i, p in enumerate(problems) if i != 7]
    said = capsys.readouterr().out
    assert f"1 of 40 problems cannot be used:\n  {problems[7].id}: domain 'code'" in said


def test_too_many_unusable_problems_stop_the_run() -> None:
    """Five are listed, all are counted."""
    problems = [TASK.problem(index) for index in range(40)]
    broken = [replace(p, domain="code") if i < 8 else p for i, p in enumerate(problems)]
    data = datamodule(broken, max_refused=0.19)
    with pytest.raises(ValueError, match=r"8 of 40 .*\n(.*\n){5}more than .*max_refused=0\.19"):
        data.setup("fit")


def test_responses_that_leave_no_room_for_a_prompt_are_one_line() -> None:
    data = datamodule([TASK.problem(0)], plan={"max_response_tokens": 160})
    with pytest.raises(ConfigError) as caught:
        data.setup("fit")
    assert str(caught.value) == (
        "data.max_response_tokens=160: the model's context of 160 tokens must hold the prompt, "
        "too; choose fewer"
    )


def test_problems_that_do_not_fit_into_the_context_are_refused() -> None:
    """A prompt of level 5 is " 24", six operands and ":" = 8 tokens; 8 + 153 > 160 >= 7 + 153."""
    problems = [TASK.problem(index) for index in range(40)]
    longest = [problem.id for problem in problems if problem.difficulty == 5]
    data = datamodule(problems, plan={"max_response_tokens": 153}, max_refused=0.5)
    data.setup("fit")
    assert sorted({p.difficulty for p in data.train}) == [1, 2, 3, 4] and len(longest) > 0
    assert len(data.train) == 40 - len(longest)
    strict = datamodule(problems, plan={"max_response_tokens": 153})
    with pytest.raises(ValueError, match=r"prompt of 8 tokens and max_response_tokens=153 .* 160"):
        strict.setup("fit")


def test_a_picture_problem_that_cannot_be_asked_is_refused_by_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its text holds the model's own placeholder; a strip is too thin for the image processor."""
    task = Make24(modality="image")
    policy = tiny_policy(words=task.words, modality="image")
    source = TaskSource(task, train_problems=8, held_out_problems=2)
    good = list(source.train)
    [message] = good[0].prompt
    literal = [*message["content"], {"type": "text", "text": IMAGE}]
    source.train = [
        replace(good[0], prompt=({**message, "content": literal},)),
        replace(good[1], images=(Image.new("RGB", (1, 1000)),)),
        *good[2:],
    ]
    data = RLDataModule(
        policy=policy,
        source=source,
        engine=ScriptedEngine({}),
        sampler=Prioritized(),
        rewards={"answer": TaskReward(task, domains=["vision"])},
        plan=RolloutPlan(sizes=SIZES),
        max_refused=0.25,
    )
    data.setup("fit")
    assert [problem.id for problem in data.train] == [problem.id for problem in good[2:]]
    said = capsys.readouterr().out
    assert f"  {good[0].id}: its prompt has the placeholder '{IMAGE}' (4) 2 times for 1" in said
    assert f"  {good[1].id}: the image processor of model.path='' refuses a picture of 1 x" in said


@pytest.mark.parametrize("cut", [False, True])
def test_a_restored_datamodule_collects_what_the_first_one_would_have(cut: bool) -> None:
    """Unfinished rollouts, success rates and the place in the random numbers come back; with `cut`
    also groups that were complete when their iteration was over.
    """
    plan = {"cut_unfinished": cut, "oversampling": 2.0 if cut else 1.0}
    first, second = (on_its_own(datamodule(plan=plan)) for _ in range(2))
    for data in (first, second):
        data.collector.engine.slots = 5
    for _ in range(4):
        list(first.train_dataloader())
    assert len(first.collector.buffer) > 0 and first.sampler.success
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        (expected,), (found,) = first.train_dataloader(), second.train_dataloader()
        assert found.groups == expected.groups
    assert any(len(r.segments) > 1 for group in found.groups for r in group.rollouts)
    assert second.sampler.success == first.sampler.success


def test_a_checkpoint_of_other_problems_is_refused() -> None:
    first = on_its_own(datamodule())
    list(first.train_dataloader())
    second = on_its_own(datamodule([TASK.problem(index) for index in range(100, 110)]))
    with pytest.raises(ValueError, match="a rollout of problem 'make24-train-0-"):
        second.load_state_dict(first.state_dict())


def test_a_checkpoint_with_groups_of_another_size_is_refused() -> None:
    first = on_its_own(datamodule())
    list(first.train_dataloader())
    second = on_its_own(datamodule())
    sizes = replace(SIZES, samples_per_problem=3)
    second.collector.plan = replace(second.collector.plan, sizes=sizes)
    with pytest.raises(ValueError, match=r"samples_per_problem=3: .* unfinished groups of 2 sam"):
        second.load_state_dict(first.state_dict())

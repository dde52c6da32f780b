"""A loss or gradient that is no number stops the run before the step."""

import json
import math
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback

from k15.callbacks.finite import StopWhenNotFinite, names
from k15.config import ConfigError
from k15.types import Example, Pack


class Poison(Callback):
    """Makes one gradient, or so many losses, what the test says, in the second iteration."""

    def __init__(
        self, gradient: float | None = None, loss: float | None = None, times: int = 9
    ) -> None:
        self.gradient, self.poisoned, self.times = gradient, loss, times

    def on_before_backward(self, trainer, pl_module, loss) -> None:
        if trainer.current_epoch == 1 and self.poisoned is not None and self.times:
            loss.data.fill_(self.poisoned)
            self.times -= 1

    def on_after_backward(self, trainer, pl_module) -> None:
        if trainer.current_epoch == 1 and self.gradient is not None:
            next(pl_module.model.parameters()).grad[0, 0] = self.gradient


class Under(Callback):
    """The problems of each iteration's micro-batches."""

    def __init__(self) -> None:
        self.problems = {}

    def on_before_backward(self, trainer, pl_module, loss) -> None:
        parts = self.problems.setdefault(trainer.current_epoch, [])
        parts.append(list(pl_module.under_way))


class Before(Callback):
    """The weights at the end of each iteration."""

    def __init__(self) -> None:
        self.weights = []

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self.weights.append({n: p.clone() for n, p in pl_module.model.state_dict().items()})


@pytest.mark.parametrize(
    ("poison", "figure"),
    [
        ({"gradient": math.nan}, "gradient_norm nan"),
        ({"gradient": -math.inf}, "gradient_norm (nan|inf)"),
        ({"loss": math.inf}, "loss inf"),
        ({"loss": math.nan}, "loss nan"),
    ],
)
def test_no_step_is_taken(poison, figure: str, run, make_policy, tmp_path: Path) -> None:
    policy, before = make_policy(), Before()
    stop = StopWhenNotFinite(policy, str(tmp_path))
    experiment = run(Poison(**poison), stop, before, policy=policy, epochs=3)
    file = tmp_path / "not_finite.json"
    with pytest.raises(ConfigError, match=rf"^iteration 2: .*{figure}.*problems are in {file}"):
        experiment.fit()
    after = policy.model.state_dict()
    assert all(torch.equal(after[name], before.weights[-1][name]) for name in after)
    found = json.loads(file.read_text())
    assert sorted(found["problems"]) == [problem.id for problem in experiment.data.problems]
    assert (found["epoch"], found["step"]) == (1, 1)


@pytest.mark.parametrize(
    ("poison", "sizes"),
    [
        ({"loss": math.nan}, {"tokens_per_microbatch": 16, "minibatches_per_iteration": 1}),
        ({"loss": math.nan}, {"minibatches_per_iteration": 2}),
        ({"gradient": math.nan}, {"minibatches_per_iteration": 2}),
    ],
    ids=["the loss of one of two micro-batches", "of a minibatch", "the gradient of a minibatch"],
)
def test_the_problems_are_those_of_the_micro_batch_or_else_of_the_minibatch(
    poison, sizes: dict[str, int], run, make_policy, tmp_path: Path
) -> None:
    """An iteration of two problems, whose first half is poisoned."""
    policy, backward = make_policy(), Under()
    stop = StopWhenNotFinite(policy, str(tmp_path))
    experiment = run(backward, Poison(**poison, times=1), stop, policy=policy, epochs=2, **sizes)
    with pytest.raises(ConfigError, match="not finite"):
        experiment.fit()
    found = json.loads((tmp_path / "not_finite.json").read_text())["problems"]
    assert found == backward.problems[1][0] and len(found) == 1


def test_finite_steps_are_taken(run, make_policy, tmp_path: Path) -> None:
    policy = make_policy()
    run(StopWhenNotFinite(policy, str(tmp_path)), policy=policy, epochs=2).fit()
    assert list(tmp_path.iterdir()) == []


def test_demonstrations_are_named_by_their_prompts(make_policy) -> None:
    policy = make_policy()
    prompt = policy.tokenizer("+a 25", add_special_tokens=False)["input_ids"]
    example = Example(prompt_tokens=tuple(prompt), response_tokens=(1,))
    assert names([example], policy) == ["+a 25"]


def test_documents_of_a_pack_are_named(make_policy) -> None:
    policy = make_policy()
    one = Example(prompt_tokens=(8,), response_tokens=(9,))
    pack = Pack(examples=(one,), lengths=(2,), names=("web/17", "web/3#2"), capacity=8)
    assert names([pack], policy) == ["web/17", "web/3#2"]
    unnamed = Pack(examples=(one, one), lengths=(2, 2), names=(), capacity=8)
    assert names([unnamed], policy) == [policy.decode((8,))] * 2

"""A finished run leaves a Hugging Face folder; an unfinished one leaves nothing to be found."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from transformers import AutoModelForCausalLM

from k15.callbacks.export import Export
from k15.config import ConfigError
from k15.models.loading import load_policy


class Raises(Callback):
    """Something goes wrong in the second iteration."""

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        if trainer.current_epoch == 1:
            raise self.exception


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """The Trainer turns Ctrl-C off when it has seen one."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def test_the_trained_weights_and_the_fingerprint_are_written(
    run, make_policy, tmp_path: Path
) -> None:
    policy, untouched = make_policy(), make_policy()
    run(Export(policy, str(tmp_path), "abc123"), policy=policy, epochs=2).fit()
    assert (tmp_path / "fingerprint").read_text() == "abc123"
    saved = load_policy(str(tmp_path / "model")).model.state_dict()
    trained, before = policy.model.state_dict(), untouched.model.state_dict()
    assert saved.keys() == trained.keys()
    assert all(torch.equal(saved[name], trained[name]) for name in saved)
    assert not all(torch.equal(saved[name], before[name]) for name in saved)


def test_the_fingerprint_is_not_there_unless_the_model_is(
    run, make_policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk while saving."""

    def full(folder) -> None:
        Path(folder).mkdir()
        raise OSError("no space left")

    policy = make_policy()
    monkeypatch.setattr(policy, "save", full)
    with pytest.raises(OSError, match="no space left"):
        run(Export(policy, str(tmp_path), "abc123"), policy=policy).fit()
    assert [path.name for path in tmp_path.iterdir()] == ["model.unfinished"]
    monkeypatch.undo()
    run(Export(policy, str(tmp_path), "abc123"), policy=policy).fit()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fingerprint", "model"]


def test_a_longer_run_puts_its_model_where_the_shorter_one_was(
    run, make_policy, tmp_path: Path
) -> None:
    policy = make_policy()
    run(Export(policy, str(tmp_path), "short"), policy=policy).fit()
    (tmp_path / "model" / "old").touch()
    run(Export(policy, str(tmp_path), "long"), policy=policy).fit()
    assert (tmp_path / "fingerprint").read_text() == "long"
    assert not (tmp_path / "model" / "old").exists()
    load_policy(str(tmp_path / "model"))


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize(
    ("exception", "ends_with"), [(KeyboardInterrupt(), SystemExit), (OSError(), OSError)]
)
def test_nothing_is_written_when_interrupted(
    exception, ends_with, run, make_policy, tmp_path: Path
) -> None:
    policy, found = make_policy(), [{"accuracy": 0.5}] * 2
    export = Export(policy, str(tmp_path), "abc123")
    experiment = run(export, Raises(exception), policy=policy, found=found, epochs=3)
    experiment.validate()
    with pytest.raises(ends_with):
        experiment.fit()
    assert experiment.trainer.current_epoch == 1
    assert list(tmp_path.iterdir()) == []


def accuracies(*values: float) -> list[dict[str, float]]:
    return [{"accuracy": value} for value in values]


class Weights(Callback):
    """The weights after each epoch."""

    def __init__(self) -> None:
        self.after: dict[int, dict[str, torch.Tensor]] = {}

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        state = pl_module.model.state_dict()
        self.after[trainer.current_epoch + 1] = {name: w.clone() for name, w in state.items()}


def moment(folder: Path, weights: Weights) -> int:
    """After which epoch a model had the weights of a folder, as plain transformers loads it."""
    state = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    same = [
        epoch
        for epoch, after in weights.after.items()
        if all(torch.equal(state[name], after[name]) for name in state)
    ]
    assert len(same) == 1
    return same[0]


def test_the_best_and_every_second_epoch_are_written(run, make_policy, tmp_path: Path) -> None:
    """Validation finds 0.9 before training, which is nobody's to keep, then 0.2, 0.6, ...; nan is
    no record, and behind the last epoch the same is found again.
    """
    policy, weights = make_policy(), Weights()
    export = Export(policy, str(tmp_path), "abc123", best="val/accuracy", every_n_epochs=2, keep=1)
    found = accuracies(0.9, 0.2, 0.6, 0.5, float("nan"), 0.6, 0.6)
    experiment = run(export, weights, policy=policy, found=found, epochs=5)
    experiment.validate()
    assert not (tmp_path / "models").exists()
    experiment.fit()
    experiment.validate()
    models = tmp_path / "models"
    assert sorted(path.name for path in models.iterdir()) == ["best", "epoch_0002", "epoch_0004"]
    assert moment(models / "best", weights) == 2 and moment(models / "epoch_0004", weights) == 4
    assert export.record == pytest.approx(0.6)


def test_lower_may_be_better(run, make_policy, tmp_path: Path) -> None:
    policy = make_policy()
    export = Export(policy, str(tmp_path), "abc123", best="val/accuracy", better="lower")
    run(export, policy=policy, found=accuracies(0.4, 0.3, 0.5), epochs=3).fit()
    models = tmp_path / "models"
    assert sorted(path.name for path in models.iterdir()) == ["best", "epoch_0002"]


def test_a_resumed_run_knows_what_to_surpass(run, make_policy, tmp_path: Path) -> None:
    """0.8 after the first epoch; the process that goes on finds 0.7, then 0.9."""
    models, policy = tmp_path / "models", make_policy()

    def export() -> Export:
        return Export(policy, str(tmp_path), "abc123", best="val/accuracy")

    first = run(export(), policy=policy, found=accuracies(0.8), epochs=1)
    first.fit()
    first.trainer.save_checkpoint(tmp_path / "first.ckpt")
    for epochs, value, best in ((2, 0.7, "epoch_0001"), (3, 0.9, "epoch_0003")):
        found = accuracies(*(0.7, value)[: epochs - 1])
        later = run(export(), policy=policy, found=found, epochs=epochs)
        later.fit(resume=str(tmp_path / "first.ckpt"))
        assert (models / "best").readlink() == Path(best)
    assert sorted(path.name for path in models.iterdir()) == ["best", "epoch_0003"]


def test_a_figure_that_validation_lacks_is_refused_before_training(
    run, make_policy, tmp_path: Path
) -> None:
    policy = make_policy()
    export = Export(policy, str(tmp_path), "abc123", best="val/acuracy")
    experiment = run(export, policy=policy, found=accuracies(0.5))
    with pytest.raises(ConfigError, match=r"no such figure; it has val/accuracy, val/held_out"):
        experiment.validate()


@pytest.mark.parametrize("settings", [{"keep": 0}, {"every_n_epochs": 0}, {"better": "up"}])
def test_settings_that_cannot_be_are_refused(settings, make_policy, tmp_path: Path) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=rf"callbacks\.export\.{name}="):
        Export(make_policy(), str(tmp_path), "abc123", **settings)

"""A finished run leaves a Hugging Face folder; an unfinished one leaves nothing to be found."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback

from k15.callbacks.export import Export
from k15.models.policy import load_policy


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

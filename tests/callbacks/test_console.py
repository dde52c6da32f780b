"""The line of an iteration shows what was logged; Ctrl-C is answered with what is kept."""

import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from lightning.pytorch import Callback

from k15.callbacks.console import Console, StepConsole
from k15.modules.language import LanguageModule
from k15.types import Example
from tests.modules.fitting import Batches, fit


class CtrlC(Callback):
    """In iteration `index`, while it trains."""

    def __init__(self, index: int) -> None:
        self.index = index

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.current_epoch == self.index:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """The Trainer turns Ctrl-C off when it has seen one."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def lines(output: str) -> list[str]:
    return [
        line
        for line in output.splitlines()
        if line.startswith(("iteration", "interrupted", "step", "held out"))
    ]


def test_a_line_per_iteration_with_the_figures_that_were_logged(run, capsys) -> None:
    """What the experience does not say is a dash; both groups carry a signal."""
    run(Console(), epochs=2).fit()
    first, second = lines(capsys.readouterr().out)
    assert first.startswith("iteration   1/2 | reward 0.38 accuracy 0.50 tokens 6.5 | ")
    assert second.startswith("iteration   2/2 | ")
    assert "rollout 2.0s 1,234 tok/s reward -s train" in first
    assert "groups 2+0 without signal, - unfinished" in first


def test_an_iteration_without_a_step_has_no_gradient(run, capsys) -> None:
    """All responses of the second of three iterations are right."""
    training = run(Console(), epochs=3)
    collect = training.data._experience

    def experience():
        batch = collect()
        if batch.iteration != 1:
            return batch
        groups = tuple(replace(group, reward=(1.0, 1.0)) for group in batch.groups)
        metrics = {name: value for name, value in batch.metrics.items() if name != "accuracy"}
        return replace(batch, groups=groups, metrics=metrics)

    training.data._experience = experience
    training.fit()
    said = lines(capsys.readouterr().out)
    assert ["accuracy -" in line for line in said] == [False, True, False]
    assert "groups 0+2 without signal" in said[1]
    shown = [line.rpartition("gradient ")[2] for line in said]
    assert shown[1] == "-" and float(shown[0]) > 0 and float(shown[2]) > 0


@pytest.mark.parametrize(
    ("iteration", "message"),
    [
        (0, "interrupted after 0 of 3 iterations; nothing to resume"),
        (2, "interrupted after 2 of 3 iterations; the same command with resume=last goes on"),
    ],
)
def test_ctrl_c_is_told_what_is_kept(iteration: int, message: str, run, capsys) -> None:
    with pytest.raises(SystemExit):
        run(Console(), CtrlC(iteration), epochs=3).fit()
    assert lines(capsys.readouterr().out)[-1] == message


def test_other_errors_speak_for_themselves(run, capsys) -> None:
    class Breaks(Callback):
        def on_train_batch_start(self, *_) -> None:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run(Console(), Breaks()).fit()
    assert lines(capsys.readouterr().out) == []


def supervised(make_policy) -> tuple[LanguageModule, Batches]:
    """Five batches, each of seven tokens."""
    batch = [Example(prompt_tokens=(30, 31), response_tokens=(5, 6, 7, 8, 1))]
    return LanguageModule(make_policy(), learning_rate=1e-2), Batches([batch] * 5, [batch])


def test_a_line_per_step_and_validation(make_policy, capsys) -> None:
    """Two batches to a step: three steps, the last one of one batch."""
    module, data = supervised(make_policy)
    trainer = fit(module, data, StepConsole(seconds=0.0), accumulate_grad_batches=2)
    trainer.validate(module, data, verbose=False)  # says the same again
    first, second, last, held_out = lines(capsys.readouterr().out)
    assert first.startswith("step      1/3 | loss 4.") and " token accuracy 0.000 | " in first
    assert " | 14 tokens " in first and " | 28 tokens " in second and " | 35 tokens " in last
    assert " tok/s | learning rate 1.0e-02 gradient " in first
    assert held_out.startswith("held out after 3 steps | loss ")


def test_only_the_first_and_the_last_step_within_the_seconds(make_policy, capsys) -> None:
    module, data = supervised(make_policy)
    fit(module, data, StepConsole(seconds=1e9))
    said = lines(capsys.readouterr().out)
    assert [line[:13] for line in said] == ["step      1/5", "step      5/5", "held out afte"]
    with pytest.raises(ValueError, match=r"callbacks\.console\.seconds=-1: choose 0 or more"):
        StepConsole(seconds=-1)


def test_ctrl_c_is_told_how_many_steps_are_made(make_policy, capsys) -> None:
    module, data = supervised(make_policy)
    with pytest.raises(SystemExit):
        fit(module, data, StepConsole(seconds=0.0), CtrlC(0))
    said = lines(capsys.readouterr().out)
    assert said == [
        "interrupted after 0 of 5 steps; the same command with resume=last goes on from the newest "
        "checkpoint, if there is one"
    ]

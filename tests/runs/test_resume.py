"""A resumed run is the run it was: its newest whole checkpoint, its settings, its data."""

import os
from pathlib import Path

import pytest

from k15 import runs
from k15.config import ConfigError
from k15.folders import whole
from k15.runs.checkpoints import Sealed, name_of

RL = ["stage=rl", "start_from=null"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(folder: Path, *names: str) -> None:
    (folder / "checkpoints").mkdir(exist_ok=True)
    for name in names:
        with whole(folder / "checkpoints" / name) as file:
            sealed = Sealed(file)
            sealed.write(b"weights")
            sealed.seal()


def started(argv: list[str], *checkpoints: str) -> Path:
    """A run that was killed when it had written these."""
    config = runs.stages_to_run(argv)[-1]
    with runs.opened(config):
        write(Path(config.run_dir), *checkpoints)
    return Path(config.run_dir)


def resume(*words: str):
    (config,) = runs.stages_to_run(list(words))
    return config


def refused(*words: str) -> str:
    with pytest.raises(ConfigError) as error:
        resume(*words)
    return str(error.value)


def test_the_newest_whole_checkpoint_is_taken(capsys) -> None:
    folder = started(RL, *map(name_of, range(4)))
    newest = folder / "checkpoints" / name_of(3)
    assert resume(*RL, "resume=last").resume == str(newest)
    newest.write_bytes(newest.read_bytes()[:-5])
    second = folder / "checkpoints" / name_of(2)
    second.write_bytes(second.read_bytes().replace(b"weights", b"weighty"))
    capsys.readouterr()
    config = resume(*RL, "resume=last")
    assert (config.resume, config.run_dir) == (
        str(folder / "checkpoints" / name_of(1)),
        str(folder),
    )
    assert capsys.readouterr().out.splitlines() == [
        f"{newest} is torn: it does not end in a checksum; it is passed over",
        f"{second} is damaged: its checksum is another; it is passed over",
    ]
    assert "it is damaged: its checksum is another" in refused(*RL, f"resume={second}")
    for number in (0, 1):
        (folder / "checkpoints" / name_of(number)).write_bytes(b"")
    assert "none of them is whole" in refused(*RL, "resume=last")


def test_the_last_run_is_the_one_that_was_started_last() -> None:
    """Not one before it that happens to have a checkpoint."""
    started(RL, name_of(0))
    folder = started(RL)
    message = refused(*RL, "resume=last")
    assert f"no checkpoint found in {folder}: it was ended before its first one" in message


def test_one_command_begins_and_goes_on(tmp_path: Path) -> None:
    """As a cluster starts it again: a run that was ended before its first checkpoint begins."""
    argv = [*RL, f"run_dir={tmp_path}/run", "resume=auto"]
    assert started(argv) == tmp_path / "run"
    assert resume(*argv).resume is None
    write(tmp_path / "run", name_of(0))
    assert resume(*argv).resume == str(tmp_path / "run" / "checkpoints" / name_of(0))
    assert "resume=auto: needs run_dir=<folder>" in refused(*RL, "resume=auto")


def test_a_run_and_a_checkpoint_can_be_named() -> None:
    folder = started(RL, name_of(0), name_of(1))
    started(RL, name_of(5))
    assert resume(*RL, f"resume={folder}").resume.endswith(name_of(1))
    chosen = folder / "checkpoints" / name_of(0)
    assert resume(*RL, f"resume={chosen}").run_dir == str(folder)


def test_a_checkpoint_without_its_run_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "lone.ckpt")
    lone = (tmp_path / "checkpoints" / "lone.ckpt").rename(tmp_path / "lone.ckpt")
    assert "is not the folder of a run" in refused(*RL, f"resume={lone}")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("learning_rates.rl.text=1.0", "learning_rates.rl.text is 0.0003 there and 1.0 here"),
        ("sizes.samples_per_problem=4", "sizes.samples_per_problem is 8 there and 4 here"),
        ("model.hidden_size=32", "model.hidden_size is 64 there and 32 here"),
        ("rewards.length.weight=1.0", "rewards.length.weight is 0.0 there and 1.0 here"),
        ("trainer.precision=64-true", "trainer.precision is 'absent' there and '64-true' here"),
        ("seed=2", "seed is 1 there and 2 here"),
        ("objective=grpo", "objective.loss._target_ is"),
    ],
)
def test_a_changed_setting_is_refused_by_name(word: str, said: str, capsys) -> None:
    folder = started(RL, name_of(0))
    assert said in refused(*RL, word, "resume=last")
    key = said.split()[0]
    assert f"resume_allow=[{key}]" in refused(*RL, word, "resume=last")
    before = (folder / "settings.json").read_text()
    allowed = f"resume_allow=[{key.partition('.')[0]}]"
    config = resume(*RL, word, "resume=last", allowed)
    assert f"from here on {key} is" in capsys.readouterr().out
    assert config.fingerprint != runs.weights_fingerprint([*RL, word])  # it is neither one's
    assert config.fingerprint != runs.weights_fingerprint(RL)
    assert (folder / "settings.json").read_text() == before
    with runs.opened(config):
        pass
    assert f"{key} is" in refused(*RL, "resume=last")  # it is changed now, back would be a change


def test_what_looks_on_may_change() -> None:
    started(RL, name_of(0))
    config = resume(*RL, "resume=last", "logger=csv", "threads=2", "callbacks.rollout_log.shown=1")
    assert config.fingerprint == runs.weights_fingerprint(RL)


def test_a_longer_run_is_always_fine_a_shorter_one_never() -> None:
    started([*RL, "trainer.max_epochs=10"], name_of(6))
    assert resume(*RL, "trainer.max_epochs=20", "resume=last").trainer.max_epochs == 20
    assert resume(*RL, "trainer.max_epochs=-1", "resume=last").trainer.max_epochs == -1
    message = refused(*RL, "trainer.max_epochs=8", "resume=last")
    assert "trainer.max_epochs is 10 there and 8 here" in message
    allowed = "resume_allow=[trainer.max_epochs]"
    assert resume(*RL, "trainer.max_epochs=7", "resume=last", allowed).trainer.max_epochs == 7
    message = refused(*RL, "trainer.max_epochs=6", "resume=last", allowed)
    assert message.startswith("trainer.max_epochs=6: 7 are done in ")


def test_changed_data_are_refused(tmp_path: Path) -> None:
    """The same path, the same ids, another answer."""
    file = tmp_path / "sums.jsonl"
    file.write_text('{"id": "a", "problem": "1+1", "answer": 2}\n')
    argv = [*RL, "data=math", f"data.path={file}"]
    started(argv, name_of(0))
    resume(*argv, "resume=last")
    file.write_text('{"id": "a", "problem": "1+1", "answer": 3}\n')
    assert f"data.path is '{file} (sha256 " in refused(*argv, "resume=last")
    resume(*argv, "resume=last", "resume_allow=[data.path]")


def test_paths_that_were_filled_in_are_those_of_the_run(tmp_path: Path) -> None:
    """Start weights and reward model, though newer ones may have been trained since."""
    start = tmp_path / "start"
    start.mkdir()
    argv = ["stage=rl", "model=hf", "model.path=x/y", f"start_from={start}"]
    started(argv, name_of(0))
    assert resume(*argv, "resume=last").model.path == str(start)
    assert "model.path is 'x/y' there and 'x/z' here" in refused(
        *argv[:2], "model.path=x/z", argv[3], "resume=last"
    )
    judged = [*RL, "rewards=reward_model"]
    folder = started(judged, name_of(0))
    path = resume(*judged, f"resume={folder}").rewards.answer.path
    assert path.startswith("outputs/reward_model/")
    with runs.opened(resume(*judged, f"resume={folder}")):
        pass
    assert resume(*judged, f"resume={folder}").rewards.answer.path == path


def test_secrets_stay_in_the_environment(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("KEY", "sk-1234")
    argv = [*RL, "rewards=code", "sandbox=e2b", "sandbox.api_key=${oc.env:KEY}"]
    folder = started(argv, name_of(0))
    for file in folder.glob("*.*"):
        assert file.is_dir() or "sk-1234" not in file.read_text(), file
    assert "sk-1234" not in capsys.readouterr().out
    monkeypatch.setenv("KEY", "sk-5678")  # renewed
    resume(*argv, "resume=last")


def test_a_new_run_does_not_mix_with_an_old_one() -> None:
    argv = [*RL, "run_dir=run"]
    planned = runs.stages_to_run(argv)[0]  # such as one that another process overtakes
    started(argv, name_of(0))
    assert "a run is there already" in refused(*argv)
    with pytest.raises(ConfigError, match="a run is there already"), runs.opened(planned):
        pass


def test_two_processes_do_not_train_in_one_folder() -> None:
    """Neither two that start, nor two that resume."""
    folder = started(RL, name_of(0))
    with runs.opened(resume(*RL, "resume=last")), pytest.raises(ConfigError) as error:
        runs.opened(resume(*RL, "resume=last")).__enter__()
    assert f"run_dir={folder}: process {os.getpid()} is writing there" in str(error.value)
    with runs.opened(resume(*RL, "resume=last")):
        pass


def test_only_the_first_of_several_ranks_opens_the_folder(monkeypatch) -> None:
    folder = started(RL, name_of(0))
    with runs.opened(resume(*RL, "resume=last")):
        monkeypatch.setenv("LOCAL_RANK", "1")
        with runs.opened(resume(*RL, "resume=last", "threads=3")):
            assert "threads: 1" in (folder / "config.yaml").read_text()

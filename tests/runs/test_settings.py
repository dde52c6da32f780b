"""What tells runs apart: every knob once, by its address, and the content of data."""

from pathlib import Path

from k15.config import load
from k15.runs.resume import changed
from k15.runs.settings import digest, settings


def of(*words: str) -> dict:
    return settings(load("train", ["stage=rl", *words]))


def test_a_knob_is_in_it_once_by_its_own_address() -> None:
    """Not as `module.learning_rate`, `module.loss.tau` or `module.sizes.samples_per_problem`."""
    usual = of()
    other = of(
        "learning_rates.rl.text=1.0", "objective.loss.tau=0.1", "sizes.samples_per_problem=4"
    )
    assert changed(usual, other) == [
        "learning_rates.rl.text",
        "objective.loss.tau",
        "sizes.samples_per_problem",
    ]
    assert other["learning_rates.rl.text"] == 1.0
    assert usual["module.learning_rate"] == "${learning_rates.rl}"


def test_what_changes_weights_is_in_it() -> None:
    usual = of()
    for word in (
        "trainer.max_epochs=3",
        "trainer.limit_train_batches=1",
        "trainer.accumulate_grad_batches=2",
        "trainer.precision=bf16-mixed",
        "trainer.gradient_clip_val=0.5",
        "rewards.length.weight=0.5",
        "rewards.more={_target_: k15.rewards.length.LengthReward}",
        "sampler=curriculum",
        "engine.slots=7",
        "task.levels=[1]",
        "callbacks.mine={_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: x}",
    ):
        assert changed(usual, of(word)), word


def test_what_looks_on_is_not() -> None:
    usual = of()
    for word in (
        "logger=csv",
        "threads=2",
        "outputs=elsewhere",
        "run_dir=here",
        "trainer.enable_progress_bar=true",
        "trainer.check_val_every_n_epoch=1",
        "trainer.accelerator=auto",
        "callbacks.rollout_log.shown=9",
        "callbacks.checkpoint.keep=9",
        "callbacks.console=null",
        "benchmark=math500",
        "prompting=direct",
    ):
        assert not changed(usual, of(word)), word


def test_paths_of_data_carry_what_lies_there(tmp_path: Path) -> None:
    """Of a file and of a folder; a path that is moved to the same content is another path."""
    file, folder = tmp_path / "sums.jsonl", tmp_path / "sums"
    for path in (file, folder):
        words = ["data=math", f"data.path={path}"]
        absent = of(*words)
        (folder / "deep").mkdir(parents=True, exist_ok=True)
        content = file if path is file else folder / "deep" / "part.jsonl"
        content.write_text("one")
        before = of(*words)
        content.write_text("two")
        after = of(*words)
        assert changed(absent, before) == changed(before, after) == ["data.path"]
        assert before["data.path"].startswith(f"{path} (sha256 ")
        content.write_text("one")
        assert of(*words) == before


def test_a_corpus_counts_by_names_and_sizes(tmp_path: Path) -> None:
    """Reading terabytes to see whether they changed would take longer than training."""
    folder = tmp_path / "texts"
    folder.mkdir()
    file = tmp_path / "own.yaml"
    sources = f"{{web: {{_target_: k15.problems.documents.files.FileDocuments, path: {folder}}}}}"
    file.write_text(f"_target_: k15.problems.documents.source.Corpus\nsources: {sources}\n")
    found = []
    for text in ("one", "two", "three"):
        (folder / "a.txt").write_text(text)
        found.append(of("stage=pretrain_text", f"corpus={file}"))
    assert not changed(*found[:2]) and changed(*found[1:]) == ["corpus.sources.web.path"]


def test_another_template_in_the_same_file_is_another_setting(tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    word = f"model.chat_template={file}"
    found = []
    for text in ("{{ messages[0].content }}", "{{ messages[0].content }}!"):
        file.write_text(text)
        found.append(of("model=hf", "model.path=x", "start_from=null", word))
    assert changed(*found) == ["model.chat_template"]


def test_a_word_that_happens_to_be_a_folder_is_a_word(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train").mkdir()
    assert of("data=math", "data.path=a/b")["data.split"] == "train"
    assert of("data=math", f"data.instruction={'long ' * 1000}")


def test_secrets_of_the_environment_are_not_in_it(monkeypatch) -> None:
    monkeypatch.setenv("KEY", "sk-1234")
    found = of("rewards=code", "sandbox=e2b", "sandbox.api_key=${oc.env:KEY}")
    assert found["sandbox.api_key"] == "${oc.env:KEY}"
    assert "sk-1234" not in str(found)


def test_the_digest_is_of_sorted_json() -> None:
    """printf '{"a": {"b": [1, 2]}, "c": 2}' | sha256sum | cut -c-10"""
    assert digest({"c": 2, "a": {"b": [1, 2]}}) == digest({"a": {"b": [1, 2]}, "c": 2})
    assert digest({"a": {"b": [1, 2]}, "c": 2}) == "e4136f9654"

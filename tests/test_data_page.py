"""docs/data.md: its files are read, its commands train, and what it shows is what is printed."""

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

from k15.models.tiny import tiny_policy
from tests.models.templates import QWEN, with_template

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "data.md").read_text()
FILES = dict(re.findall(r"^```\n# (\S+\.jsonl)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^python train\.py (stage=sft .*)$", PAGE, re.MULTILINE)
SMALL = ["logger=null", "trainer.enable_model_summary=false"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the page's files, each of its three rows again and again under other questions: 20."""
    for name, text in FILES.items():
        rows = text.splitlines()
        more = [
            re.sub(r'("(?:prompt|question|problem)": "|"user", "content": ")', rf"\g<1>{n}. ", row)
            for n, row in zip(range(17), rows * 6, strict=False)
        ]
        (tmp_path / name).write_text("\n".join([*rows, *more]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*words: str) -> None:
    runpy.run_path(str(ROOT / "train.py"))["main"]([*words])


def test_the_page_has_three_rows_of_each_kind() -> None:
    assert [*FILES] == ["pairs.jsonl", "messages.jsonl", "problems.jsonl"]
    assert all(len([json.loads(row) for row in text.splitlines()]) == 3 for text in FILES.values())
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("command", [line for line in COMMANDS if "debug" not in line])
def test_a_file_of_twenty_rows_trains(command: str, folder: Path) -> None:
    """A folder of one's own, as the page says: `model=hf model.path=...`."""
    tiny_policy(context=512, hidden_size=32, layers=1).save(folder / "mine")
    own = ["model=hf", f"model.path={folder}/mine", "model.dtype=float32"]
    train(*shlex.split(command), *own, *SMALL, "run_dir=run")
    assert len([*(folder / "run" / "checkpoints").glob("epoch=*.ckpt")]) == 2
    assert (folder / "run" / "model" / "chat_template.jinja").is_file()


def test_what_is_shown_is_what_the_page_shows(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a template that the folder lacks, from a file."""
    with_template(QWEN).save(folder / "mine")
    (folder / "mine" / "chat_template.jinja").unlink()
    (folder / "qwen.jinja").write_text(QWEN)
    own = ["model=hf", f"model.path={folder}/mine", "model.dtype=float32"]
    [command] = [line.replace("pairs", "messages") for line in COMMANDS if "debug" in line]
    with pytest.raises(SystemExit):
        train(*shlex.split(command), *own)
    assert "model.chat_template=<file>" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        train(*shlex.split(command), *own, "model.chat_template=qwen.jinja", "seed=3")
    said = capsys.readouterr().out
    [block] = re.findall(r"^```\n(<\|im_start\|>.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert ended.value.code == 0 and re.sub(r"\n\d+\. ", "\n", said).count(block) > 0
    assert not [*folder.rglob("*.ckpt")]


def test_a_plain_template_is_built_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_policy(context=512).save(folder / "mine")
    (folder / "mine" / "chat_template.jinja").unlink()
    own = ["model=hf", f"model.path={folder}/mine", "model.dtype=float32"]
    with pytest.raises(SystemExit):
        train(*shlex.split(COMMANDS[0]), *own, "model.chat_template=plain")
    said = capsys.readouterr().out
    assert re.search(r"^User: .*\n\nAssistant:⟦ \w+\.?<eos>⟧$", said, re.MULTILINE)


def test_the_prompts_of_rl_are_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train("stage=rl", "data=math", "data.path=problems.jsonl", "debug=show")
    said = capsys.readouterr().out
    assert "answer '144'" in said and "What is 12 times 12?" in said

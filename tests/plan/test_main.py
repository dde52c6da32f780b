"""The command: words of train.py and of configs/plan.yaml, tables, JSON, and what is refused."""

import json
from pathlib import Path

import pytest

from k15.plan.__main__ import divided, main

SMALL = ["stage=rl", "device=h200", "iterations=1", "first_iterations=0"]
SHAPE = (
    "shape={model_type: llama, vocab_size: 1000, hidden_size: 64, num_hidden_layers: 2, "
    "num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 96, "
    "max_position_embeddings: 4096}"
)


def printed(capsys, *words: str) -> str:
    main(words)
    return capsys.readouterr().out


def test_words_go_to_whom_they_belong() -> None:
    own, of_training = divided(["stage=rl", "device=h200", "shares.train=0.5", "trainer.devices=2"])
    assert own == ["device=h200", "shares.train=0.5"]
    assert of_training == ["stage=rl", "trainer.devices=2"]


def test_a_table_and_its_figures(capsys) -> None:
    """The built-in model on a GPU of the data sheet: 16 bytes for each of its 115,072 weights."""
    text = printed(capsys, *SMALL)
    assert "115,072 weights" in text and "fits into" in text and "seconds per iteration" in text
    found = json.loads(printed(capsys, *SMALL, "--json"))
    step = found["memory_bytes"]["step"]
    assert sum(step[name] for name in ("weights", "gradients", "optimizer")) == 16 * 115_072
    assert found["fits"] and found["iteration"]["seconds"] > 0
    assert found["parameters"]["trained"] == 115_072


def test_a_model_that_is_not_there_and_does_not_fit(capsys) -> None:
    """Its weights alone are 0.0007 GiB in float32, with AdamW 0.0028; the device has 0.001."""
    text = printed(capsys, *SMALL, SHAPE, "device.memory_gib=0.001", "--memory")
    assert "DOES NOT FIT" in text and "seconds" not in text


def test_what_no_figure_holds_is_said(capsys) -> None:
    text = printed(capsys, *SMALL, "--memory")
    assert text.splitlines()[-1] == "not counted: checkpoints, validation, the start"
    words = ["task.modality=image", "optimizer=muon", "--memory"]
    (line,) = (x for x in printed(capsys, *SMALL, *words).splitlines() if "not counted" in x)
    assert "pictures" in line and "Muon" in line


def test_more_devices_hold_less_each(capsys) -> None:
    words = [
        *SMALL,
        SHAPE,
        "trainer=ddp",
        "trainer.devices=4",
        "engine=vllm",
        "--json",
        "--memory",
    ]
    whole = json.loads(printed(capsys, *words))["memory_bytes"]["learning"]
    parts = json.loads(printed(capsys, *words, "sharding=full"))["memory_bytes"]["learning"]
    assert parts["optimizer"] == whole["optimizer"] / 4 and "DDP's buckets" not in parts


@pytest.mark.parametrize(("devices", "responses"), [(1, 16), (2, 8)])
def test_a_micro_batch_is_no_more_than_a_minibatch(capsys, devices: int, responses: int) -> None:
    """Two groups of eight in each, one on each of two ranks, though the budget has room for all."""
    sizes = ["problems_per_iteration=8", "minibatches_per_iteration=4"]
    budget = "sizes.tokens_per_microbatch=100000"
    words = [*SMALL, *(f"sizes.{size}" for size in sizes), budget, f"trainer.devices={devices}"]
    assert f"largest micro-batch: {responses} responses" in printed(capsys, *words, "--memory")


def test_a_stage_that_learns_from_texts_has_steps(capsys) -> None:
    found = json.loads(printed(capsys, "stage=sft", "device=h200", "--json"))
    assert [*found["memory_bytes"]] == ["learning", "step", "peak"]
    assert "rollout" not in found["iteration"]["parts"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stage=rl", "device=b300"], "device=b300: no such choice"),
        (["stage=rl", "device.flops=0"], "device.flops=0"),
        (["stage=rl", "lengths=no/such"], "lengths=no/such: no rollouts"),
        (["stage=long2short_merge"], "stage=long2short_merge: it takes no batches of tokens"),
        (["stage=rl", "trainer=gpu"], "device=here measures a CPU"),
        (["stage=rl", "trainer=ddp", "device=h200"], "trainer.devices=auto: say how many"),
        (["stage=rl", "trainer.precison=32"], "precison"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], message: str, capsys, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line

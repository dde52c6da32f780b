"""The whole recipe from one command, and a stage on files that is killed and goes on."""

import json
from pathlib import Path

import pytest

from tests.test_train import end, run, same_weights, typed

STAGES = ("pretrain_text", "pretrain_vision", "pretrain_joint", "cooldown", "long_context", "sft")
INHERITED = (
    "seed threads outputs model learning_rates data task corpus starts train_missing trainer"
    " inherits"
)
SMALL = [
    f"inherits=[{','.join(INHERITED.split())}]",
    "model.hidden_size=32",
    "model.intermediate_size=64",
    "model.layers=1",
    "data.train_problems=12",
    "data.held_out_problems=6",
    "data.max_response_tokens=24",
    "trainer.limit_train_batches=3",
    "trainer.limit_val_batches=1",
    "trainer.max_epochs=1",
]
RL = ["sizes.problems_per_iteration=4", "sizes.samples_per_problem=2"]
RL += ["sizes.minibatches_per_iteration=1", "module.drop_zero_advantage=false"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_command_goes_from_text_to_rl(tmp_path: Path) -> None:
    said = run(tmp_path, "stage=rl", "experiment=recipe", *SMALL, *RL, "objective=reinforce")
    for stage in STAGES:
        assert f"starts from stage={stage}, which is trained first" in said
        assert len([*tmp_path.glob(f"outputs/{stage}/*/model/model.safetensors")]) == 1
    (long,) = tmp_path.glob("outputs/long_context/*/model/config.json")
    text = json.loads(long.read_text())["text_config"]
    assert text["max_position_embeddings"] == 2048
    assert text["rope_parameters"]["rope_theta"] == 1e6
    assert [*tmp_path.glob("outputs/rl/*/model")]
    assert "padding" in said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_stage_on_files_is_killed_and_goes_on_bit_by_bit(tmp_path: Path) -> None:
    """A corpus of one's own, whose texts the byte-level model reads."""
    (tmp_path / "texts").mkdir()
    for part in range(3):
        rows = ({"text": f"{n} plus {part} makes {n + part}. " * 3} for n in range(300))
        file = tmp_path / "texts" / f"{part}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "own.yaml").write_text(
        "# Sums in words, of my own.\n_target_: k15.problems.documents.source.Corpus\nsources:\n"
        "  sums:\n    _target_: k15.problems.documents.files.FileDocuments\n"
        f"    path: {tmp_path}/texts\n"
    )
    phase = "{_target_: k15.datamodules.stream.Phase, tokens: 20000, sequence_tokens: 256,"
    settings = [
        "stage=pretrain_text",
        f"corpus={tmp_path}/own.yaml",
        "model.hidden_size=32",
        "model.layers=1",
        f"datamodule.phases={{text: {phase} weights: {{sums: 1.0}}}}}}",
        "callbacks.checkpoint.every_n_steps=2",
        "run_dir=run",
    ]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    typed(whole, *settings)
    end(killed, "checkpoints/epoch=00000-step=00000008.ckpt", *settings)
    run(killed, *settings, "resume=last")
    assert same_weights(whole / "run", killed / "run")

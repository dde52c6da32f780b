"""train.py as a user runs it: stages that find each other, runs that are killed and resumed."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from k15.models.tiny import tiny_policy
from k15.ranks.place import alone
from k15.tasks.make24 import Make24
from tests.closeness import close
from tests.programs import Program

TRAIN = Path(__file__).parents[1] / "train.py"
SMALL = [
    "start_from=null",
    "model.hidden_size=32",
    "model.intermediate_size=64",
    "data.train_problems=40",
    "data.held_out_problems=20",
    "data.max_response_tokens=24",
    "datamodule.plan.segment_tokens=10",
    "sizes.problems_per_iteration=8",
    "sizes.samples_per_problem=4",
    "sizes.minibatches_per_iteration=2",
    "module.drop_zero_advantage=false",
    "objective=reinforce",
    "rewards.length.weight=0.5",
    "sampler=curriculum_prioritized",
    "trainer.max_epochs=6",
]
DEADLINE = 600.0  # seconds


def command(*arguments: str) -> list[str]:
    return [str(TRAIN), *arguments]


def environment() -> dict[str, str]:
    """Temporary files lie on another file system than the runs."""
    return {**alone(os.environ), "OMP_NUM_THREADS": "1", "TMPDIR": "/dev/shm"}


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    folder.mkdir(exist_ok=True)
    program = Program(command(*arguments), folder, environment())
    said = program.output(DEADLINE)
    assert program.returncode == code, said[-6000:]
    return said


def typed(folder: Path, *arguments: str) -> None:
    """As a user runs it: nothing has been imported, and sets have an order of their own."""
    folder.mkdir(exist_ok=True)
    words = [sys.executable, *command(*arguments)]
    result = subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=DEADLINE
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]


def end(folder: Path, when: str, *arguments: str, by: int = signal.SIGKILL) -> str:
    """Start a run in `run`; end it as soon as there is a file in its folder that matches `when`."""
    folder.mkdir(exist_ok=True)
    program = Program(command(*arguments), folder, environment())
    deadline = time.monotonic() + DEADLINE
    while not any((folder / "run").glob(when)):
        assert program.poll() is None, "the run ended before it could be ended"
        assert time.monotonic() < deadline, f"no {when} came"
        time.sleep(0.0005)
    program.send_signal(by)
    return program.output(DEADLINE)


def same_weights(one: Path, other: Path) -> bool:
    first, second = (load_file(folder / "model" / "model.safetensors") for folder in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "ahead", [(), ("engine.copy=true", "datamodule.plan.overlap=true")], ids=["", "overlap"]
)
def test_killed_and_resumed_equals_uninterrupted_bit_by_bit(
    tmp_path: Path, ahead: Sequence[str]
) -> None:
    """Sampler, success rates, unfinished rollouts, optimizer and random state all come back, and
    what was collected ahead.
    """
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    settings = [*SMALL, "run_dir=run", "module.optimizer_state=keep", *ahead]
    typed(whole, "stage=rl", *settings)
    end(killed, "checkpoints/epoch=00001.ckpt", "stage=rl", *settings)
    for when in ("checkpoints/.epoch=00003.ckpt.*", "rollouts/iteration_0005.jsonl"):
        end(killed, when, "stage=rl", *settings, "resume=last")
    assert not (killed / "run" / "model").exists()
    run(killed, "stage=rl", *settings, "resume=last")
    kept = ["epoch=00004.ckpt", "epoch=00005.ckpt"]
    assert sorted(file.name for file in (killed / "run" / "checkpoints").iterdir()) == kept
    assert same_weights(whole / "run", killed / "run")
    rollouts = [sorted((f / "run" / "rollouts").glob("*.jsonl")) for f in (whole, killed)]
    assert len(rollouts[0]) == 6
    for one, other in zip(*rollouts, strict=True):
        assert one.read_text() == other.read_text(), one.name
    summaries = [json.loads((f / "run" / "summary.json").read_text()) for f in (whole, killed)]
    assert summaries[0]["held_out"] == summaries[1]["held_out"]
    versions = [
        json.loads(line)["versions"]
        for file in rollouts[0]
        for line in file.read_text().splitlines()
    ]
    assert any(len(v) > 1 for v in versions), "no rollout was continued: the test says too little"

    # the same run, another model
    message = run(killed, "stage=rl", *settings, "model.hidden_size=64", "resume=last", code=2)
    assert "model.hidden_size is 32 there and 64 here" in message
    # a second run in the same folder would destroy the first
    message = run(killed, "stage=rl", *settings, code=2)
    assert "resume=last" in message


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ctrl_c_in_iterations_without_signal(tmp_path: Path) -> None:
    """A fresh model is never right: no group is trained on, and every iteration is kept."""
    signal_free = ["stage=rl", *SMALL, "module.drop_zero_advantage=true", "run_dir=run"]
    signal_free += ["rewards.length.weight=0"]
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    assert run(whole, *signal_free).count("groups 0+") == 6
    output = end(ended, "rollouts/iteration_0001.jsonl", *signal_free, by=signal.SIGINT)
    assert re.search(r"interrupted after \d of 6 iterations; .*resume=last goes on", output)
    run(ended, *signal_free, "resume=last")
    assert same_weights(whole / "run", ended / "run")
    for file in (whole / "run" / "rollouts").iterdir():
        assert file.read_text() == (ended / "run" / "rollouts" / file.name).read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sft_killed_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    """Behind a checkpoint, between the batches of a step, and while one is written."""
    sft = ["stage=sft", *SMALL[:3], "datamodule.tokens=20000", "run_dir=run"]
    sft += ["callbacks.checkpoint.every_n_steps=2", "trainer.accumulate_grad_batches=2"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    typed(whole, *sft)
    end(killed, "checkpoints/epoch=00000-step=00000002.ckpt", *sft)
    end(killed, "checkpoints/.epoch=00000-step=00000006.*", *sft, "resume=last")
    run(killed, *sft, "resume=last")
    assert same_weights(whole / "run", killed / "run")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_damaged_newest_checkpoint_is_passed_over(tmp_path: Path) -> None:
    settings = ["stage=rl", *SMALL, "run_dir=run"]
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    run(whole, *settings)
    end(damaged, "checkpoints/epoch=00003.ckpt", *settings)
    newest = max((damaged / "run" / "checkpoints").glob("*.ckpt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    output = run(damaged, *settings, "resume=last")
    assert f"{newest.name} is torn" in output
    assert same_weights(whole / "run", damaged / "run")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_full_disk_is_a_line_and_the_run_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """A file system with room for one checkpoint and part of the next, then for all."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "k15-test", str(tmp_path)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    try:
        settings = ["stage=rl", *SMALL, "run_dir=run", "logger=null"]
        message = run(tmp_path, *settings, code=2)
        assert "Traceback" not in message
        assert re.search(r"error: .*(cannot be written: )?No space left on device", message)
        assert list((tmp_path / "run" / "checkpoints").glob("*.ckpt"))
        subprocess.run(["mount", "-o", "remount,size=100m", str(tmp_path)], check=True)
        run(tmp_path, *settings, "resume=last")
        assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_default_run_learns_from_nothing(tmp_path: Path) -> None:
    """Pretraining and SFT are trained first, then ten iterations.

    Seeds 1 to 3 go from 0.27, 0.28, 0.27 to 0.69, 0.57, 0.65, and from 26, 25, 26 to 58, 38, 47
    tokens.
    The standard error of an accuracy over 400 problems is 0.025, that of a difference 0.035.
    """
    output = run(tmp_path, "stage=rl", "trainer.max_epochs=10")
    assert "stage=rl starts from stage=sft, which is trained first" in output
    assert "stage=sft starts from stage=pretrain, which is trained first" in output
    (file,) = tmp_path.glob("outputs/rl/*/summary.json")
    held_out = json.loads(file.read_text())["held_out"]
    assert held_out["problems"] == 400 and held_out["iterations"] == 10
    assert held_out["accuracy_after"] - held_out["accuracy_before"] > 0.12
    assert held_out["mean_tokens_after"] > 1.2 * held_out["mean_tokens_before"]
    assert (file.parent / "curves.png").stat().st_size > 10_000


def test_a_real_model_is_told_which_command_to_run(tmp_path: Path) -> None:
    message = run(tmp_path, "stage=rl", "model=hf", "model.path=Qwen/Qwen3-0.6B", code=2)
    assert "python train.py stage=sft model=hf model.path=Qwen/Qwen3-0.6B" in message


def test_errors_come_before_torch_and_without_traceback(tmp_path: Path) -> None:
    message = run(tmp_path, "stage=rl", "trainer.max_epoch=3", code=2)
    assert "did you mean trainer.max_epochs" in message and "Traceback" not in message
    message = run(tmp_path, "stage=rl", "resume=last", code=2)
    assert "no checkpoint found" in message


def test_help_that_nobody_reads_to_its_end() -> None:
    words = f"{sys.executable} {TRAIN} --help | head -1"
    result = subprocess.run(words, shell=True, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == (
        "Train one stage of the Kimi k1.5 recipe.\n",
        "",
    )


def test_a_folder_that_cannot_be_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for where in ("run_dir=file/run", "outputs=file", "run_dir=/sys/run"):
        message = run(tmp_path, "stage=rl", "start_from=null", where, code=2)
        assert message.count("error:") == 1 and "Traceback" not in message, message


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.max_response_tokens=600"], "context of 512 tokens must hold the prompt"),
        (["data=math", "data.path=FILE", "sampler=curriculum"], "a curriculum needs one each, or"),
        (
            ["sampler=curriculum", "sampler.schedule={0: [9]}"],
            r"the problems have the levels \[1, ",
        ),
        (["trainer.accelerator=abacus"], "invalid accelerator name"),
    ],
)
def test_what_the_trainers_setup_refuses_is_a_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    rows = [{"problem": f"{i}+1?", "answer": i + 1} for i in range(60)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [word.replace("FILE", f"{tmp_path}/sums.jsonl") for word in words]
    own = ["model=tiny_bytes"] if "data=math" in words else []
    main = runpy.run_path(str(TRAIN))["main"]
    with pytest.raises(SystemExit) as ended:
        main(["stage=rl", *SMALL, *own, "sampler=uniform", *words, f"run_dir={tmp_path}/run"])
    assert ended.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert re.search(said, "\n".join(errors))


def test_sizes_that_do_not_divide_are_refused_before_any_weight_is_loaded(tmp_path: Path) -> None:
    message = run(tmp_path, "stage=rl", "sizes.minibatches_per_iteration=5", code=2)
    assert "problems_per_iteration=64" in message and "minibatches_per_iteration=5" in message
    assert not (tmp_path / "outputs").exists()


def test_sft_and_rl_train_an_adapter_and_leave_merged_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """RL starts from SFT's merged folder with a fresh adapter; both leave a model and the adapter
    that makes it of the one before.
    """
    tiny_policy(words=Make24().words, hidden_size=32, layers=1).save(tmp_path / "base")
    main = runpy.run_path(str(TRAIN))["main"]
    lora = ["model=hf", f"model.path={tmp_path}/base", "model.dtype=float32", "model.lora.rank=2"]
    sft = [*lora, "learning_rates.sft=1e-2", "datamodule.tokens=4000", "logger=null"]
    main(["stage=sft", "start_from=null", *sft, f"run_dir={tmp_path}/sft"])
    small = [word for word in SMALL if not word.startswith(("model.", "start_from", "trainer."))]
    rl = [*small, *lora, "trainer.max_epochs=1", f"start_from={tmp_path}/sft/model"]
    rl += ["datamodule.plan.segment_tokens=null"]
    main(["stage=rl", *rl, "logger=null", f"run_dir={tmp_path}/rl"])
    folders = [tmp_path / "base", tmp_path / "sft" / "model", tmp_path / "rl" / "model"]
    for before, after in pairwise(folders):
        plain = AutoModelForCausalLM.from_pretrained(after).state_dict()
        base = AutoModelForCausalLM.from_pretrained(before)
        moved = {name for name in plain if not torch.equal(plain[name], base.state_dict()[name])}
        assert moved == {name for name in plain if "_proj" in name}
        own = PeftModel.from_pretrained(base, after / "adapter").merge_and_unload().state_dict()
        for name in plain:
            close(own[name], plain[name])
        (checkpoint,) = after.parent.glob("checkpoints/*.ckpt")
        assert all(
            ".lora_" in name for name in torch.load(checkpoint, weights_only=False)["state_dict"]
        )
    for word, said in {
        f"resume={tmp_path}/sft model.lora.rank=4": "model.lora.rank is 2 there and 4 here",
        "model.lora.rank=0": "model.lora.rank=0: must be a whole number above 0",
        "model.lora.modules=[qkv]": "has no linear layer qkv; it has down_proj, gate_proj",
    }.items():
        with pytest.raises(SystemExit):
            main(["stage=sft", "start_from=null", *sft, f"run_dir={tmp_path}/no", *word.split()])
        errors = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
        assert len(errors) == 1 and said in errors[0]

"""train.py on two ranks that spread the weights: one is killed, and the run goes on as before."""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.programs import Program
from tests.test_train import DEADLINE, SMALL, command, environment, run

FSDP2 = (
    "trainer=fsdp2",
    "trainer.accelerator=cpu",
    "trainer.devices=2",
    "trainer.precision=32-true",
)
WORDS = (*SMALL, *FSDP2, "sampler=uniform", "trainer.max_epochs=3", "run_dir=run", "resume=auto")
SAMPLES = 4  # per problem


def killed(folder: Path, rank: int) -> str:
    """Start the run, kill a rank once there is a checkpoint; returns what the command says."""
    folder.mkdir()
    program = Program(command(*WORDS), folder, environment())
    until = time.monotonic() + DEADLINE
    while not any(folder.glob("run/checkpoints/*.ckpt")):
        assert program.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    os.kill(int(children[rank]), signal.SIGKILL)
    output = program.output(DEADLINE)
    assert program.returncode == 137, output
    return output


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_rank_ends_the_run_which_then_goes_on_to_the_same_end(tmp_path: Path) -> None:
    run(tmp_path / "undisturbed", *WORDS)
    output = killed(tmp_path / "killed", rank=1)
    assert "rank 0 ends, because of rank 1: rank 1 (process " in output
    assert "train.py" in output and "rank 1 was killed by signal 9" in output
    run(tmp_path / "killed", *WORDS)
    one, other = (
        load_file(tmp_path / name / "run/model/model.safetensors")
        for name in ("undisturbed", "killed")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    files = sorted((tmp_path / "killed").glob("run/rollouts/*.jsonl"))
    assert len(files) == 3
    trained = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    groups = Counter(row["group"] for rows in trained for row in rows)
    assert {*groups.values()} == {SAMPLES}  # each group once, in one iteration
    for rows in trained:
        asked = {row["group"]: row["problem"] for row in rows}
        assert len({*asked.values()}) == len(asked)  # and no problem twice in it

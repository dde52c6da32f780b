"""What `python -m k15.plan` says against a real run: memory, and seconds of an iteration.

    python benchmarks/plan.py                                 the built-in model, five minutes
    python benchmarks/plan.py --model models/smollm2          and a real one, ten minutes

SFT in a process of its own, then a run of RL with few, small iterations (--seed, --iterations,
--problems), then the plan of the same words with the lengths of that run. Memory: the most that the
process has had in main memory, plan and run alike. Seconds are those of the processor, of an
iteration behind the first: rollouts and training, without validation and checkpoints. A ratio is
predicted over measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from k15.config import load
from k15.runs.chain import earlier_argv

ROOT = Path(__file__).parents[1]
GIB = 2**30


def environment() -> dict[str, str]:
    """In which `plan_clock.Clock` is found."""
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def measured(words: list[str], folder: Path) -> list[dict[str, float]]:
    """A run of these words, iteration by iteration."""
    file = folder / "clock.json"
    own = [f"run_dir={folder}", "callbacks.clock={_target_: plan_clock.Clock, file: " + f"{file}}}"]
    train([*words, *own])
    found: list[dict[str, float]] = json.loads(file.read_text())
    return found


def train(words: list[str]) -> None:
    """train.py with these words, which says what it does among the errors."""
    command = [sys.executable, str(ROOT / "train.py"), *words]
    subprocess.run(command, check=True, env=environment(), stdout=sys.stderr)


def predicted(words: list[str], folder: Path, iterations: int) -> dict[str, Any]:
    """The plan of these words, with the lengths of all of its iterations but the first."""
    own = [f"lengths={folder}", f"last_iterations={iterations - 1}", "--json"]
    command = [sys.executable, "-m", "k15.plan", *words, *own]
    done = subprocess.run(command, check=True, env=environment(), stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compare(name: str, words: list[str], iterations: int) -> None:
    """A line for memory and one for time."""
    with TemporaryDirectory() as folder:
        run = measured([*words, f"trainer.max_epochs={iterations}"], Path(folder))
        plan = predicted(words, Path(folder), iterations)
    tensors, process = plan["memory_bytes"]["peak"] / GIB, plan["process_bytes"] / GIB
    most, seconds = run[-1]["bytes"] / GIB, mean(each["seconds"] for each in run[1:])
    said = plan["iteration"]["seconds"]
    detail = f"tensors {tensors:.2f}, the process without them {process:.2f}"
    line(name, "GiB", tensors + process, most, detail)
    parts = ", ".join(f"{part} {s:.2f}" for part, s in plan["iteration"]["parts"].items() if s)
    line(name, "CPU seconds", said, seconds, parts)


def line(name: str, unit: str, said: float, found: float, detail: str) -> None:
    """Predicted, measured, ratio."""
    print(f"{name:<12}{unit:<14}{said:>10.2f}{found:>10.2f}{said / found:>8.2f}   {detail}")
    sys.stdout.flush()


def start(words: list[str], folder: str) -> str:
    """Train what these words start from, in a process whose memory is another; its weights."""
    before = earlier_argv(load("train", words), words, "start_from")
    train([*before, f"outputs={folder}", f"run_dir={folder}/start"])
    return f"{folder}/start/model"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="folder of a model for experiment=smollm2")
    parser.add_argument("--only", action="store_true", help="that model alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=3, help="2 at least")
    parser.add_argument("--problems", type=int, default=8, help="of an iteration of that model")
    parser.add_argument("--start", help="SFT's model folder for the first model; else trained")
    options = parser.parse_args()
    common = ["stage=rl", f"seed={options.seed}", "data.held_out_problems=40"]
    runs = {} if options.only else {"built in": common}
    if options.model:
        runs[Path(options.model).name] = [
            *(*common, "experiment=smollm2", f"model.path={options.model}"),
            f"sizes.problems_per_iteration={options.problems}",
            "trainer.check_val_every_n_epoch=100",
        ]
    print(f"{'':<12}{'':<14}{'predicted':>10}{'measured':>10}{'ratio':>8}")
    for number, (name, words) in enumerate(runs.items()):
        with TemporaryDirectory() as folder:
            given = None if number else options.start
            from_weights = f"start_from={given or start(words, folder)}"
            compare(name, [*words, from_weights], options.iterations)


if __name__ == "__main__":
    main()

"""The runs that a figure is drawn from: which are missing, and how they are made.

    <outputs>/figures/runs/<name>-<seed>-<digest>/           a run of train.py
    <outputs>/figures/runs/<name>-<seed>-<digest>/measured/  its model, measured by evaluate.py

The digest is that of the command lines of a run and of those it starts from, so that a folder never
stands for other settings. Figures share runs that they have in common.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from k15.config import ROOT, ConfigError
from k15.figures.workers import workers
from k15.runs.settings import digest

PROGRAMS = ROOT.parent
LONGEST = 6 * 3600  # seconds that the runs of a seed may take
REPORTING = ("stage=rl", "stage=long2short_rl")
"""Stages that end with summary.json; the others end with their model."""


Command = tuple[str, list[str]]
"""A program and its command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of train.py for each seed, or one for all."""

    name: str
    words: tuple[str, ...]
    """Its command line, the stage first; seed, folders and starts are added."""
    starts: Mapping[str, str] = field(default_factory=dict)
    """Setting: name of the run whose model it takes. {"start_from": "sft"}"""
    seed: int | None = None
    """Of the one run that all seeds have in common; what it starts from has one, too."""
    measured: tuple[str, ...] = ()
    """The command line of evaluate.py; empty: the model is not measured."""

    @property
    def last_file(self) -> str:
        """What a finished run of train.py has."""
        return "summary.json" if self.words[0] in REPORTING else "fingerprint"


class Folders:
    """Where the runs of a figure are.

    Raises ValueError for a run that starts from one that is not among those before it.
    """

    def __init__(self, outputs: Path, runs: Sequence[Run]) -> None:
        self.outputs = outputs
        self.runs: dict[str, Run] = {}
        for run in runs:
            if missing := set(run.starts.values()) - self.runs.keys():
                raise ValueError(f"run {run.name!r} starts from {min(missing)!r}: list it before")
            self.runs[run.name] = run

    def __call__(self, name: str, seed: int) -> Path:
        """The folder of a run."""
        one = self.runs[name].seed
        number = seed if one is None else one
        return self.outputs / "figures" / "runs" / f"{name}-{number}-{self.digest(name)}"

    def digest(self, name: str) -> str:
        """Of everything that is asked of a run and of those before it."""
        run = self.runs[name]
        starts = {setting: self.digest(start) for setting, start in run.starts.items()}
        return digest({"words": run.words, "starts": starts, "seed": run.seed})[:6]

    def training(self, name: str, seed: int) -> list[str]:
        """The command line of train.py."""
        run, folder = self.runs[name], self(name, seed)
        starts = [f"{key}={self(start, seed)}/model" for key, start in run.starts.items()]
        one = seed if run.seed is None else run.seed
        own = [f"seed={one}", f"outputs={self.outputs}", f"run_dir={folder}", "resume=auto"]
        return [*run.words, *starts, *own, "logger=null"]

    def measuring(self, name: str, seed: int) -> list[str]:
        """The command line of evaluate.py."""
        folder = self(name, seed)
        own = [f"model.path={folder}/model", f"seed={seed}", f"run_dir={folder}/measured"]
        return [*self.runs[name].measured, *own, "report=false"]

    def common(self) -> list[Command]:
        """What has to be run once for all seeds."""
        return self.missing(0, [name for name, run in self.runs.items() if run.seed is not None])

    def missing(self, seed: int, names: Iterable[str] | None = None) -> list[Command]:
        """What has to be run for a seed, in order: program and command line."""
        commands: list[Command] = []
        for name in self.runs if names is None else names:
            run = self.runs[name]
            if not (self(name, seed) / run.last_file).is_file():
                commands.append(("train.py", self.training(name, seed)))
            results = self(name, seed) / "measured" / "results.json"
            if run.measured and not results.is_file():
                commands.append(("evaluate.py", self.measuring(name, seed)))
        return commands


def make(folders: Folders, seeds: Sequence[int], side_by_side: int) -> None:
    """Run what is missing: a process for each seed, so many of them at a time, behind what all
    seeds have in common.

    Raises ConfigError with the end of its output for a run that fails.
    """
    with workers(side_by_side) as pool:
        if common := folders.common():
            pool.submit(run_all, common).result(timeout=LONGEST)
        commands = [folders.missing(seed) for seed in seeds]
        for running in [pool.submit(run_all, missing) for missing in commands if missing]:
            running.result(timeout=LONGEST)


def run_all(commands: Sequence[Command]) -> None:
    """One command after the other, as train.py itself runs stages that are missing."""
    for program, words in commands:
        print(f"python {program} {' '.join(words)}", flush=True)
        run(program, words)


def run(program: str, words: Sequence[str]) -> None:
    """A program's `main`, whose output goes into `output.log` of the run's folder."""
    folder = Path(next(word for word in words if word.startswith("run_dir=")).partition("=")[2])
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "output.log"
    main = runpy.run_path(str(PROGRAMS / program))["main"]
    try:
        with log.open("a") as output, redirect_stdout(output), redirect_stderr(output):
            main(words)
    except SystemExit as ended:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
        message = f"{folder}: {program} ended with status {ended.code}:\n{last}"
        raise ConfigError(message) from None

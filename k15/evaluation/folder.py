"""The folder of a run: made or found again, locked, and refused where it holds another run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from k15.config import ConfigError, public, shown
from k15.evaluation.samples import Key, Response
from k15.folders import locked, write_text
from k15.problems.records import read_records

MAY_CHANGE = ("limit", "samples", "pass_at", "majority_at", "path")
"""Settings of a benchmark that leave each single sample as it is."""
GIVEN = "given"
"""The prompting of responses made elsewhere."""


@contextmanager
def opened(config: DictConfig) -> Iterator[Path]:
    """The run's folder, for this process alone; writes its resolved configuration.

    Raises ConfigError if another process is writing there, or if its samples were made with other
    settings.
    """
    folder = Path(config.run_dir)
    with locked(folder):
        saved = folder / "config.yaml"
        if saved.exists():
            check_same(OmegaConf.load(saved), config)
        write_text(saved, shown(config))
        yield folder


def check_same(saved: Any, config: DictConfig) -> None:
    """Raise ConfigError naming a setting that would make other samples than are there."""
    before, now = settings(saved), settings(config)
    for name in sorted({*before, *now}):
        part = ".".join(name.split(".")[:2])
        common = any(key.startswith(part) for key in before) and any(
            key.startswith(part) for key in now
        )
        if common and before.get(name) != now.get(name):
            raise ConfigError(
                f"run_dir={config.run_dir} holds samples made with {name}={before.get(name)!r}, "
                f"this run has {now.get(name)!r}; choose another folder"
            )


def settings(config: Any) -> dict[str, Any]:
    """What a sample depends on, by dotted key: seed, model, benchmarks and promptings."""
    plain = public(config, resolve=True)
    leaves = {key: plain[key] for key in ("seed", "sampling_seed", "responses")}
    leaves |= {f"model.{key}": value for key, value in plain["model"].items()}
    for group in ("benchmark", "prompting"):
        for name, values in (plain[group] or {}).items():
            for key, value in values.items():
                if key not in MAY_CHANGE:
                    leaves[f"{group}.{name}.{key}"] = value
    return leaves


def newest_model(outputs: str) -> str:
    """The folder of the model that was trained last; raises ConfigError if there is none."""
    marks = [mark for mark in Path(outputs).glob("*/*/fingerprint") if has_model(mark.parent)]
    if not marks:
        raise ConfigError(
            f"model.path: there is no trained model under {outputs} yet; train one with "
            "`python train.py stage=rl`, or give a Hugging Face folder or name"
        )
    return str(max(marks, key=lambda mark: mark.stat().st_mtime).parent / "model")


def has_model(run: Path) -> bool:
    """Whether a run ended with a policy, and not with a reward model."""
    config = run / "model" / "config.json"
    if not config.is_file():
        return False
    names = json.loads(config.read_text()).get("architectures") or [""]
    return any(name.endswith(("ForCausalLM", "ForConditionalGeneration")) for name in names)


def given_responses(path: str, benchmark: str, known: set[str]) -> list[Response]:
    """The lines of a file of responses made elsewhere, for one benchmark.

    Raises ValueError with line and field for a line that cannot be used.
    """
    seen: dict[str, int] = {}
    responses = []
    for row in read_records(path, "train", {"id": ("id", "pid")}, setting="responses"):
        problem, text = row.answer("id"), row.verbatim("response")
        if problem not in known:
            raise ConfigError(f"{row.place}: benchmark {benchmark} has no problem {problem!r}")
        index = seen.get(problem, 0)
        seen[problem] = index + 1
        key: Key = (benchmark, GIVEN, problem, index)
        responses.append(Response.at(key, text, 0, GIVEN))
    return responses

"""Plan a training: python -m k15.plan stage=rl [device=h200] [group=choice ...] [key=value ...]

Memory per device and the time of an iteration. Words are those of train.py, and those of
configs/plan.yaml. --json prints all figures, --memory leaves the time out, --help the keys.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import yaml

from k15.config import ROOT, load
from k15.exits import exit_on_error

if TYPE_CHECKING:
    from k15.plan.prediction import Prediction
    from k15.plan.subject import Subject

FLAGS = ("--json", "--memory")


@exit_on_error()
def main(argv: Sequence[str]) -> None:
    """Print the prediction."""
    words = [word for word in argv if word not in FLAGS]
    found = prediction(words, with_time="--memory" not in argv)
    from k15.plan.report import text, values

    print(json.dumps(values(found), indent=2) if "--json" in argv else text(found))


def prediction(words: Sequence[str], *, with_time: bool = True) -> Prediction:
    """Of words of train.py and of configs/plan.yaml, mixed."""
    subject = subject_of(words)
    from k15.plan.prediction import predict

    return predict(subject, with_time=with_time)


def subject_of(words: Sequence[str]) -> Subject:
    """What is planned."""
    own, of_training = divided(words)
    options = load("plan", own)
    config = load("train", [*of_shape(options.choices.shape, of_training), *of_training])
    from k15.plan.subject import Subject
    from k15.progress import quiet

    quiet()
    return Subject(config, options)


def divided(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The planner's own words, and those of train.py."""
    entry = yaml.safe_load((ROOT / "plan.yaml").read_text(encoding="utf-8"))
    keys = {*entry, *entry["defaults"], "-h", "--help"}
    own = [word for word in words if word.partition("=")[0].partition(".")[0] in keys]
    return own, [word for word in words if word not in own]


def of_shape(shape: str | None, words: Sequence[str]) -> list[str]:
    """What train.py wants to be told of a model that is a shape only."""
    said = {word.partition("=")[0] for word in words}
    if shape is None or "experiment" in said:
        return []
    return [
        f"{key}={value}"
        for key, value in (("model", "hf"), ("model.path", shape))
        if key not in said
    ]


if __name__ == "__main__":
    main(sys.argv[1:])

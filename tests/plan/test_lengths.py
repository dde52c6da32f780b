"""Lengths of responses: a run's, or drawn."""

import json
from pathlib import Path
from statistics import median

import pytest

from k15.config import ConfigError
from k15.plan.lengths import Group, LogNormal, measured


def test_drawn_ones_have_the_median_that_is_asked_for_and_are_cut() -> None:
    lengths = LogNormal(longest=400, median=100, sigma=1.0, signal=0.25)
    groups = [lengths.group(n, 8) for n in range(500)]
    drawn = [length for group in groups for length in group.responses]
    assert median(drawn) == pytest.approx(100, rel=0.1) and max(drawn) == 400
    assert sum(group.signal for group in groups) / 500 == pytest.approx(0.25, abs=0.06)
    assert lengths.group(7, 8) == lengths.group(7, 8)
    assert "median 100" in lengths.about and "25%" in lengths.about


@pytest.mark.parametrize("wrong", [{"signal": 0}, {"sigma": -1}, {"median": -5}, {"prompt": 0}])
def test_numbers_that_cannot_be(wrong) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"distribution.{name}="):
        LogNormal(longest=100, **wrong)


def write(folder: Path, iteration: int, *rows) -> None:
    file = folder / "rollouts" / f"iteration_{iteration:04d}.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_run_has_lengths_prompts_and_signal(tmp_path: Path) -> None:
    one = {"group": 4, "prompt_tokens": 6}
    write(tmp_path, 0, {"group": 3, "tokens": 5, "reward": 1.0})  # an older run: no prompt
    write(
        tmp_path,
        1,
        {**one, "tokens": 7, "reward": 0.0},
        {**one, "tokens": 90, "reward": 1.0},
    )
    found = measured(str(tmp_path), prompt=11, longest=50)
    assert found.group(0, 1) == Group(prompt=11, responses=(5,), signal=False)
    assert found.group(1, 2) == Group(prompt=6, responses=(7, 50), signal=True)
    assert found.group(3, 3).responses == (7, 50, 7)
    assert measured(str(tmp_path), 11, 50, last=1).group(0, 1).prompt == 6
    assert "3 responses" in found.about and "50% of the groups" in found.about


def test_a_folder_without_rollouts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lengths=.*no rollouts"):
        measured(str(tmp_path), 11, 50)

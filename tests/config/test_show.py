"""Every value is printed once, and what comes from the environment not at all."""

import pytest
from omegaconf import OmegaConf

from k15.config import load, shown

SECRET = "sk-1234"


def test_the_environment_stays_out_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it went: into another value, into a copy of the whole node, through a decoder."""
    monkeypatch.setenv("KEY", SECRET)
    config = OmegaConf.create(
        {
            "sandbox": {"key": "${oc.env:KEY}", "header": "Bearer ${oc.env:KEY}", "retries": 3},
            "reward": {"sandbox": "${sandbox}", "key": "${sandbox.key}"},
            "decoded": "${oc.decode:${oc.env:KEY}}",
        }
    )
    text = shown(config)
    assert SECRET not in text
    assert OmegaConf.create(text) == config
    assert OmegaConf.create(text).reward.sandbox.key == SECRET


@pytest.mark.parametrize("objective", ["mirror_descent", "mirror_descent_log_partition"])
def test_a_value_is_printed_once(objective: str) -> None:
    """Numbers that nothing else has, one for each knob that several parts need."""
    knobs = {
        "seed": 7919,
        "sizes.samples_per_problem": 7907,
        "sizes.tokens_per_microbatch": 7901,
        "objective.loss.tau": 0.7883,
        "engine.slots": 7879,
        "datamodule.plan.temperature": 0.7877,
        "data.max_response_tokens": 7873,
        "learning_rates.text": 0.7867,
        "task.levels": [7853],
        "run_dir": "somewhere",
    }
    given = [f"{key}={value}" for key, value in knobs.items()]
    text = shown(load("train", ["stage=rl", f"objective={objective}", *given]))
    for value in (7919, 7907, 7901, 0.7883, 7879, 0.7877, 7873, 0.7867, 7853, "somewhere"):
        assert text.count(str(value)) == 1, value

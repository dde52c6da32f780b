"""Every value is printed once, and what comes from the environment not at all."""

import pytest
from omegaconf import OmegaConf

from k15.config import ConfigError, load, public, shown
from k15.runs.resume import check_same
from k15.runs.settings import settings

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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("api_key", SECRET),
        ("apikey", SECRET),
        ("OPENAI_API_KEY", SECRET),
        ("token", SECRET),
        ("hf_token", SECRET),
        ("password", 1234),
        ("client_secret", SECRET),
        ("Authorization", f"Bearer {SECRET}"),
    ],
)
def test_a_secret_is_asked_for_again(key: str, value: object) -> None:
    config = OmegaConf.create({"sandbox": {"headers": [{key: value}]}, "copy": "${sandbox}"})
    text = shown(config)
    assert str(value) not in text
    assert OmegaConf.is_missing(OmegaConf.create(text).sandbox.headers[0], key)
    assert str(value) not in str(public(config, resolve=True))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("max_new_tokens", 48), ("tokens_per_batch", 1024), ("eos_token", "<|im_end|>")],
        *[("tokens", 128), ("keys", ["a"]), ("secretary", "x"), ("token", None), ("token", True)],
    ],
)
def test_what_is_no_secret_is_shown(key: str, value: object) -> None:
    assert OmegaConf.create(shown(OmegaConf.create({key: value}))) == {key: value}


def test_a_secret_of_the_command_line_is_nowhere(capsys: pytest.CaptureFixture) -> None:
    """Neither printed nor saved; a resumed run is given it again, be it another one."""
    words = ["stage=rl", "rewards=code", "sandbox=e2b"]
    given = [*words, f"sandbox.api_key={SECRET}"]
    with pytest.raises(SystemExit):
        load("train", [*given, "--cfg"])
    assert SECRET not in capsys.readouterr().out
    config = load("train", given)
    assert config.sandbox.api_key == SECRET
    saved = settings(config)
    assert SECRET not in str(saved)
    check_same(saved, settings(load("train", [*words, "sandbox.api_key=another"])), config)
    with pytest.raises(ConfigError, match=r"sandbox\.api_key .* give it as it was"):
        check_same(saved, settings(load("train", words)), config)


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
        "learning_rates.rl": 0.7867,
        "task.levels": [7853],
        "run_dir": "somewhere",
    }
    given = [f"{key}={value}" for key, value in knobs.items()]
    text = shown(load("train", ["stage=rl", f"objective={objective}", *given]))
    for value in (7919, 7907, 7901, 0.7883, 7879, 0.7877, 7873, 0.7867, 7853, "somewhere"):
        assert text.count(str(value)) == 1, value

"""What comes from the environment is not printed."""

import pytest
from omegaconf import OmegaConf

from k15.config import shown

SECRET = "sk-1234"


def test_the_environment_stays_out_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it went: into another value, into a copy of the whole node, through a decoder."""
    monkeypatch.setenv("KEY", SECRET)
    config = OmegaConf.create(
        {
            "sandbox": {"key": "${oc.env:KEY}", "header": "Bearer ${oc.env:KEY}", "retries": 3},
            "reward": {"sandbox": "${sandbox}", "key": "${sandbox.key}"},
            "decoded": "${oc.decode:${oc.env:KEY}}",
            "usual": "${oc.env:ABSENT,sk-0}",
            "none": "${oc.env:ABSENT,null}",
        }
    )
    text = shown(config)
    assert SECRET not in text
    sandbox = {"key": "${oc.env:KEY}", "header": "Bearer ${oc.env:KEY}", "retries": 3}
    printed = OmegaConf.to_container(OmegaConf.create(text))
    assert printed == {
        "sandbox": sandbox,
        "reward": {"sandbox": sandbox, "key": "${oc.env:KEY}"},
        "decoded": "${oc.env:KEY}",
        "usual": "${oc.env:ABSENT,sk-0}",
        "none": "${oc.env:ABSENT,null}",
    }
    assert config.reward.sandbox.key == SECRET  # as before for those who build from it
    assert OmegaConf.create(text).reward.sandbox.key == SECRET

"""Which layout is used when, and that asking changes nothing."""

import pytest

from k15.config import ConfigError
from k15.models.layouts.choice import choose_layout
from tests.models.architectures import build, policy_named


@pytest.mark.parametrize(
    ("name", "repeated", "alone"),
    [
        ("qwen3", "shared", "bucketed"),
        ("qwen3_vl", "shared", "bucketed"),
        ("qwen3 eager", "bucketed", "bucketed"),
        ("gemma2", "bucketed", "bucketed"),
    ],
)
def test_the_quickest_one_that_the_model_allows(name, repeated, alone):
    policy = policy_named(name)
    before = policy.model.config.get_text_config()._attn_implementation
    assert choose_layout(policy, prompts_repeat=True).name == repeated
    assert choose_layout(policy).name == alone
    assert policy.model.config.get_text_config()._attn_implementation == before


def test_flash_attention_on_a_cpu_does_not_pack():
    policy = build("qwen2")
    policy.model.config._attn_implementation = "flash_attention_2"
    assert choose_layout(policy, prompts_repeat=True).name == "bucketed"


def test_what_the_model_does_not_allow_is_refused_by_name():
    policy = policy_named("gemma2")
    with pytest.raises(ConfigError, match=r"kind gemma2, and layout shared .*sliding windows; set"):
        choose_layout(policy, "shared")
    with pytest.raises(ConfigError, match=r"module\.layout='padded': choose auto, bucketed"):
        choose_layout(policy, "padded")

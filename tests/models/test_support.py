"""What the engine and the layouts refuse by name, and why."""

import pytest

from k15.config import ConfigError
from k15.engines.transformers import TransformersEngine
from k15.models.layouts.choice import choose_layout
from k15.models.policy import Policy
from tests.models.classes import TOKENIZER, policy_of


@pytest.mark.parametrize("kind", ["falcon", "gpt_neo", "bloom", "mpt", "doge"])
def test_the_engine_refuses_attention_that_it_cannot_stand_in_for(kind) -> None:
    """Falcon's and GPT-Neo's log-probabilities were off by 0.05 to 0.27 nats without a word."""
    policy = policy_of(kind)
    with pytest.raises(ConfigError, match=f"kind {kind}, and engine=transformers cannot decode it"):
        TransformersEngine(policy)
    with pytest.raises(ConfigError, match=f"kind {kind}, and layout shared is not for it"):
        choose_layout(policy, "shared")
    assert choose_layout(policy, prompts_repeat=True).name == "bucketed"


def test_a_sliding_window_that_the_attention_is_not_told_of() -> None:
    policy = policy_of("phimoe")
    assert "sliding window of 8 tokens" in policy.support.engine
    policy.model.config.sliding_window = None
    assert policy.support.engine == ""


def test_a_context_is_what_the_configuration_says() -> None:
    assert policy_of("llama").context == 256
    with pytest.raises(ConfigError, match=r"set max_position_embeddings in its config\.json"):
        policy_of("bloom").context  # noqa: B018
    assert policy_of("mpt").context == 2048  # max_seq_len


def test_positions_that_stretch_with_the_longest_of_a_batch_end_before_they_do() -> None:
    """Else a short sequence would be another one beside a long one."""
    policy = policy_of("phi3")
    factors = {"short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    policy.model.config.rope_parameters = {
        "rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": 32,
        **factors,
    }  # fmt: skip
    assert Policy(policy.model, TOKENIZER).context == 32

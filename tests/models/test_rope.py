"""Another base of the rotary positions: in the configuration, the numbers, and what is saved."""

from pathlib import Path

import pytest
import torch

from k15.config.errors import ConfigError
from k15.models.rope import set_context
from k15.models.tiny import tiny_policy
from tests.closeness import close


@pytest.mark.parametrize("modality", ["text", "image"])
def test_a_loaded_model_computes_as_one_that_was_made_so(modality: str, tmp_path: Path) -> None:
    def logits(policy):
        with torch.no_grad():
            return policy.model(input_ids=torch.arange(20, 60)[None]).logits

    torch.manual_seed(0)
    usual = tiny_policy(modality=modality, hidden_size=32, layers=1, context=64)
    usual.save(tmp_path / "usual")
    extended = tiny_policy(
        str(tmp_path / "usual"), modality=modality, extended_context=128, rope_base=1e6
    )
    assert extended.context == 128
    assert (logits(extended) - logits(usual)).abs().max() > 1e-3
    extended.save(tmp_path / "extended")
    again = tiny_policy(str(tmp_path / "extended"), modality=modality)
    assert again.context == 128
    close(logits(again), logits(extended))


def test_frequencies_by_hand() -> None:
    """1 / base^(2i / 32): the second of 16 is 10^(-6/16) = 0.4217."""
    policy = tiny_policy(hidden_size=32, layers=1, rope_base=1e6)
    close(policy.model.model.rotary_emb.inv_freq[:2], torch.tensor([1.0, 0.42170]))


def test_less_context_than_before_is_refused() -> None:
    policy = tiny_policy(hidden_size=32, layers=1, context=64)
    with pytest.raises(ConfigError, match=r"model\.extended_context=32: the model's has been 64"):
        set_context(policy.model, 32)

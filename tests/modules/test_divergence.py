"""With LoRA the start is the base, and no second copy of its weights is kept."""

import pytest
import torch

from k15.models.lora import Lora
from tests.modules.test_rl import REWARDS, experience, fitted, log_probabilities, module_of, policy


def test_with_an_adapter_the_start_is_the_base_without_a_copy_of_it() -> None:
    """exp(-r) - 1 + r, r the log-ratio to a policy that never had an adapter."""
    of, base = policy(), policy()
    everything = sum(parameter.numel() for parameter in of.model.parameters())
    Lora(rank=2).put_into(of.model)
    batch = experience(of, REWARDS)
    module = module_of(of, kl_to_start=True, learning_rate=0.0)
    assert module.kl_to_start is not None
    kept = sum(tensor.numel() for tensor in module.kl_to_start.start.values())
    # two layers of q, k, v, o (64 x 64) and gate, up, down (64 x 192), rank 2
    assert kept == 2 * 2 * (4 * 128 + 3 * 256) < everything / 10
    with torch.no_grad():
        for parameter in module.trained_parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    figures = fitted(module, batch).callback_metrics
    ratio_N = torch.cat(
        [
            log_probabilities(of, group, rollout) - log_probabilities(base, group, rollout)
            for group in batch.groups
            if len({*group.reward}) > 1
            for rollout in group.rollouts
        ]
    ).detach()
    expected = float(((-ratio_N).exp() - 1 + ratio_N).mean())
    assert float(figures["train/kl_to_start"]) == pytest.approx(expected, rel=1e-4)
    assert expected > 1e-3

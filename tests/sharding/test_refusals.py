"""What cannot be spread is refused in a line that names the way out."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from transformers import Qwen3Config, Qwen3ForCausalLM

from k15.callbacks.offload import OptimizerOnCpu
from k15.config.errors import ConfigError
from k15.models.lora import Lora
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.sharding.strategy import ShardedStrategy
from k15.sharding.tensor_parallel import checked_plan
from k15.tasks.make24 import Make24
from tests.two_ranks import QUIET

WORDS = Make24().words


def module(**settings: Any) -> LanguageModule:
    return LanguageModule(tiny_policy(words=WORDS, layers=1, **settings), learning_rate=1e-3)


def test_sizes_that_are_not_those_of_the_ranks() -> None:
    strategy = ShardedStrategy(data_parallel_size=3, tensor_parallel_size=2)
    trainer = Trainer(accelerator="cpu", devices=1, strategy=strategy, **QUIET)
    with pytest.raises(ConfigError, match=r"data_parallel_size=3 times .*=2 must be .*: 1$"):
        trainer.fit(module(), [])


def test_weights_that_are_not_float32() -> None:
    with pytest.raises(ConfigError, match=r"model\.dtype=bfloat16: trainer=fsdp2 takes float32"):
        ShardedStrategy().spread(module().model.to(torch.bfloat16))


def test_gradients_that_are_sent_at_another_time() -> None:
    with pytest.raises(ValueError, match="send_gradients='never': choose each or last"):
        ShardedStrategy(send_gradients="never")


def test_an_optimizer_on_the_cpu() -> None:
    trainer: Any = SimpleNamespace(strategy=ShardedStrategy())
    with pytest.raises(ConfigError, match="OptimizerOnCpu cannot be had with trainer=fsdp2"):
        OptimizerOnCpu().setup(trainer, module(), "fit")


def test_layers_that_cannot_be_cut() -> None:
    with pytest.raises(ConfigError, match="no plan for Qwen3VLForConditionalGeneration; take 1"):
        checked_plan(module_with_eyes(), 2)
    with pytest.raises(ConfigError, match="num_attention_heads=2, which cannot be divided"):
        checked_plan(module().model, 3)
    adapted = module().model
    Lora(rank=4).put_into(adapted)
    with pytest.raises(ConfigError, match=r"model\.lora\.rank take 1"):
        checked_plan(adapted, 2)
    mixture = Qwen3ForCausalLM(Qwen3Config(num_hidden_layers=1, hidden_size=32, vocab_size=8))
    mixture._tp_plan = {**mixture._tp_plan, "model.layers.*.mlp.experts": "moe_tp_experts"}
    with pytest.raises(ConfigError, match="has moe_tp_experts, which k15 cannot"):
        checked_plan(mixture, 2)


def module_with_eyes() -> Any:
    return tiny_policy(words=WORDS, modality="image", layers=1).model

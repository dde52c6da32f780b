"""Loads are logged at every optimizer step, and the bias moves against them."""

import pytest
import torch

from k15.callbacks.experts import ExpertLoad
from k15.config import ConfigError
from k15.models.experts import Loads, balance, bias_of, mixtures
from k15.modules.language import LanguageModule
from k15.types import Example
from tests.closeness import close
from tests.models import classes
from tests.modules.fitting import Batches, fit

BATCH = [Example(prompt_tokens=(5, 6), response_tokens=tuple(range(20, 40)))]


def load_before(kind: str) -> torch.Tensor:
    """[E] of the batch under the first weights: 21 tokens go in, the last one is not in front."""
    model = classes.policy_of(kind).model.train()
    loads = Loads(model)
    model(input_ids=torch.tensor([[*BATCH[0].prompt_tokens, *BATCH[0].response_tokens]]))
    return loads.of(next(iter(loads.layers)))


def test_a_step_logs_the_load_of_all_its_batches_and_moves_the_bias() -> None:
    """Two equal batches make one step: the shares are those of one."""
    policy = classes.policy_of("deepseek_v3")
    ((_, layer),) = mixtures(policy.model).items()
    callback = ExpertLoad(policy, bias_step=0.01)
    module = LanguageModule(policy, learning_rate=1e-3)
    trainer = fit(module, Batches([BATCH] * 2), callback, accumulate_grad_batches=2)
    load_E = load_before("deepseek_v3")
    for name, value in balance(load_E).items():
        close(float(trainer.callback_metrics[f"experts/{name}"]), value)
        close(float(trainer.callback_metrics[f"experts/{name}/0"]), value)
    close(bias_of(layer), 0.01 * (load_E.double().mean() - load_E).sign().float())


def test_without_a_step_the_bias_stays() -> None:
    policy = classes.policy_of("deepseek_v3")
    ((_, layer),) = mixtures(policy.model).items()
    fit(LanguageModule(policy, learning_rate=1e-3), Batches([BATCH]), ExpertLoad(policy))
    assert not bias_of(layer).any()


@pytest.mark.parametrize("kind", ["qwen3", "qwen3_moe"])
def test_a_model_without_such_a_bias_is_refused(kind: str) -> None:
    policy = classes.policy_of(kind)
    with pytest.raises(ConfigError, match=r"bias_step=0\.001: no router of Qwen3\w*ForCausalLM"):
        fit(
            LanguageModule(policy, learning_rate=1e-3),
            Batches([BATCH]),
            ExpertLoad(policy, bias_step=0.001),
        )
    with pytest.raises(ConfigError, match=r"callbacks\.experts\.bias_step=-1: must be at least 0"):
        ExpertLoad(policy, bias_step=-1)

"""Where the optimizer lies makes no other weights."""

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.demos.boring_classes import BoringModel

from k15.callbacks.offload import OptimizerOnCpu
from k15.config import ConfigError
from k15.modules.precision import AdamWWithMasters
from tests.modules.fitting import fit
from tests.modules.test_rl import REWARDS, Fixed, experience, module_of, policy, weights


def trained(*callbacks: Callback) -> tuple[torch.Tensor, int]:
    """Weights behind two steps, and master weights."""
    of = policy()
    module = module_of(of, minibatches_per_iteration=2)
    trainer = fit(module, Fixed(experience(of, REWARDS)), *callbacks)
    (optimizer,) = trainer.optimizers
    assert isinstance(optimizer, AdamWWithMasters)
    return weights(of), len(optimizer.masters)


def test_the_same_weights_from_masters_in_main_memory() -> None:
    (here, none), (there, all_of_them) = trained(), trained(OptimizerOnCpu())
    assert torch.equal(there, here)
    assert (none, all_of_them) == (0, len(list(policy().model.parameters())))


def test_a_module_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ConfigError, match="OptimizerOnCpu knows k15's modules, not BoringModel"):
        fit(BoringModel(), BoringModel(), OptimizerOnCpu())

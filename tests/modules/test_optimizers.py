"""Muon for matrices and AdamW for the rest are torch's own two, in one object."""

import copy

import pytest
import torch
from torch import nn

from k15.config import ConfigError
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.modules.optimizers import adamw, hidden_matrices, muon
from k15.modules.step_sizes import StepSizes
from k15.tasks.make24 import Make24
from k15.types import Example
from tests.closeness import close
from tests.modules.fitting import Batches, fit

RATE, DECAY, BETAS = 0.01, 0.1, (0.9, 0.95)


def policy():
    torch.manual_seed(0)
    return tiny_policy(words=Make24().words, hidden_size=32, layers=1)


def module_of(optimizer, **settings) -> LanguageModule:
    settings = {"learning_rate": RATE, "weight_decay": DECAY, "betas": BETAS} | settings
    return LanguageModule(policy(), optimizer=optimizer, **settings)


def batch(start: int) -> list[Example]:
    return [Example(prompt_tokens=(start,), response_tokens=tuple(range(start + 1, start + 9)))]


def backward(module: LanguageModule, start: int) -> None:
    module.model.zero_grad()
    module.terms(batch(start))[0].loss.backward()


def made(module: LanguageModule):
    from k15.modules.base import PolicyModule

    return PolicyModule.configure_optimizers(module)


def state_of(module: LanguageModule) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in module.model.named_parameters()}


def test_hidden_matrices_are_the_linear_layers_of_blocks() -> None:
    model = policy().model
    hidden = hidden_matrices(model)
    names = {name for name, p in model.named_parameters() if p in hidden}
    layers = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
    layers += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
    assert names == {f"model.layers.0.{layer}.weight" for layer in layers}


def test_steps_are_those_of_torchs_two() -> None:
    ours, theirs = module_of(muon), module_of(adamw)
    optimizer = made(ours)
    hidden = hidden_matrices(theirs.model)
    rest = [p for p in theirs.model.parameters() if p not in hidden]
    matrices = [p for p in theirs.model.parameters() if p in hidden]
    how = {"adjust_lr_fn": "match_rms_adamw", "weight_decay": DECAY}
    pair = (
        torch.optim.Muon(matrices, lr=RATE, **how),
        torch.optim.AdamW(rest, lr=RATE, betas=BETAS, weight_decay=DECAY),
    )
    for step in range(3):
        backward(ours, 20 + step)
        optimizer.step()
        backward(theirs, 20 + step)
        for one in pair:
            one.step()
    close(state_of(ours), state_of(theirs))


def test_a_step_is_as_large_as_adams() -> None:
    """Root mean square 0.2 times the learning rate, from singular values of 0.7 to 1.2."""
    module = module_of(muon, weight_decay=0.0)
    optimizer, before = made(module), state_of(module)
    backward(module, 20)
    optimizer.step()
    name = "model.layers.0.mlp.gate_proj.weight"
    moved = (state_of(module)[name] - before[name]).square().mean().sqrt() / RATE
    assert 0.1 < float(moved) < 0.25


def test_it_goes_on_from_its_state() -> None:
    whole = module_of(muon)
    optimizer = made(whole)
    for start in (20, 21):
        backward(whole, start)
        optimizer.step()
    saved, weights = copy.deepcopy(optimizer.state_dict()), state_of(whole)
    backward(whole, 22)
    optimizer.step()
    resumed = module_of(muon)
    resumed.model.load_state_dict(weights, strict=False)
    again = made(resumed)
    again.load_state_dict(saved)
    backward(resumed, 22)
    again.step()
    for name, weight in state_of(whole).items():
        assert torch.equal(weight, state_of(resumed)[name]), name


@pytest.mark.parametrize("how", ["reset", "keep_second_moments"])
def test_an_iteration_of_rl_begins_without_momentum(how: str) -> None:
    """Of matrices a step is then that of a fresh optimizer, whatever went before."""
    module = module_of(muon, weight_decay=0.0)
    optimizer, sizes = made(module), StepSizes(optimizer_state=how)
    rates = module.group_rates(optimizer)
    for start in (20, 21):
        backward(module, start)
        optimizer.step()
    sizes.begin(optimizer)
    sizes.set_rates(optimizer, rates, 0, 1, 2)
    fresh = module_of(muon, weight_decay=0.0)
    fresh.model.load_state_dict(state_of(module), strict=False)
    other, name = made(fresh), "model.layers.0.mlp.gate_proj.weight"
    for one, steps in ((module, optimizer), (fresh, other)):
        backward(one, 22)
        steps.step()
    assert torch.equal(state_of(module)[name], state_of(fresh)[name])


def test_bfloat16_weights_add_up_in_float32() -> None:
    """Steps of 2e-5, which alone are lost beside weights of 0.05."""
    module = module_of(muon, weight_decay=0.0, learning_rate=1e-5)
    module.model.bfloat16()
    optimizer, before = made(module), state_of(module)
    name = "model.layers.0.mlp.gate_proj.weight"
    for _ in range(30):
        backward(module, 20)
        optimizer.step()
    assert all(not torch.equal(w, before[n]) for n, w in state_of(module).items() if n == name)
    moved = optimizer.masters[module.model.get_parameter(name)] - before[name].float()
    assert float(moved.square().mean().sqrt()) > 10 * 0.2e-5


def test_it_learns_under_a_trainer() -> None:
    """64 steps on four texts: seeds 0 to 2 go from 4.9 nats to 0.03-0.05, AdamW at this rate to
    0.2-0.6.
    """
    module = module_of(muon, weight_decay=0.0, learning_rate=0.02)
    batches = [batch(20 + 10 * (step % 4)) for step in range(64)]
    trainer = fit(module, Batches(batches, batches[:4]))
    assert float(trainer.callback_metrics["val/loss"]) < 0.15


def test_without_a_matrix_it_is_refused() -> None:
    model = nn.Embedding(4, 4)
    groups = [{"params": [*model.parameters()], "lr": RATE}]
    with pytest.raises(ConfigError, match="optimizer=muon: no hidden matrix is trained"):
        muon(groups, model, on_cpu=False, weight_decay=0.0, betas=BETAS)

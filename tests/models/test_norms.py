"""The written-out RMSNorm has the numbers and gradients of Hugging Face's, or stays away."""

import copy

import pytest
import torch
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from k15.models.norms import RMSNormFunction, plain_norms, write_out_norms
from k15.models.tiny import tiny_policy
from tests.closeness import close


@pytest.mark.parametrize("kind", [Qwen3RMSNorm, LlamaRMSNorm])
def test_values_and_gradients_are_hugging_face_s(kind) -> None:
    torch.manual_seed(0)
    theirs, ours = kind(24), kind(24)
    with torch.no_grad():
        theirs.weight.normal_()
        ours.weight.copy_(theirs.weight)
    assert write_out_norms(ours) == 1
    x = torch.randn(3, 5, 24)
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    wanted = torch.randn(3, 5, 24)
    first, second = theirs(one), ours(other)
    close(second, first, 1e-6)
    (first * wanted).sum().backward()
    (second * wanted).sum().backward()
    close(other.grad, one.grad, 1e-6)
    close(ours.weight.grad, theirs.weight.grad, 1e-6)


def test_the_gradient_is_the_derivative() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 7, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *inputs: RMSNormFunction.apply(*inputs, 1e-6), (x, weight)
    )


def test_a_norm_that_computes_something_else_is_left_alone() -> None:
    norm = Gemma2RMSNorm(8)
    norm.variance_epsilon = norm.eps  # looks alike, multiplies by 1 + w
    assert write_out_norms(norm) == 0


def test_every_norm_of_the_tiny_policy_is_written_out_and_copies_stay_apart() -> None:
    model = tiny_policy(hidden_size=32, layers=2).model
    # two per layer, two for queries and keys, one at the end
    assert sum("forward" in vars(module) for module in model.modules()) == 2 * 4 + 1
    norm = copy.deepcopy(model).model.norm
    with torch.no_grad():
        norm.weight.fill_(2.0)
    x = torch.randn(1, 32)
    close(norm(x), 2 * model.model.norm(x))
    plain_norms(model)
    assert not any("forward" in vars(module) for module in model.modules())
    close(norm(x), 2 * model.model.norm(x))


def test_the_gradient_stays_float32_where_products_are_bfloat16() -> None:
    torch.manual_seed(0)
    norm = Qwen3RMSNorm(24)
    write_out_norms(norm)
    x = torch.randn(5, 24)
    norm(x).square().sum().backward()
    exact, norm.weight.grad = norm.weight.grad, None
    with torch.autocast("cpu", torch.bfloat16):
        norm(x).square().sum().backward()
    close(norm.weight.grad, exact)

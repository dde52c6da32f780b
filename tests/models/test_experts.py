"""Tokens are counted where the router sends them, and DeepSeek-V3's goes to few groups."""

import math

import pytest
import torch

from k15.models.experts import Loads, balance, bias_of, even_out, mixtures
from tests.closeness import close
from tests.models import classes, seeing_classes

TOKENS = torch.tensor([[*range(5, 25)]])


def grouped(kind: str, groups: int, chosen: int):
    """Eight experts in groups, of which so many are chosen, two experts to a token."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = classes.config_of(kind)
    config.n_routed_experts, config.n_group, config.topk_group = 8, groups, chosen
    return classes.lively(AutoModelForCausalLM.from_config(config))


def chosen_experts(model, bias=None) -> torch.Tensor:
    """[N, K] of the mixture layer; the router's bias may be given."""
    ((_, layer),) = mixtures(model).items()
    seen = []
    if bias is not None:
        bias_of(layer).copy_(torch.tensor(bias))
    hook = layer.experts.register_forward_pre_hook(lambda module, args: seen.append(args[1]))
    model(input_ids=TOKENS)
    hook.remove()
    return seen[0]


def by_hand(model, bias) -> list[set[int]]:
    """Affinities are sigmoids; a group counts as the sum of its two best, biased; of the best
    groups' experts the two best, biased, are taken (DeepSeek-V3, §2.1.2).
    """
    ((_, layer),) = mixtures(model).items()
    seen = []
    hook = layer.gate.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model(input_ids=TOKENS)
    hook.remove()
    found = []
    for hidden in seen[0].reshape(-1, seen[0].shape[-1]):
        affinity = [1 / (1 + math.exp(-float(hidden @ row))) for row in layer.gate.weight]
        score = [a + b for a, b in zip(affinity, bias, strict=True)]
        size = 8 // layer.gate.num_group
        groups = [range(g * size, (g + 1) * size) for g in range(layer.gate.num_group)]
        best = sorted(groups, key=lambda g: -sum(sorted(score[i] for i in g)[-2:]))
        allowed = [i for group in best[: layer.gate.topk_group] for i in group]
        found.append({*sorted(allowed, key=lambda i: -score[i])[:2]})
    return found


@pytest.mark.parametrize("bias", [[0.0] * 8, [0.3, -0.2, 0.1, 0.0, 0.4, -0.3, 0.2, -0.1]])
def test_the_router_takes_experts_of_the_best_groups_alone(bias: list[float]) -> None:
    model = grouped("deepseek_v3", groups=4, chosen=1)
    with torch.no_grad():
        chosen = chosen_experts(model, bias)
        assert [{*row.tolist()} for row in chosen] == by_hand(model, bias)
    groups = chosen // 2
    assert all(len({*row.tolist()}) == 1 for row in groups)
    free = grouped("deepseek_v3", groups=4, chosen=4)
    with torch.no_grad():
        unlimited = chosen_experts(free, bias) // 2
    assert any(len({*row.tolist()}) == 2 for row in unlimited)  # without the limit


def test_kimi_routes_as_deepseek_does() -> None:
    model, _ = seeing_classes.model_and_processor("kimi_k25")
    ((name, layer),) = mixtures(model).items()
    assert name == "model.language_model.layers.1.mlp"
    assert type(layer.gate).__name__ == "DeepseekV3TopkRouter"
    assert layer.shared_experts is not None


@pytest.mark.parametrize("kind", ["deepseek_v3", "deepseek_v2", "qwen3_moe", "mixtral", "glm4_moe"])
def test_every_token_is_counted_once_per_expert_it_goes_to(kind: str) -> None:
    """20 tokens to 2 of 4 experts; those that are only sampled do not count."""
    model = classes.model_of(kind)
    loads = Loads(model)
    with torch.no_grad():
        model(input_ids=TOKENS)
    assert not loads.load
    for _ in range(2):
        model(input_ids=TOKENS)
    counts = {name: loads.of(name) for name in loads.layers}
    assert counts and all(int(count.sum()) == 2 * 20 * 2 for count in counts.values())
    assert all(len(count) == 4 for count in counts.values())
    loads.clear()
    loads.close()
    model(input_ids=TOKENS)
    assert all(int(loads.of(name).sum()) == 0 for name in loads.layers)


def test_a_dense_model_has_no_mixture() -> None:
    assert mixtures(classes.model_of("qwen3")) == {}


def test_the_figures_of_a_load() -> None:
    """Shares 1/2, 1/4, 1/4, 0 of four: the entropy is 1.5 log 2 of 2 log 2, the largest load twice
    the mean.
    """
    close(balance(torch.tensor([4, 2, 2, 0])), {"load_entropy": 0.75, "max_violation": 1.0})
    close(balance(torch.tensor([3, 3, 3, 3])), {"load_entropy": 1.0, "max_violation": 0.0})
    close(balance(torch.tensor([0, 8, 0, 0])), {"load_entropy": 0.0, "max_violation": 3.0})


def test_the_bias_moves_against_the_load() -> None:
    model = classes.model_of("deepseek_v3")
    ((_, layer),) = mixtures(model).items()
    even_out(layer, torch.tensor([5, 1, 3, 3]), 0.01)
    close(bias_of(layer), torch.tensor([-0.01, 0.01, 0.0, 0.0]))
    dense = classes.model_of("qwen3")
    assert bias_of(dense) is None
    even_out(dense, torch.tensor([1, 2]), 0.01)


def test_a_bias_that_moves_evens_the_load_out() -> None:
    """Tokens that most like one expert: from a largest violation above 0.5 to below 0.3."""
    model = grouped("deepseek_v3", groups=1, chosen=1)
    ((name, layer),) = mixtures(model).items()
    loads, violations = Loads(model), []
    for _ in range(60):
        loads.clear()
        model(input_ids=TOKENS)
        violations.append(balance(loads.of(name))["max_violation"])
        even_out(layer, loads.of(name), 0.02)
    assert violations[0] > 0.5 and sum(violations[-10:]) / 10 < 0.3, violations

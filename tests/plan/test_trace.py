"""What passes keep in memory, against sums by hand and against real tensors."""

import pytest
import torch

from k15.config import Parts, load
from k15.models.gradient_checkpointing import checkpoint_layers
from k15.models.layouts.bucketed import Bucketed
from k15.models.logps import response_logps
from k15.models.tiny import tiny_policy
from k15.plan.trace import Live, Traced, traced
from k15.plan.weightless import model_config, shorter, weightless
from k15.types import Example

EXAMPLES = [
    Example(prompt_tokens=(1, 2, 3), response_tokens=(4,) * length) for length in (9, 20, 30)
]


def planned(
    layers: int, *, checkpointed: bool = False, autocast=None, tokens_per_chunk: int = 512
) -> Traced:
    config = load("train", ["stage=rl", "model=tiny_bytes", f"model.layers={layers}"])
    parts = Parts(config)
    parts["words"] = ()
    of = model_config(config, parts)

    def make(number: int):
        model = weightless(config, shorter(of, number))
        if checkpointed:
            checkpoint_layers(model)
        return model

    return traced(
        make,
        layers,
        EXAMPLES,
        Bucketed(),
        autocast=autocast,
        fast_norms=True,
        tokens_per_chunk=tokens_per_chunk,
    )


def test_storages_count_from_their_making_to_their_end() -> None:
    """1,000 floats, a view of them, and as many again: 8,000 bytes at the most."""
    with Live() as live:
        first = torch.ones(1000)
        view = first[10:]
        second = first + 1
        assert live.now == live.peak == 8000
        del first, second
        assert live.now == 4000  # the view holds them
        del view
    assert live.now == 0 and live.peak == 8000


def real_storages(layers: int) -> int:
    """Bytes that autograd keeps of the built-in model's forward pass, weights left out."""
    policy = tiny_policy(layers=layers, context=8192)
    policy.model.eval()
    batch = Bucketed().collate(policy, EXAMPLES)
    own = {p.untyped_storage().data_ptr() for p in policy.model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logps = response_logps(policy, batch)
    assert logps.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("layers", [2, 6])  # all traced, or continued from four
def test_activations_are_those_of_the_real_model(layers: int) -> None:
    found = planned(layers)
    assert found.kept == pytest.approx(real_storages(layers), rel=0.05)
    assert found.peak > found.kept


def test_checkpointed_layers_keep_their_input_alone() -> None:
    """Of each further layer: [3 rows, 33 tokens, 64 channels] float32."""
    few, more = (planned(layers, checkpointed=True) for layers in (2, 4))
    assert (more.kept - few.kept) / 2 == pytest.approx(3 * 33 * 64 * 4, rel=0.02)


def test_chunks_of_logits_take_less_at_a_time() -> None:
    """59 response tokens, at once or 8 at a time."""
    assert planned(2, tokens_per_chunk=8).kept < planned(2).kept


def test_bfloat16_arithmetic_keeps_less() -> None:
    assert planned(2, autocast=torch.bfloat16).kept < planned(2).kept

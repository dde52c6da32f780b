"""What another process makes of a policy without its weights."""

from pathlib import Path

import pytest
import torch

from k15.engines.requests import forbidden_tokens
from k15.engines.weightless import description, read_policy, write_policy
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.weights.full import full_weights, load_full_weights


@pytest.mark.parametrize("modality", ["text", "image"])
@pytest.mark.parametrize("weightless", [True, False])
def test_all_but_the_weights_is_there(tmp_path: Path, modality: str, weightless: bool) -> None:
    policy = tiny_policy(words=Make24().words, modality=modality)
    policy.model.generation_config.eos_token_id = [1, 30]  # the folder's own, as some models have
    write_policy(policy, tmp_path)
    assert not [*tmp_path.glob("*.safetensors")]
    other = read_policy(str(tmp_path), weightless)
    assert (other.device.type == "meta") == weightless
    assert forbidden_tokens(other) == forbidden_tokens(policy)
    problem = Make24(modality=modality).problem(0)
    tokens = policy.encode(problem)
    assert other.encode(problem) == tokens
    assert other.length(tokens, problem.images) == policy.length(tokens, problem.images)
    if weightless:
        return
    load_full_weights(other.model, full_weights(policy.model))
    inputs = policy.expand(tokens[:3])
    ids = torch.tensor([inputs.tokens])
    with torch.no_grad():
        ours, theirs = (p.model(input_ids=ids).logits for p in (policy, other))
    assert torch.equal(ours, theirs)


def test_a_model_says_in_what_it_may_not_differ() -> None:
    one, other = (tiny_policy(words=[*Make24().words, *more]) for more in ((), ("another",)))
    same = tiny_policy(words=Make24().words, hidden_size=32)
    assert description(one) == description(same)  # the engine's to refuse, by its weights
    assert {n for n in description(one) if description(one)[n] != description(other)[n]} == {"rows"}

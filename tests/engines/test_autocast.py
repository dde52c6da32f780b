"""Weights that are cast once per call are those that the autocast casts for every token."""

from functools import partial

import pytest
import torch

from k15.engines import transformers
from k15.engines.autocast import weights_cast_once
from tests.engines.test_transformers import GREEDY, build, requests_for, run


@pytest.mark.parametrize("name", ["qwen3", "qwen3_vl"])
def test_the_same_tokens_and_logps_as_with_a_cast_for_every_token(name, monkeypatch) -> None:
    policy = build(name)
    policy.computing = partial(torch.autocast, "cpu", torch.bfloat16)
    once = run(policy, requests_for(name), GREEDY)
    monkeypatch.setattr(transformers, "weights_cast_once", lambda policy: policy.computing())
    assert run(policy, requests_for(name), GREEDY) == once


def test_the_weights_are_back_afterwards() -> None:
    policy = build("qwen3")
    before = {name: parameter.data_ptr() for name, parameter in policy.model.named_parameters()}
    with weights_cast_once(policy):
        assert policy.model.model.layers[0].mlp.up_proj.weight.dtype == torch.float32
    policy.computing = partial(torch.autocast, "cpu", torch.bfloat16)
    with pytest.raises(KeyError), weights_cast_once(policy):
        assert policy.model.model.layers[0].mlp.up_proj.weight.dtype == torch.bfloat16
        assert policy.model.model.embed_tokens.weight.dtype == torch.float32
        raise KeyError
    after = {name: parameter.data_ptr() for name, parameter in policy.model.named_parameters()}
    assert after == before

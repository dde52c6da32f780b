"""Compiled layers give the log-probabilities and gradients of the plain ones."""

import os
import shutil

import pytest
import torch
from torch._dynamo.utils import counters

from k15.engines.protocol import Request, Sampling
from k15.engines.transformers import TransformersEngine
from k15.models.compiled import prepare_layers
from k15.models.layouts.base import Layout
from k15.models.layouts.bucketed import Bucketed
from k15.models.layouts.shared import Shared
from k15.models.logps import response_logps
from k15.models.policy import Policy
from tests.closeness import close
from tests.models.architectures import build, examples_for, gradients

NAME = "llama"
REASON = "torch.compile wants a C++ compiler: apt-get install g++"
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason=REASON)
needs_vectors = pytest.mark.skipif(
    os.environ.get("ATEN_CPU_CAPABILITY") == "default",
    reason="torch.compile's kernels use vectors, which ATEN_CPU_CAPABILITY=default takes away",
)


def policy(*, compiled: bool, checkpointed: bool = False) -> Policy:
    made = build(NAME)
    prepare_layers(made.model, compiled=compiled, checkpointed=checkpointed)
    made.model.eval()
    return made


def step(of: Policy, layout: Layout, count: int) -> tuple:
    of.model.zero_grad()
    logp = response_logps(of, layout.collate(of, examples_for(NAME)[:count]))
    logp.sum().backward()
    return logp, gradients(of)


@pytest.mark.slow
@needs_compiler
@needs_vectors
@pytest.mark.timeout(900)  # the compiler's; where others compute, too, it takes minutes
def test_the_same_numbers_in_any_size_and_layout() -> None:
    """Computed twice, too. Another size is not another compilation."""
    torch.compiler.reset()
    plain, fast = policy(compiled=False), policy(compiled=True, checkpointed=True)
    for layout in (Bucketed(), Shared()):
        for count in (5, 3, 4):
            before = counters["stats"]["unique_graphs"]
            close(step(fast, layout, count), step(plain, layout, count))
            assert (counters["stats"]["unique_graphs"] > before) == (count == 5)


def test_an_engine_takes_the_plain_ones() -> None:
    """Nothing is compiled for it."""
    before = counters["stats"]["unique_graphs"]
    request = Request(tokens=examples_for(NAME)[0].prompt_tokens, max_new_tokens=5)
    found, expected = (
        next(TransformersEngine(of).generate([request], Sampling(temperature=1.0)))
        for of in (policy(compiled=True), policy(compiled=False))
    )
    assert (found.tokens, found.logps) == (expected.tokens, expected.logps)
    assert counters["stats"]["unique_graphs"] == before

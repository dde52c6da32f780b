"""Real vLLM in servers: the engine of the trainer's process, elsewhere."""

from contextlib import closing

import pytest

from k15.config import ConfigError
from k15.engines.protocol import Sampling
from k15.engines.vllm.engine import VLLMEngine
from k15.engines.vllm.servers import VLLMServers
from k15.weights.full import full_weights
from k15.weights.routes.host_memory import HostMemory
from tests.engines.vllm.test_engine import (
    GREEDY,
    SMALL,
    agree,
    build,
    rates_as_the_trainer,
    requests_for,
    run,
    update,
)
from tests.vllm_there import THERE, needs_vllm


@pytest.mark.skipif(THERE, reason="vLLM is installed")
def test_without_vllm_the_line_that_installs_it_is_said() -> None:
    with pytest.raises(ConfigError, match=r'not installed: pip install "k15\[vllm\]"'):
        VLLMServers(build("text"))


@needs_vllm
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("modality", ["text", "image"])
def test_a_server_says_what_the_engine_in_this_process_says(modality: str) -> None:
    """Tokens, seeds and log-probabilities, before and after an update, by both ways of weights, and
    what it says of given responses; other samples share a batch there, which moves the last bits.
    """
    policy = build(modality)
    sampling = Sampling(temperature=0.7, seed=3)
    route = HostMemory(stream=modality == "image")
    with (
        closing(VLLMServers(policy, replicas=1, route=route, **SMALL)) as served,
        closing(VLLMEngine(policy, **SMALL)) as here,
    ):
        requests = requests_for(here)
        for version in (0, 1):
            ours, theirs = run(here, requests, sampling), run(served, requests, sampling)
            assert [c.tokens for c in theirs] == [c.tokens for c in ours]
            assert [c.finish for c in theirs] == [c.finish for c in ours]
            assert {c.version for c in theirs} == {version}
            agree(policy, requests, theirs, temperature=0.7)
            update(here)
            served.load_weights(full_weights(policy.model), 1)
        assert not {*policy.placeholder_ids} & {t for c in theirs for t in c.tokens}
        rates_as_the_trainer(served)


@needs_vllm
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_server_cannot_run_is_said_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"cannot run .* KV cache .* engine.cache_gib") as error:
        VLLMServers(build("text"), **SMALL | {"cache_gib": 0.0001})
    assert "\n" not in str(error.value)


@needs_vllm
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_half_of_the_weights_are_refused_and_the_next_ones_taken() -> None:
    policy = build("text")
    half = [(name, w) for name, w in full_weights(policy.model) if ".0." in name]
    with closing(VLLMServers(policy, **SMALL)) as engine:
        with pytest.raises(ValueError, match=r"lack 10 that vLLM's model has"):
            engine.load_weights(iter(half), 1)
        engine.load_weights(full_weights(policy.model), 2)
        requests = requests_for(engine)
        agree(policy, requests, run(engine, requests, GREEDY))

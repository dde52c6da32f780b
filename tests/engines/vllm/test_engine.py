"""The real vLLM on a CPU: its log-probabilities are the trainer's, before and after an update."""

import os
import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from k15.config import ConfigError
from k15.engines.protocol import Repetition, Request, Sampling
from k15.engines.repetition import first_repetition
from k15.engines.transformers import TransformersEngine
from k15.engines.vllm.engine import VLLMEngine
from k15.models.layouts.bucketed import Bucketed
from k15.models.logps import response_logps
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.types import Example
from k15.weights.full import full_weights
from tests.models import classes
from tests.vllm_there import needs_vllm

pytestmark = [needs_vllm, pytest.mark.slow, pytest.mark.timeout(600)]
GREEDY = Sampling(temperature=0)
SMALL = {"slots": 16, "cache_gib": 0.05}
LONG = tuple(range(5, 75))  # two cached blocks of 32 tokens and 6 more


def build(modality: str) -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=Make24().words, modality=modality, initializer_range=0.2)


@pytest.fixture(scope="module")
def text() -> Iterator[VLLMEngine]:
    engine = VLLMEngine(build("text"), **SMALL)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def image() -> Iterator[VLLMEngine]:
    engine = VLLMEngine(build("image"), **SMALL)
    yield engine
    engine.close()


@pytest.fixture(params=["text", "image"])
def engine(request) -> VLLMEngine:
    return request.getfixturevalue(request.param)


def requests_for(engine: VLLMEngine, new: int = 20, samples: int = 4) -> list[Request]:
    task = Make24(modality="image" if engine.policy.placeholder_ids else "text")
    return [
        Request(tokens=engine.policy.encode(problem), images=problem.images, max_new_tokens=new)
        for problem in map(task.problem, range(4))
        for _ in range(samples)
    ]


def run(engine, requests, sampling=GREEDY):
    """Completions in the order of the requests."""
    return sorted(engine.generate(requests, sampling), key=lambda completion: completion.index)


def update(engine: VLLMEngine) -> None:
    """Other weights, in the trainer and in the engine."""
    with torch.no_grad():
        for parameter in engine.policy.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    engine.load_weights(full_weights(engine.policy.model), (engine.version or 0) + 1)


def differences(policy, requests, completions, temperature=1.0) -> torch.Tensor:
    """|engine − trainer| of each token, in nats."""
    found = []
    for completion in completions:
        request = requests[completion.index]
        example = Example(
            prompt_tokens=request.tokens,
            response_tokens=completion.tokens,
            images=request.images,
        )
        batch = Bucketed().collate(policy, [example])
        with torch.no_grad():
            trainer_T = response_logps(policy, batch, temperature=temperature)[0]
        found.append((trainer_T - torch.tensor(completion.logps)).abs())
    return torch.cat(found)


def agree(policy, requests, completions, temperature=1.0) -> None:
    """As near as other kernels in every layer let them be."""
    difference = differences(policy, requests, completions, temperature)
    assert difference.max() <= 1e-4 and difference.mean() <= 1e-5


@pytest.mark.parametrize(
    "sampling", [Sampling(), GREEDY, Sampling(temperature=0.7, top_p=0.9), Sampling(top_p=0.8)]
)
def test_logps_are_the_trainers_before_and_after_an_update(engine, sampling) -> None:
    """Also below a top-p, at a temperature and beside forbidden tokens, here those of pictures."""
    requests = requests_for(engine)
    for _ in range(2):
        completions = run(engine, requests, sampling)
        assert {c.version for c in completions} == {engine.version or 0}
        agree(engine.policy, requests, completions, sampling.temperature or 1.0)
        assert not {t for c in completions for t in c.tokens} & {*engine.policy.placeholder_ids}
        update(engine)


@pytest.mark.parametrize(
    ("engine", "cache"),
    [("text", "reset_prefix_cache"), ("image", "reset_encoder_cache")],
    indirect=["engine"],
)
def test_nothing_that_old_weights_computed_is_used_again(engine, cache, monkeypatch) -> None:
    requests = requests_for(engine)[:1]
    if cache == "reset_prefix_cache":
        requests = [Request(tokens=LONG, max_new_tokens=4)]
    run(engine, requests)
    update(engine)
    agree(engine.policy, requests, run(engine, requests))
    with monkeypatch.context() as patch:  # what it looks like if one is forgotten
        patch.setattr(engine.vllm.llm, cache, lambda: True)
        update(engine)
        stale = run(engine, requests)
    assert differences(engine.policy, requests, stale).max() > 0.01
    update(engine)


def test_given_responses_are_rated_as_the_trainer_does(engine) -> None:
    rates_as_the_trainer(engine)


def rates_as_the_trainer(engine) -> None:
    """Its own greedy ones, and others; in front of it, the cache has their prompts."""
    requests = requests_for(engine, new=9, samples=1)
    completions = run(engine, requests)
    examples = [
        Example(prompt_tokens=request.tokens, response_tokens=tokens, images=request.images)
        for request, done in zip(requests, completions, strict=True)
        for tokens in (done.tokens, (*done.tokens[:-1], 9))
    ]
    found = sorted(engine.score(examples), key=lambda scored: scored.index)
    own = sorted(TransformersEngine(engine.policy).score(examples), key=lambda each: each.index)
    for ours, theirs in zip(found, own, strict=True):
        assert ours.logps == pytest.approx(theirs.logps, abs=1e-4)
        assert ours.greedy == theirs.greedy
    assert [scored.greedy for scored in found] == [True, False] * len(requests)


def test_requests_of_one_call_are_drawn_in_their_own_ways(text) -> None:
    """Greedy ones in a call at another temperature are those of a greedy call."""
    requests = requests_for(text)
    greedy, sampled = run(text, requests), run(text, requests, Sampling(temperature=0.7, seed=3))
    mixed = run(
        text,
        [r if i % 2 else replace(r, temperature=0.0) for i, r in enumerate(requests)],
        Sampling(temperature=0.7, seed=3),
    )
    expected = [(sampled if i % 2 else greedy)[i].tokens for i in range(len(requests))]
    assert [done.tokens for done in mixed] == expected


def test_samples_of_a_prompt_share_its_blocks(text) -> None:
    fed, requests = [], [Request(tokens=LONG[::-1], max_new_tokens=3)] * 4
    embedding = text.vllm.llm.model_executor.driver_worker.worker.get_model().model.embed_tokens
    hook = embedding.register_forward_hook(lambda _, args, out: fed.append(args[0].numel()))
    run(text, requests, Sampling())
    hook.remove()
    # 70 tokens of the first and 6 of each other; of 3 new tokens the last one is fed to nobody
    assert sum(fed) == 70 + 3 * 6 + 4 * 2


def test_a_continued_response_is_the_uncut_one(engine) -> None:
    requests = requests_for(engine, new=12, samples=1)
    whole = run(engine, requests)
    for request, uncut in zip(requests, whole, strict=True):
        assert len(uncut.tokens) > 5
        rest = replace(request, tokens=request.tokens + uncut.tokens[:5], max_new_tokens=7)
        (continued,) = run(engine, [rest])
        assert continued.tokens == uncut.tokens[5:]
        assert continued.finish == uncut.finish
        torch.testing.assert_close(continued.logps, uncut.logps[5:], atol=1e-4, rtol=0)


def test_seeds_repeat_and_differ(text) -> None:
    requests = requests_for(text)
    one, again, other = (
        [c.tokens for c in run(text, requests, Sampling(seed=seed))] for seed in (1, 1, 2)
    )
    assert one == again != other
    assert len(set(one[:4])) > 1  # samples of one prompt
    own = [replace(request, seed=index) for index, request in enumerate(requests)]
    together = [c.tokens for c in run(text, own, Sampling(seed=3))]
    alone = [run(text, [request], Sampling(seed=4))[0].tokens for request in own[:6]]
    assert together[:6] == alone


def test_stop_tokens_end_a_response() -> None:
    policy = build("text")
    policy.model.generation_config.eos_token_id = [1, 30]
    engine = VLLMEngine(Policy(policy.model, policy.tokenizer), **SMALL)
    requests = [Request(tokens=(5, 6), max_new_tokens=60)] * 40
    ends = {"stop": set(), "length": set()}
    for completion in run(engine, requests, Sampling(temperature=2.0)):
        ends[completion.finish].add(completion.tokens[-1])
        assert not {1, 30} & set(completion.tokens[:-1])
        assert completion.finish == "stop" or len(completion.tokens) == 60
    engine.close()
    assert ends["stop"] == {1, 30}


def test_what_is_stopped_comes_back_as_it_stands_and_goes_on(engine) -> None:
    """Greedy, so that parts and whole can be compared."""
    requests = requests_for(engine, new=24)
    whole = run(engine, requests)
    parts, left, rounds = [()] * len(requests), list(range(len(requests))), 0
    while left:
        rounds += 1
        rests = [
            replace(
                requests[i],
                tokens=requests[i].tokens + parts[i],
                max_new_tokens=24 - len(parts[i]),
            )
            for i in left
        ]
        again = []
        rests[0] = replace(rests[0], max_new_tokens=min(7, rests[0].max_new_tokens))
        for completion in engine.generate(iter(rests), GREEDY):
            i = left[completion.index]
            parts[i] += completion.tokens
            engine.stop()
            if completion.finish == "cut" or (completion.finish == "length" and len(parts[i]) < 24):
                again.append(i)
        left = sorted(again)
    assert rounds > 2
    assert parts == [completion.tokens for completion in whole]


def test_requests_are_pulled_when_a_slot_is_free(text) -> None:
    pulled = []

    def one_by_one():
        for index, request in enumerate(requests_for(text, samples=8)):
            pulled.append(index)
            yield request
            if index == 20:
                yield None

    completions = text.generate(one_by_one(), Sampling())
    assert not pulled
    for ended, _ in enumerate(completions, start=1):
        assert len(pulled) <= 16 + ended
    assert ended == len(pulled) == 32


def test_a_new_call_ends_the_one_before(text) -> None:
    requests = requests_for(text)
    abandoned = text.generate(requests, GREEDY)
    next(abandoned)
    completions = run(text, requests)
    assert len(completions) == 16 and not list(abandoned)
    assert not text.vllm.llm.has_unfinished_requests()


def test_a_repetition_ends_where_it_is_complete(text) -> None:
    rule = Repetition(max_pattern=2, tokens=8)
    requests = requests_for(text, new=100, samples=1)
    whole = run(text, requests)
    ends = [first_repetition(completion.tokens, rule) for completion in whole]
    assert any(ends)  # greedy decoding runs into loops
    for end, before, after in zip(
        ends, whole, run(text, requests, Sampling(temperature=0, repetition=rule)), strict=True
    ):
        assert after.tokens == before.tokens[:end]
        assert len(after.logps) == len(after.tokens)
        assert after.finish == ("repetition" if end else before.finish)


def test_refused_weights_leave_no_half_loaded_engine(text) -> None:
    before = run(text, requests_for(text))
    # of layer 1 all 8, the embedding and the last norm are not there
    half = [(name, 2 * w) for name, w in full_weights(text.policy.model) if ".0." in name]
    with pytest.raises(ValueError, match=r"lack 10 that vLLM's model has, such as"):
        text.load_weights(iter(half), 7)
    with pytest.raises(RuntimeError, match="has no weights"):
        text.generate(requests_for(text), GREEDY)
    text.load_weights(full_weights(text.policy.model), 8)
    after = run(text, requests_for(text))
    assert [c.tokens for c in after] == [c.tokens for c in before]
    assert {c.version for c in after} == {8}


def test_the_process_stays_the_trainers(text) -> None:
    """Environment, threads and random numbers, over another start and a rollout."""

    def state():
        numbers = random.random(), np.random.rand(), float(torch.rand(()))
        mine = {k: v for k, v in os.environ.items() if not k.startswith("VLLM_")}
        return numbers, mine, torch.set_num_threads

    def seed():
        random.seed(1), np.random.seed(1), torch.manual_seed(1)

    seed()
    before = state()
    seed()
    engine = VLLMEngine(text.policy, **SMALL)
    run(engine, requests_for(engine), Sampling())
    assert state() == before
    folder = engine.vllm.folder
    engine.close()
    assert not folder.exists()


def test_requests_are_checked_before_any_work(text) -> None:
    requests = [Request(tokens=(5, 6, 7), max_new_tokens=509)]
    text.generate(requests, GREEDY)
    requests.append(Request(tokens=(5, 6, 7), max_new_tokens=510))
    with pytest.raises(ValueError, match=r"request 1: 3 prompt tokens .* exceed .* 512"):
        text.generate(requests, GREEDY)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"options": {"max_num_seq": 3}}, r"options.max_num_seq: .* did you mean max_num_seqs"),
        ({"cache_gib": 0.0001}, r"cannot run .* KV cache .* engine.cache_gib"),
        ({"slots": 0}, r"engine.slots=0"),
    ],
)
def test_what_cannot_start_is_said_in_one_line(settings, message) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        VLLMEngine(build("text"), **SMALL | settings)
    assert "\n" not in str(error.value)


def test_a_model_that_vllm_does_not_know_is_refused_in_one_line() -> None:
    message = r"cannot run .* no module .*; .* engine=transformers"
    with pytest.raises(ConfigError, match=message) as error:
        VLLMEngine(classes.policy_of("biogpt"), **SMALL)
    assert "\n" not in str(error.value)

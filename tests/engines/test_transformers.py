from dataclasses import replace
from functools import cache, partial
from itertools import islice

import pytest
import torch

from k15.engines.protocol import Repetition, Request, Sampling
from k15.engines.repetition import first_repetition
from k15.engines.transformers import TransformersEngine
from k15.models.policy import Policy
from k15.tasks.make24 import Make24
from k15.types import Example
from tests.closeness import close
from tests.models import architectures

GREEDY = Sampling(temperature=0)
EVERY_MODEL = ("qwen3", "qwen3 eager", "qwen2", "gemma2", "llama", "qwen3_vl")


build = partial(architectures.build, wordless=7)
policy_named = cache(build)


@cache
def prompts_for(name):
    """Tokens and pictures of 9 problems of different length."""
    task = Make24(modality="image" if name == "qwen3_vl" else "text")
    problems = [task.problem(index) for index in range(9)]
    return [(policy_named(name).encode(problem), problem.images) for problem in problems]


def requests_for(name, new=(5, 12, 1, 30, 8, 17, 3, 21, 14), samples=1):
    return [
        Request(tokens=tokens, images=images, max_new_tokens=budget)
        for (tokens, images), budget in zip(prompts_for(name), new, strict=True)
        for _ in range(samples)
    ]


def run(policy, requests, sampling, **kwargs):
    """Completions in the order of the requests."""
    completions = TransformersEngine(policy, **kwargs).generate(requests, sampling)
    return sorted(completions, key=lambda completion: completion.index)


def all_logps(completions):
    return [logp for completion in completions for logp in completion.logps]


def inputs(policy, tokens, images):
    """What the model's own forward takes for one sequence, positions left to transformers."""
    expanded = policy.expand(tokens, images)
    ids = torch.tensor([expanded.tokens])
    if not images:
        return {"input_ids": ids}
    kinds = (ids == policy.model.config.image_token_id).int()
    return {"input_ids": ids, "mm_token_type_ids": kinds, **expanded.features}


@torch.no_grad()
def own_logps(policy, request, new, temperature):
    """[T, V] of every token that could stand in the place of each new one."""
    logits = policy.model(**inputs(policy, (*request.tokens, *new), request.images)).logits[0]
    return (logits[-len(new) - 1 : -1] / temperature).log_softmax(-1)


@pytest.mark.parametrize("name", EVERY_MODEL)
@pytest.mark.parametrize("slots", [4, 256])
def test_logps_are_those_of_the_models_own_forward(name, slots):
    policy, requests = policy_named(name), requests_for(name)
    sampling = Sampling(temperature=0.8, top_p=0.9)
    completions, own = run(policy, requests, sampling, slots=slots), []
    for request, completion in zip(requests, completions, strict=True):
        every = own_logps(policy, request, completion.tokens, temperature=0.8)
        own += every[range(len(completion.tokens)), completion.tokens]
    close(all_logps(completions), own)


def test_requests_of_one_call_are_drawn_in_their_own_ways():
    """Each as in a call whose sampling is the request's."""
    policy, requests = policy_named("qwen3"), requests_for("qwen3")
    ways = [Sampling(), GREEDY, Sampling(temperature=0.7, top_p=0.8)]
    given = [ways[place % 3] for place in range(len(requests))]
    seeded = [replace(request, seed=place) for place, request in enumerate(requests)]
    own = [
        replace(request, temperature=way.temperature, top_p=way.top_p)
        for request, way in zip(seeded, given, strict=True)
    ]
    mixed = run(policy, own, Sampling(temperature=3.0), slots=5)
    for place, (request, way) in enumerate(zip(seeded, given, strict=True)):
        (alone,) = run(policy, [request], way)
        assert mixed[place].tokens == alone.tokens
        close(all_logps(mixed[place : place + 1]), all_logps([alone]))


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_given_responses_are_rated_by_the_models_own_forward(name):
    """Two responses to each prompt, the one that is greedy and one that is not; in any order, and
    the model is as it was.
    """
    policy, requests = policy_named(name), requests_for(name)[:3]
    greedy = run(policy, requests, GREEDY)
    examples = [
        Example(prompt_tokens=request.tokens, response_tokens=tokens, images=request.images)
        for request, completion in zip(requests, greedy, strict=True)
        for tokens in (completion.tokens, (*completion.tokens[:-1], 9))
    ]
    policy.model.train()
    found = {scored.index: scored for scored in TransformersEngine(policy).score(examples)}
    assert policy.model.training
    policy.model.eval()
    for index, example in enumerate(examples):
        request, tokens = requests[index // 2], example.response_tokens
        own = own_logps(policy, request, tokens, temperature=1.0)
        close(torch.tensor(found[index].logps), own[range(len(tokens)), tokens])
        assert found[index].greedy == (own.argmax(-1).tolist() == list(tokens))
    assert found[0].greedy and not found[1].greedy


def test_what_cannot_be_rated_is_refused():
    policy = policy_named("qwen3")
    for prompt, response, fault in (((), (5,), "a token each"), ((5,) * 999, (5,), "exceed")):
        example = Example(prompt_tokens=prompt, response_tokens=response)
        with pytest.raises(ValueError, match=rf"example 0: .*{fault}"):
            list(TransformersEngine(policy).score([example]))


def banned_tokens(policy):
    """Placeholders, and rows of the vocabulary that have no token."""
    vocabulary = policy.model.config.get_text_config().vocab_size
    return [*policy.placeholder_ids, *range(len(policy.tokenizer), vocabulary)]


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_greedy_is_that_of_generate(name):
    """Fewer slots than requests: rows are refilled and moved."""
    policy, requests = policy_named(name), requests_for(name)
    completions = run(policy, requests, GREEDY, slots=3)
    for request, completion in zip(requests, completions, strict=True):
        prompt = inputs(policy, request.tokens, request.images)
        whole = policy.model.generate(
            **prompt,
            do_sample=False,
            max_new_tokens=request.max_new_tokens,
            suppress_tokens=banned_tokens(policy) or None,
        )
        assert list(completion.tokens) == whole[0, prompt["input_ids"].shape[1] :].tolist()


@pytest.mark.parametrize("name", ["qwen3", "gemma2", "qwen3_vl"])
def test_a_continued_response_is_the_uncut_one(name):
    policy, requests = policy_named(name), requests_for(name)
    whole = run(policy, requests, GREEDY)
    longer = [index for index, completion in enumerate(whole) if len(completion.tokens) > 4]
    assert len(longer) > 3
    rests = [
        Request(
            tokens=(*requests[index].tokens, *whole[index].tokens[:4]),
            images=requests[index].images,
            max_new_tokens=requests[index].max_new_tokens - 4,
        )
        for index in longer
    ]
    continued = run(policy, rests, GREEDY)
    for index, rest in zip(longer, continued, strict=True):
        assert rest.tokens == whole[index].tokens[4:]
        assert rest.finish == whole[index].finish
    close(all_logps(continued), [logp for index in longer for logp in whole[index].logps[4:]])


def test_how_prompts_are_prefilled_changes_nothing():
    policy, requests = policy_named("qwen2"), requests_for("qwen2")
    requests += [Request(tokens=(9,), max_new_tokens=6), Request(tokens=(9, 8), max_new_tokens=6)]
    together = run(policy, requests, GREEDY)
    for kwargs in ({"tokens_per_prefill": 1}, {"tokens_per_prefill": 20, "slots": 2}):
        apart = run(policy, requests, GREEDY, **kwargs)
        assert [one.tokens for one in together] == [other.tokens for other in apart]
        close(all_logps(together), all_logps(apart))


@pytest.mark.parametrize("kind", [list, iter])
def test_equal_requests_are_prefilled_once(kind):
    policy = policy_named("qwen3_vl")
    fed = []
    embedding = policy.model.get_input_embeddings()
    hook = embedding.register_forward_hook(lambda _, args, out: fed.append(args[0].numel()))
    (tokens, images), (other_tokens, other_images) = prompts_for("qwen3_vl")[:2]
    requests = [Request(tokens=tokens, images=images, max_new_tokens=5)] * 4
    requests += [Request(tokens=other_tokens, images=other_images, max_new_tokens=5)] * 2
    completions = run(policy, kind(requests), Sampling(), slots=3)
    hook.remove()
    # <vision_start> 16 visual tokens (28 x 112 pixels) <vision_end> ":" make 19; all but the last
    # are prefilled, once per picture; then there is one input for each new token
    assert tokens == other_tokens and len(tokens) == 4
    assert sum(fed) == 2 * 18 + sum(len(completion.tokens) for completion in completions)
    assert len({completion.tokens for completion in completions[:4]}) > 1


def test_the_seed_decides():
    policy, requests = policy_named("qwen3"), requests_for("qwen3", samples=2)
    first, again, other = (
        run(policy, requests, Sampling(seed=seed), slots=5) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_seed_of_its_own_makes_a_request_independent_of_the_others():
    policy = policy_named("qwen3")
    requests = [
        replace(request, seed=7 + index)
        for index, request in enumerate(requests_for("qwen3", samples=2))
    ]
    alone = [run(policy, [request], Sampling())[0].tokens for request in requests]
    for slots, sampling in ((3, Sampling(seed=1)), (18, Sampling(seed=2))):
        together = run(policy, requests, sampling, slots=slots)
        assert [completion.tokens for completion in together] == alone
    other = run(policy, [replace(request, seed=99) for request in requests], Sampling())
    assert [completion.tokens for completion in other] != alone


def test_requests_are_pulled_when_a_slot_is_free():
    """Budgets 5, 12, 1, 30, ... through 2 slots: the third starts where the first has ended."""
    policy, requests, pulled = policy_named("qwen3"), requests_for("qwen3"), []

    def one_by_one():
        for index, request in enumerate(requests):
            pulled.append(index)
            yield request

    completions = TransformersEngine(policy, slots=2).generate(one_by_one(), GREEDY)
    assert not pulled
    seen = []
    for completion in completions:
        seen.append((completion.index, len(pulled)))
    ended = [index for index, _ in seen]
    assert sorted(ended) == list(range(9))
    # when the n-th one ends, the two running and those that have ended were pulled, no more
    assert all(count <= n + 2 for n, (_, count) in enumerate(seen))


def test_where_there_is_no_request_the_engine_asks_again():
    policy, (one, other, *_) = policy_named("qwen3"), requests_for("qwen3")
    completions = run(policy, iter([one, None, None, other]), GREEDY)
    expected = run(policy, [one, other], GREEDY)
    assert [c.tokens for c in completions] == [c.tokens for c in expected]


@pytest.mark.parametrize("name", ["qwen3", "qwen3_vl"])
def test_what_is_stopped_and_continued_is_what_was_never_stopped(name):
    """Sampled, not greedy: the seed and the place in the response decide each token."""
    policy = policy_named(name)
    requests = [replace(r, seed=index) for index, r in enumerate(requests_for(name, samples=2))]
    whole = run(policy, requests, Sampling())
    engine, parts = TransformersEngine(policy, slots=6), [()] * len(requests)
    logps, rounds = [()] * len(requests), 0
    left = list(range(len(requests)))
    while left:
        rounds += 1
        rests = [
            replace(
                requests[i],
                tokens=requests[i].tokens + parts[i],
                max_new_tokens=requests[i].max_new_tokens - len(parts[i]),
            )
            for i in left
        ]
        going_on, touched = [], set()
        for completion in engine.generate(iter(rests), Sampling()):
            i = left[completion.index]
            touched.add(i)
            parts[i] += completion.tokens
            logps[i] += completion.logps
            if completion.finish == "cut":
                assert completion.tokens
                going_on.append(i)
            engine.stop()
        left = sorted({*going_on, *left} - (touched - set(going_on)))
    assert rounds > 3
    assert parts == [completion.tokens for completion in whole]
    close([x for logp in logps for x in logp], all_logps(whole))


def test_what_ends_in_the_step_before_a_stop_is_no_cut():
    policy = policy_named("qwen3")
    requests = [Request(tokens=(5, 6, index), max_new_tokens=3) for index in range(7, 11)]
    requests.append(Request(tokens=(5, 6), max_new_tokens=9))
    engine = TransformersEngine(policy)
    finishes = {}
    for completion in engine.generate(requests, GREEDY):
        finishes[completion.index] = (completion.finish, len(completion.tokens))
        engine.stop()
    assert finishes == {**dict.fromkeys(range(4), ("length", 3)), 4: ("cut", 3)}


def test_top_p_stays_in_the_nucleus():
    policy, requests = policy_named("qwen3"), requests_for("qwen3")
    for request, completion in zip(
        requests, run(policy, requests, Sampling(top_p=0.5)), strict=True
    ):
        probability = own_logps(policy, request, completion.tokens, temperature=1).exp()
        for row, token in zip(probability, completion.tokens, strict=True):
            # the tokens that are more likely do not make up half of the mass yet
            assert row[row > row[token] + 1e-5].sum() < 0.5 + 1e-4


def test_stop_tokens_end_a_response():
    policy = build("qwen3")
    policy.model.generation_config.eos_token_id = [1, 30]
    policy = Policy(policy.model, policy.tokenizer)
    requests = [Request(tokens=(5, 6), max_new_tokens=60)] * 40
    completions = run(policy, requests, Sampling(temperature=2.0), slots=16)
    ends = {"stop": set(), "length": set()}
    for completion in completions:
        ends[completion.finish].add(completion.tokens[-1])
        assert not {1, 30} & set(completion.tokens[:-1])
        assert completion.finish == "stop" or len(completion.tokens) == 60
    assert ends["stop"] == {1, 30}
    assert ends["length"] and not ends["length"] & {1, 30}


@pytest.mark.parametrize("name", ["qwen3_vl", "qwen2"])
def test_tokens_without_a_text_are_never_sampled(name):
    policy, requests = build(name), requests_for(name)
    banned = banned_tokens(policy)
    assert len(banned) == {"qwen3_vl": 1, "qwen2": 7}[name]
    raised = torch.zeros(policy.model.config.get_text_config().vocab_size)
    raised[banned] = 200.0
    policy.model.lm_head.register_forward_hook(lambda _, args, logits: logits + raised)
    for sampling in (Sampling(), GREEDY):
        tokens = {t for c in run(policy, requests, sampling) for t in c.tokens}
        assert len(tokens) > 5
        assert not tokens & set(banned)


def test_a_repetition_ends_where_it_is_complete():
    policy, rule = policy_named("llama"), Repetition(max_pattern=2, tokens=4)
    requests = requests_for("llama", new=(7, 300, 60, 90, 40, 100, 200, 64, 12))
    whole = run(policy, requests, GREEDY, slots=4)
    ends = [first_repetition(completion.tokens, rule) for completion in whole]
    assert len({end for end in ends if end}) > 2  # greedy decoding runs into loops
    for slots in (2, 256):
        cut = run(policy, requests, Sampling(temperature=0, repetition=rule), slots=slots)
        for end, before, after in zip(ends, whole, cut, strict=True):
            assert after.tokens == before.tokens[:end]
            assert len(after.logps) == len(after.tokens)
            assert after.finish == ("repetition" if end else before.finish)


def test_a_repetition_saves_the_steps_behind_it():
    policy = policy_named("llama")
    steps = []
    hook = policy.model.register_forward_hook(lambda *_: steps.append(1))
    rule = Repetition(max_pattern=5, tokens=20)
    requests = [Request(tokens=prompts_for("llama")[5][0], max_new_tokens=400)]
    (cut,) = run(policy, requests, Sampling(temperature=0, repetition=rule))
    hook.remove()
    assert cut.finish == "repetition"
    # looked for every 16 steps; a loop of 5 has its 20 tokens in view at the latest by then
    assert len(steps) <= len(cut.tokens) + 16


@pytest.mark.parametrize(
    ("tokens", "new", "message"),
    [
        ((5, 6, 7), 510, r"request 1: 3 prompt tokens \+ max_new_tokens=510 = 513 exceed .* 512"),
        ((5, 6, 7), 0, "request 1: max_new_tokens=0"),
        ((), 5, "request 1: a prompt must end in a text token"),
    ],
)
def test_requests_are_checked_before_any_work(tokens, new, message):
    engine = TransformersEngine(policy_named("qwen3"))
    requests = [Request(tokens=(5, 6, 7), max_new_tokens=509)]
    engine.generate(requests, GREEDY)
    requests.append(Request(tokens=tokens, max_new_tokens=new))
    with pytest.raises(ValueError, match=message):
        engine.generate(requests, GREEDY)


def test_pictures_count_in_the_context():
    # 16 visual tokens in place of one placeholder: 4 + 15 + 494 = 513
    tokens, images = prompts_for("qwen3_vl")[0]
    request = Request(tokens=tokens, images=images, max_new_tokens=494)
    with pytest.raises(ValueError, match=r"19 prompt tokens .* 513 exceed"):
        TransformersEngine(policy_named("qwen3_vl")).generate([request], GREEDY)


def test_layers_without_keys_and_values_are_refused():
    policy = build("qwen3")
    policy.model.config.layer_types = ["full_attention", "linear_attention"]
    message = r"kind qwen3, and engine=transformers cannot decode it: .*\['linear_attention'\]"
    with pytest.raises(ValueError, match=message):
        TransformersEngine(policy)


def test_a_sliding_window_needs_an_attention_that_knows_it():
    policy = build("gemma2")
    policy.model.set_attn_implementation("eager")
    with pytest.raises(ValueError, match=r"\(eager\) is not told of the sliding window of 8"):
        TransformersEngine(policy)


def test_no_requests_no_completions():
    assert run(policy_named("qwen3"), [], GREEDY) == []


def test_completions_carry_the_version_of_the_weights():
    engine = TransformersEngine(policy_named("qwen3"))
    request = Request(tokens=(5, 6), max_new_tokens=1)
    assert [c.version for c in engine.generate([request], GREEDY)] == [0]
    engine.load_weights(engine.policy.model.named_parameters(), version=7)
    assert [c.version for c in engine.generate([request], GREEDY)] == [7]


def state(model):
    """What generating changes for a while."""
    return (
        [module.training for module in model.modules()],
        [getattr(config, "_attn_implementation", None) for config in configs(model)],
        torch.is_inference_mode_enabled(),
    )


def configs(model):
    return [model.config, model.config.get_text_config(), model.get_decoder().config]


@pytest.mark.parametrize("ending", ["exhausted", "dropped", "failed"])
def test_the_model_is_left_as_it_was(ending):
    policy = build("qwen3_vl")
    policy.model.train()
    policy.model.base_model.visual.eval()  # frozen, as in a text-only stage
    before = state(policy.model)
    completions = TransformersEngine(policy).generate(requests_for("qwen3_vl"), Sampling())
    next(completions)
    between = state(policy.model)
    assert not any(between[0]) and "k15_decode" in between[1] and not between[2]
    if ending == "exhausted":
        assert len(list(completions)) == 8
    elif ending == "dropped":
        del completions
    else:
        hook = policy.model.register_forward_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            list(completions)
        hook.remove()
    assert state(policy.model) == before


def test_a_model_may_be_used_between_two_completions():
    policy, requests = build("qwen3"), requests_for("qwen3")
    prompt = inputs(policy, requests[0].tokens, ())
    expected = policy.model(**prompt).logits
    completions = TransformersEngine(policy).generate(requests, GREEDY)
    head = list(islice(completions, 2))
    close(policy.model(**prompt).logits, expected)
    assert head + list(completions) == list(TransformersEngine(policy).generate(requests, GREEDY))


@pytest.mark.parametrize("name", ["qwen3", "qwen3_vl"])
def test_training_goes_on_after_generating(name):
    policy, requests = build(name), requests_for(name)
    policy.model.train()
    tokens = (*requests[0].tokens, 5, 6, 7)

    def gradients():
        policy.model.zero_grad()
        logits = policy.model(**inputs(policy, tokens, requests[0].images)).logits
        logits.log_softmax(-1)[..., 3].sum().backward()
        return [p.grad.clone() for p in policy.model.parameters() if p.grad is not None]

    before = gradients()
    run(policy, requests, Sampling())
    torch.testing.assert_close(gradients(), before, atol=0, rtol=0)
    # the next call generates with the weights of then
    first = run(policy, requests, GREEDY)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.mul_(0.5)
    second = run(policy, requests, GREEDY)
    assert [c.logps for c in first] != [c.logps for c in second]

from random import Random

import pytest

from k15.engines.protocol import Repetition, Request, Sampling, seed_of
from k15.engines.repetition import first_repetition
from k15.engines.vllm.translation import Translator, repetition_fields

TRANSLATOR = Translator(stop_ids=(1, 2), forbidden=(7,))
REQUEST = Request(tokens=(4, 5, 6), max_new_tokens=9)


def test_fields_of_a_request() -> None:
    sampling = Sampling(temperature=0.7, top_p=0.9, repetition=Repetition(tokens=9, max_pattern=4))
    assert TRANSLATOR.fields(REQUEST, sampling, index=3) == {
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 9,
        "seed": seed_of(seed_of(0, 3), 3),  # of the call and the place in it, and 3 tokens
        "stop_token_ids": [1, 2],
        "ignore_eos": True,
        "logprobs": 0,
        "logit_bias": {7: -100.0},
        "repetition_detection": {"max_pattern_size": 4, "min_pattern_size": 3, "min_count": 3},
    }


def test_a_request_may_be_drawn_in_its_own_way() -> None:
    own = Request(tokens=(4, 5), max_new_tokens=9, temperature=0.0, top_p=0.8)
    fields = TRANSLATOR.fields(own, Sampling(temperature=0.7), 0)
    assert (fields["temperature"], fields["top_p"]) == (0.0, 0.8)


def test_a_seed_of_its_own_is_mixed_with_the_tokens_in_front() -> None:
    own = Request(tokens=(4, 5), max_new_tokens=9, seed=11)
    seeds = {TRANSLATOR.fields(own, Sampling(seed=s), i)["seed"] for s in (1, 2) for i in (0, 5)}
    assert seeds == {seed_of(11, 2)}


@pytest.mark.parametrize("reason", ["stop", "length", "repetition", "abort"])
def test_a_repetition_is_cut_where_it_was_complete(reason: str) -> None:
    sampling = Sampling(repetition=Repetition(tokens=4, max_pattern=2))
    done = TRANSLATOR.completion(0, [5, 6, 7, 6, 7, 6], [-0.5] * 6, reason, sampling, 8)
    assert (done.tokens, done.finish) == ((5, 6, 7, 6, 7), "repetition")
    assert (len(done.logps), done.version) == (5, 8)


def test_what_was_stopped_before_its_first_token_is_cut() -> None:
    sampling = Sampling(repetition=Repetition())
    done = TRANSLATOR.completion(4, [], [], "abort", sampling, 0)
    assert (done.index, done.tokens, done.finish) == (4, (), "cut")


@pytest.mark.parametrize("rule", [Repetition(), Repetition(tokens=9, max_pattern=4)])
def test_vllms_rule_is_ours_a_little_later(rule: Repetition) -> None:
    """Whatever the pattern, it never fires first, and fires before twice as many tokens."""
    theirs = repetition_fields(rule)
    sizes = range(theirs["min_pattern_size"], theirs["max_pattern_size"] + 1)

    def fires(tokens: list[int]) -> bool:
        """As vLLM says it: the tail is the same pattern `min_count` times."""
        tails = (tokens[-size * theirs["min_count"] :] for size in sizes)
        return any(
            len(tail) == size * theirs["min_count"] and tail[size:] == tail[:-size]
            for size, tail in zip(sizes, tails, strict=True)
        )

    for length in range(1, rule.max_pattern + 1):
        pattern = Random(length).sample(range(100), length)
        tokens = [100, *(pattern * (4 * rule.tokens // length))]
        ours = first_repetition(tokens, rule)
        vllms = next(end for end in range(1, len(tokens) + 1) if fires(tokens[:end]))
        assert ours == rule.tokens + 1
        assert ours <= vllms < 2 * ours

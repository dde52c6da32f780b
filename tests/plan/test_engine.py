"""Seconds of an engine with a clock, added up by hand."""

import pytest

from k15.engines.protocol import Request, Sampling
from k15.plan.costs import Costs, Work
from k15.plan.engine import CostedEngine

WORK = Work(products=50, trained_share=1.0, query=0)  # 100 operations for each token that is read


def costs(**given) -> Costs:
    nothing = {"decode_step": 0.0, "decode_row": 0.0, "decode_position": 0.0}
    rates = {"prefill_rate": 1e99, "forward_rate": 1e99, "learn_rate": 1e99}
    return Costs(**{**nothing, **rates, "optimizer_step": 0.0, **given})


def run(engine: CostedEngine, *requests: Request):
    return list(engine.generate(requests, Sampling()))


def of(prompt: int, rest: int = 9, seed: int = 0) -> Request:
    return Request(tokens=(seed, *(0,) * (prompt - 1)), max_new_tokens=rest, seed=seed)


def engine(lengths: dict[int, int], slots: int = 2, unit: int = 1, **given) -> CostedEngine:
    found = CostedEngine(
        lambda request: lengths[request.seed], costs(**given), WORK, slots=slots, unit=unit
    )
    found.load_weights((), 3)
    return found


def test_a_step_costs_by_itself_and_by_rows() -> None:
    """Two rows: 2 steps together at 10 + 2, then one more row for 3 steps at 10 + 1."""
    clock = engine({1: 2, 2: 5}, decode_step=10.0, decode_row=1.0)
    done = run(clock, of(4, seed=1), of(4, seed=2))
    assert [(c.index, len(c.tokens), c.finish, c.version) for c in done] == [
        (0, 2, "stop", 3),
        (1, 5, "stop", 3),
    ]
    assert clock.seconds == 2 * 12 + 3 * 11 and (clock.steps, clock.tokens) == (5, 7)


def test_rows_look_at_all_that_is_behind_them() -> None:
    """A prompt of 4 and 3 new tokens: 5 + 6 + 7 positions."""
    clock = engine({1: 3}, decode_position=1.0)
    run(clock, of(4, seed=1))
    assert clock.seconds == 18


def test_padded_rows_look_as_far_as_the_longest() -> None:
    """Prompts of 4 and 10, one token each: 11 positions for both, else 5 + 11."""
    for padded, expected in ((True, 22), (False, 16)):
        clock = engine({1: 1, 2: 1}, decode_position=1.0, padded=padded)
        run(clock, of(4, seed=1), of(10, seed=2))
        assert clock.seconds == expected


def test_equal_prompts_are_read_once() -> None:
    """Two of three requests share 4 tokens, of 100 operations each at 100 per second; each request
    takes half a second besides, each prompt two.
    """
    clock = engine({1: 1, 2: 1}, slots=3, prefill_rate=100.0, request=0.5, prompt=2.0)
    run(clock, of(4, seed=1), of(4, seed=1), of(4, seed=2))
    assert clock.seconds == 2 * 4 + 3 * 0.5 + 2 * 2


def test_a_slot_that_is_free_takes_the_next_request() -> None:
    """One slot: 2 and 3 steps after each other."""
    clock = engine({1: 2, 2: 3}, slots=1, decode_step=1.0)
    run(clock, of(4, seed=1), of(4, seed=2))
    assert clock.seconds == 5


def test_a_budget_ends_a_response_and_a_stop_cuts_it() -> None:
    clock = engine({1: 2, 2: 9, 3: 5}, slots=3, decode_step=1.0)
    answers = clock.generate([of(4, 9, 1), of(4, 9, 2), of(4, 1, 3)], Sampling())
    found = [next(answers), next(answers)]
    assert [(c.index, len(c.tokens), c.finish) for c in found] == [(2, 1, "length"), (0, 2, "stop")]
    clock.stop()
    assert [(c.index, len(c.tokens), c.finish) for c in answers] == [(1, 2, "cut")]
    assert clock.seconds == 2


def test_a_token_may_stand_for_several() -> None:
    """3 units of 10 tokens behind a prompt of 4 units: 30 steps, at 40 + 5, + 15, + 25 positions on
    average (each unit's own ones counted to the middle of what is new).
    """
    clock = engine({1: 3}, unit=10, decode_step=1.0)
    run(clock, of(4, seed=1))
    assert clock.seconds == 30
    clock = engine({1: 3}, unit=10, decode_position=1.0)
    run(clock, of(4, seed=1))
    exact = sum(range(41, 71))
    assert clock.seconds == pytest.approx(exact, rel=0.1)

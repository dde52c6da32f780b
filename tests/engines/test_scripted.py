import pytest

from k15.engines.protocol import Request, Sampling
from k15.engines.scripted import ScriptedEngine

SCRIPT = {(5, 6): [(7, 1), (8, 8, 1)], (5,): [(9, 1)]}


def run(engine, *requests):
    return list(
        engine.generate([Request(tokens=t, max_new_tokens=n) for t, n in requests], Sampling())
    )


def test_equal_requests_get_the_responses_in_turn():
    completions = run(ScriptedEngine(SCRIPT), *[((5, 6), 9)] * 3)
    assert [c.tokens for c in completions] == [(7, 1), (8, 8, 1), (7, 1)]
    assert [c.finish for c in completions] == ["stop"] * 3
    assert [c.index for c in completions] == [0, 1, 2]


def test_a_budget_cuts_and_the_rest_follows():
    engine = ScriptedEngine(SCRIPT, logp=-0.5)
    engine.load_weights([], version=4)
    (cut,) = run(engine, ((5, 6, 8), 1))
    assert (cut.tokens, cut.logps, cut.finish, cut.version) == ((8,), (-0.5,), "length", 4)
    (rest,) = run(engine, ((5, 6, 8, 8), 1))
    assert (rest.tokens, rest.finish) == ((1,), "stop")


def test_a_function_may_answer():
    engine = ScriptedEngine(lambda request, index: [index] * len(request.tokens))
    assert [c.tokens for c in run(engine, ((4, 4), 9), ((4, 4, 4), 2))] == [(0, 0), (1, 1)]


@pytest.mark.parametrize("tokens", [(6,), (5, 6, 9), (5, 6, 7, 1), ()])
def test_what_is_not_in_the_script_is_refused(tokens):
    with pytest.raises(ValueError, match="request 0: the script has no prompt"):
        run(ScriptedEngine(SCRIPT), (tokens, 3))


def test_slots_side_by_side_and_what_stop_gives_back():
    """Two slots, lengths 4, 2, 5, 1: the third starts at step 2; at step 4 the first ends and the
    engine is stopped: the third has 2 of its tokens, the fourth was never asked for.
    """
    pulled = []

    def requests():
        for length in (4, 2, 5, 1):
            pulled.append(length)
            yield Request(tokens=(length,), max_new_tokens=9)

    engine = ScriptedEngine(lambda request, index: range(request.tokens[0]), slots=2)
    completions, steps = [], []
    for completion in engine.generate(requests(), Sampling()):
        completions.append(completion)
        steps.append(engine.steps)
        if completion.index == 0:
            engine.stop()
    assert [(c.index, c.tokens, c.finish) for c in completions] == [
        (1, (0, 1), "stop"),
        (0, (0, 1, 2, 3), "stop"),
        (2, (0, 1), "cut"),
    ]
    assert steps == [2, 4, 4] and pulled == [4, 2, 5]


def test_none_is_asked_again_when_a_response_has_ended():
    script = iter(
        [Request(tokens=(2,), max_new_tokens=9), None, Request(tokens=(3,), max_new_tokens=9)]
    )
    engine = ScriptedEngine(lambda request, index: range(request.tokens[0]), slots=8)
    assert [len(c.tokens) for c in engine.generate(script, Sampling())] == [2, 3]
    assert engine.steps == 5

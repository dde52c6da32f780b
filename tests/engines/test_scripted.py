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

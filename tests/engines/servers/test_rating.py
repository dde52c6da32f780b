"""Given responses are rated by servers, which may be lost in the middle of it."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from PIL import Image

from k15.config import ConfigError
from k15.engines.protocol import Request, Sampling
from k15.engines.servers.engine import ServedEngine
from k15.engines.servers.fleet import Patience
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.types import Example
from k15.weights.full import full_weights
from tests.engines.servers.steady import BREAKS, REFUSED, rated, whole

STEADY = "tests.engines.servers.steady.Steady"
SOON = Patience(start=120, answer=2, stall=30, load=20, restarts=3)


@pytest.fixture(scope="module")
def policy():
    return tiny_policy(words=Make24().words)


@pytest.fixture(scope="module")
def engine(policy) -> Iterator[ServedEngine]:
    """Two servers that take no time."""
    with closing(ServedEngine(policy, serves=STEADY, replicas=2, patience=SOON)) as engine:
        yield engine


def examples_for(count: int) -> list[Example]:
    return [
        Example(prompt_tokens=(5, 6, 7 + n // 4), response_tokens=(6 + n % 9, *(9,) * (n % 5)))
        for n in range(count)
    ]


def right(found, examples) -> None:
    """Each once, as one engine alone says it."""
    found = sorted(found, key=lambda one: one.index)
    assert found == [rated(index, example) for index, example in enumerate(examples)]


@pytest.mark.parametrize("count", [0, 1, 3, 150])
def test_each_example_is_rated_once(engine, count: int) -> None:
    """150 are pieces of 64, 64 and 22."""
    right(engine.score(examples_for(count)), examples_for(count))


def test_pictures_go_along() -> None:
    """As PNG: the width of each is in what `rated` says."""
    policy = tiny_policy(words=Make24().words, modality="image")
    place = policy.placeholders.id
    red, wide = Image.new("RGB", (56, 28), "red"), Image.new("RGB", (84, 28), "blue")
    examples = [
        Example(prompt_tokens=(5, *[place, 5] * len(seen)), response_tokens=(6 + n,), images=seen)
        for n, seen in enumerate([[red], [], [red, wide], [wide]])
    ]
    with closing(ServedEngine(policy, serves=STEADY, patience=SOON)) as engine:
        right(engine.score(examples), examples)


def test_it_takes_turns_with_generating(engine) -> None:
    """What is open ends where another call begins, on both sides."""
    requests = [Request(tokens=(5, 6, 7), max_new_tokens=30, seed=n) for n in range(6)]
    half = engine.generate(requests, Sampling())
    next(half)
    rating = engine.score(examples_for(150))
    next(rating)
    assert not list(half)
    found = sorted(engine.generate(requests, Sampling()), key=lambda one: one.index)
    assert [one.tokens for one in found] == [whole(request) for request in requests]
    assert len([*rating]) < 150
    right(engine.score(examples_for(9)), examples_for(9))


def test_what_the_engine_says_of_an_example_is_said_here(engine) -> None:
    """And the servers are still there."""
    before = [member.process.number for member in engine.fleet.members]
    examples = [*examples_for(3), Example(prompt_tokens=(5,), response_tokens=(8, REFUSED))]
    with pytest.raises(ValueError, match="is refused"):
        list(engine.score(examples))
    right(engine.score(examples_for(3)), examples_for(3))
    assert before == [member.process.number for member in engine.fleet.members]


def test_an_engine_that_cannot_is_one_line(policy) -> None:
    scripted = {"serves": "k15.engines.scripted.ScriptedEngine", "settings": {"responses": {}}}
    with (
        closing(ServedEngine(policy, **scripted, patience=SOON)) as engine,
        pytest.raises(ConfigError, match=r"ScriptedEngine generates, .* engine=transformers"),
    ):
        list(engine.score(examples_for(1)))


def test_examples_are_checked_before_any_work(engine) -> None:
    long = Example(prompt_tokens=(5,) * 500, response_tokens=(6,) * 13)
    with pytest.raises(ValueError, match=r"example 1: 513 tokens exceed .* context of 512"):
        list(engine.score([*examples_for(1), long]))


def losses_of(policy, number: int, seconds: float, ends: signal.Signals) -> list[int]:
    """Of two servers, the first of which is lost 0.3 s after so many examples begin to be rated, of
    `seconds` each; all of them are rated.
    """
    examples = examples_for(number)
    settings = {"seconds": seconds}
    with closing(
        ServedEngine(policy, serves=STEADY, settings=settings, replicas=2, patience=SOON)
    ) as engine:
        list(engine.score(examples_for(1)))  # they have weights
        first = engine.fleet.members[0].process.number
        threading.Timer(0.3, os.kill, (first, ends)).start()
        right(engine.score(examples), examples)
        return [member.lost for member in engine.fleet.members]


def test_a_server_that_dies_meanwhile_is_no_loss(policy) -> None:
    """It is killed when the first of its 40 examples is out; 20 ms each are 0.8 s for all."""
    assert losses_of(policy, 80, 0.02, signal.SIGKILL) == [1, 0]


def test_one_that_hangs_is_found(policy) -> None:
    assert losses_of(policy, 40, 0.05, signal.SIGSTOP)[0] == 1


def test_an_example_that_breaks_every_server_ends_the_run(policy) -> None:
    patience = replace(SOON, restarts=1)
    breaking = Example(prompt_tokens=(5,), response_tokens=(8, BREAKS))
    with closing(ServedEngine(policy, serves=STEADY, replicas=1, patience=patience)) as engine:
        engine.load_weights(full_weights(policy.model), 1)
        with pytest.raises(RuntimeError, match="the engine broke"):
            list(engine.score([breaking]))

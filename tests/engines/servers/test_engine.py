"""Servers of ours around an engine without a model: what happens when they die, hang or refuse."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from k15.config import ConfigError
from k15.engines.protocol import Repetition, Request, Sampling
from k15.engines.servers.engine import ServedEngine
from k15.engines.servers.fleet import Patience
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.weights.full import full_weights
from tests.engines.servers.steady import checksum, whole

STEADY = "tests.engines.servers.steady.Steady"
SAMPLING = Sampling()
SOON = Patience(start=120, answer=2, stall=3, load=20, restarts=3)


@pytest.fixture(scope="module")
def policy():
    return tiny_policy(words=Make24().words)


def served(policy, *, patience: Patience = SOON, replicas: int = 2, **settings: Any):
    engine = ServedEngine(
        policy, serves=STEADY, settings=settings, replicas=replicas, patience=patience
    )
    return closing(engine)


def requests_for(count: int = 24, new: int = 40, samples: int = 4) -> list[Request]:
    return [
        Request(tokens=(5, 6, 7 + i // samples), max_new_tokens=new, seed=i) for i in range(count)
    ]


def run(engine, requests, sampling=SAMPLING):
    """Completions in the order of the requests; none came twice."""
    completions = sorted(engine.generate(requests, sampling), key=lambda one: one.index)
    assert [completion.index for completion in completions] == list(range(len(requests)))
    return completions


def whole_ones(completions, requests, version: int = 1) -> None:
    """Each response is the one that nobody interrupted."""
    for request, completion in zip(requests, completions, strict=True):
        assert completion.tokens == whole(request)
        assert completion.logps == tuple(-0.25 * token for token in completion.tokens)
        assert (completion.version, completion.versions) == (version, ())


def numbers(engine) -> list[int]:
    """Of the server processes."""
    return [member.process.number for member in engine.fleet.members]


def renewed(member, version: int) -> bool:
    """Whether a server is there, with weights of this version."""
    return member.serving and member.version == version and member.generation > 0


def send(engine, version: int = 1) -> None:
    engine.load_weights(full_weights(engine.policy.model), version)


@pytest.fixture
def killer() -> Iterator[Any]:
    """Signals to servers at given moments, in a thread."""
    done = threading.Event()
    threads = []

    def start(engine, moments, number=signal.SIGKILL, seed=0) -> list[int]:
        hit, random = [], Random(seed)

        def work() -> None:
            for seconds in moments:
                if done.wait(seconds):
                    return
                member = random.choice(engine.fleet.members)
                if member.process is not None:
                    hit.append(member.process.number)
                    try:
                        os.kill(member.process.number, number)
                    except ProcessLookupError:
                        hit.pop()

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return hit

    yield start
    done.set()
    for thread in threads:
        thread.join()


def test_all_servers_answer_and_a_prompt_stays_on_one(policy) -> None:
    requests = requests_for(samples=3)
    with served(policy, slots=12, seconds=0.005) as engine:
        send(engine)
        given: dict[str, list[Any]] = {}
        for member in engine.fleet.members:
            keep = member.give

            def give(ticket, member=member, keep=keep):
                given.setdefault(member.name, []).append(ticket)
                keep(ticket)

            member.give = give
        completions = run(engine, requests)
    whole_ones(completions, requests)
    homes = [{t.request.tokens for t in tickets} for tickets in given.values()]
    assert [len(tickets) for tickets in given.values()] == [12, 12]
    assert len(homes[0]) == len(homes[1]) == 4 and not homes[0] & homes[1]


def test_requests_are_pulled_when_a_slot_is_free(policy) -> None:
    pulled = []

    def one_by_one():
        for index, request in enumerate(requests_for()):
            pulled.append(index)
            yield request
            if index == 10:
                yield None

    with served(policy, slots=4, seconds=0.002) as engine:
        send(engine)
        completions = engine.generate(one_by_one(), Sampling())
        assert not pulled
        for ended, _ in enumerate(completions, start=1):
            assert len(pulled) <= 8 + ended
    assert ended == len(pulled) == 24


def test_what_is_stopped_comes_back_as_it_stands_and_goes_on(policy) -> None:
    requests = requests_for(new=45)
    with served(policy, slots=16, seconds=0.01) as engine:
        send(engine)
        parts = {}
        for completion in engine.generate(requests, Sampling()):
            engine.stop()
            parts[completion.index] = completion
        assert len(parts) == 24 and {c.finish for c in parts.values()} >= {"cut", "stop"}
        cut = [index for index, part in sorted(parts.items()) if part.finish == "cut"]
        rests = [
            replace(
                requests[i],
                tokens=requests[i].tokens + parts[i].tokens,
                max_new_tokens=45 - len(parts[i].tokens),
            )
            for i in cut
        ]
        for index, rest in zip(cut, run(engine, rests), strict=True):
            assert parts[index].tokens + rest.tokens == whole(requests[index])


def test_a_new_call_ends_the_one_before(policy) -> None:
    requests = requests_for()
    with served(policy, seconds=0.02) as engine:
        send(engine)
        abandoned = engine.generate(requests_for(new=49), Sampling())
        next(abandoned)
        completions = run(engine, requests)
        assert not list(abandoned)
    whole_ones(completions, requests)


def test_a_loop_is_found_across_servers(policy) -> None:
    """The rule is the engine's own; joined tokens are looked at here."""
    rule = Repetition(tokens=4, max_pattern=2)
    request = Request(tokens=(5, 6), max_new_tokens=46, seed=1)
    with served(policy, seconds=0) as engine:
        send(engine)
        (found,) = run(engine, [request], Sampling(repetition=rule))
    from k15.engines.repetition import first_repetition

    end = first_repetition(whole(request), rule)
    assert found.tokens == whole(request)[:end]
    assert found.finish == ("repetition" if end else "stop")


def test_servers_that_are_killed_lose_nothing(policy, killer) -> None:
    """Their requests go on from their tokens: 40 steps of 20 ms are 0.8 s for each request."""
    requests = requests_for(32)
    with served(policy, slots=8, seconds=0.02) as engine:
        send(engine)
        before = numbers(engine)
        hit = killer(engine, [0.5, 0.8, 1.0, 1.2])
        completions = run(engine, requests)
        assert len(hit) >= 2 and numbers(engine) != before
    whole_ones(completions, requests)


def test_a_response_goes_on_from_its_tokens(policy) -> None:
    asked = []
    with served(policy, slots=4, seconds=0.05, replicas=1) as engine:
        send(engine)
        (member,) = engine.fleet.members
        keep = member.give

        def give(ticket):
            asked.append(len(ticket.tokens))
            keep(ticket)

        member.give = give
        threading.Timer(1.2, os.kill, (numbers(engine)[0], signal.SIGKILL)).start()
        (completion,) = run(engine, requests_for(1))
    whole_ones([completion], requests_for(1))
    assert asked[0] == 0 and asked[1] >= 10  # of about 24: it tells of them every 0.2 s


def test_a_server_that_hangs_is_replaced(policy, killer) -> None:
    requests = requests_for(16)
    with served(policy, slots=8, seconds=0.02) as engine:
        send(engine)
        before = set(numbers(engine))
        hit = killer(engine, [0.3], signal.SIGSTOP)
        completions = run(engine, requests)
        assert before - set(numbers(engine)) == set(hit)
    whole_ones(completions, requests)


def test_new_weights_reach_servers_and_those_that_come_back(policy, tmp_path: Path) -> None:
    model = policy.model
    with served(policy, seconds=0.02, folder=str(tmp_path)) as engine:
        send(engine, 1)
        send(engine, 2)
        threading.Timer(0.3, os.kill, (numbers(engine)[0], signal.SIGKILL)).start()
        completions = run(engine, requests_for(64))
        with engine.fleet.changed:  # the one that was killed has them, too, when it is back
            engine.fleet.wait_for(lambda: all(renewed(m, 2) for m in engine.fleet.members), 250, "")
    whole_ones(completions, requests_for(64), version=2)
    found = {file.name.split("-")[0]: set() for file in tmp_path.iterdir()}
    for file in tmp_path.iterdir():
        found[file.name.split("-")[0]].add(file.read_text())
    right = {str(checksum(full_weights(model)))}
    assert found == {"1": right, "2": right} and len(list(tmp_path.iterdir())) == 5


def test_weights_that_come_meanwhile_are_taken_by_what_runs(policy) -> None:
    """Every token is known by the weights that it is of."""
    requests = requests_for(8)
    with served(policy, slots=8, seconds=0.02) as engine:
        send(engine, 1)
        threading.Timer(0.4, send, (engine, 2)).start()
        completions = run(engine, requests)
    for request, completion in zip(requests, completions, strict=True):
        assert completion.tokens == whole(request)
    several = [completion for completion in completions if completion.versions]
    assert len(several) >= 4
    for completion in several:
        assert completion.version == 2 and {*completion.versions} == {1, 2}
        assert [*completion.versions] == sorted(completion.versions)
        assert len(completion.versions) == len(completion.tokens)


def test_refused_weights_are_an_error_and_the_next_ones_work(policy) -> None:
    requests = requests_for(4)
    with served(policy, refused=[2]) as engine:
        send(engine, 1)
        with pytest.raises(ValueError, match="version 2 does not fit"):
            send(engine, 2)
        with pytest.raises(RuntimeError, match="the servers have no weights"):
            engine.generate(requests, Sampling())
        send(engine, 3)
        whole_ones(run(engine, requests), requests, version=3)


def test_weights_that_end_half_way_leave_nobody_with_half(policy) -> None:
    def half():
        yield next(full_weights(policy.model))
        raise OSError("the trainer's disk")

    with served(policy) as engine:
        send(engine, 1)
        with pytest.raises(OSError, match="the trainer's disk"):
            engine.load_weights(half(), 2)
        send(engine, 3)
        whole_ones(run(engine, requests_for(4)), requests_for(4), version=3)


@pytest.mark.parametrize("phase", ["weights", "pause", "idle"])
def test_a_kill_between_calls_is_recovered_from(policy, phase: str, killer) -> None:
    requests = requests_for(8)
    with served(policy) as engine:
        send(engine, 1)
        if phase == "pause":
            engine.sleep()
        os.kill(numbers(engine)[1], signal.SIGKILL)
        if phase == "idle":
            time.sleep(3)
        send(engine, 2)
        whole_ones(run(engine, requests), requests, version=2)


def test_a_server_that_breaks_every_time_ends_the_run_with_its_traceback(policy) -> None:
    with served(policy, breaks=13) as engine:
        send(engine)
        with pytest.raises(RuntimeError, match="the engine broke") as error:
            run(engine, requests_for(4, new=13))
        assert "Traceback" in str(error.value)


def test_a_request_that_breaks_servers_ends_the_run(policy) -> None:
    """Others are answered in between, so that no server is lost too often in a row."""
    requests = [*requests_for(400, new=3), replace(requests_for(1)[0], max_new_tokens=13)]
    with served(policy, seconds=0.01, breaks=13) as engine:
        send(engine)
        with pytest.raises(RuntimeError, match=r"the engine broke|request 400 .* lost"):
            run(engine, requests[::-1])


def test_an_engine_that_gives_no_token_counts_as_hanging(policy) -> None:
    """It answers, for it is only the engine that is stuck."""
    patience = replace(SOON, restarts=0)
    with served(policy, patience=patience, replicas=1, hangs=13) as engine:
        send(engine)
        with pytest.raises(RuntimeError, match="no token for 3 s"):
            run(engine, requests_for(1, new=13))


def test_what_cannot_start_is_said_in_its_own_line(policy) -> None:
    with pytest.raises(ConfigError, match=r"^engine.slots=0: .* must have a slot$"):
        ServedEngine(
            policy,
            serves="k15.engines.transformers.TransformersEngine",
            settings={"slots": 0},
            patience=SOON,
        )


def test_a_server_that_does_not_start_in_time(policy) -> None:
    patience = replace(SOON, start=0.01, restarts=0)
    with (
        pytest.raises(RuntimeError, match=r"did not start within 0.01 s"),
        served(policy, patience=patience),
    ):
        pass


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"replicas": 0}, r"engine.replicas=0, engine.urls=\[\]: nobody generates"),
        ({"urls": ["localhost:1"]}, r"'localhost:1': expected http://host:port"),
        ({"devices": ["0"], "replicas": 2}, r"1 for engine.replicas=2"),
    ],
)
def test_numbers_and_addresses_are_checked_first(policy, settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        ServedEngine(policy, serves=STEADY, **settings)


def test_requests_are_checked_before_any_work(policy) -> None:
    requests = [*requests_for(1), Request(tokens=(5, 6, 7), max_new_tokens=510)]
    with served(policy) as engine, pytest.raises(ValueError, match=r"request 1: 3 prompt .* 512"):
        engine.generate(requests, Sampling())

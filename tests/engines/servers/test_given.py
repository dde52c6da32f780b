"""Servers that somebody else has started: tokens, owners, odd answers, coming and going."""

import http.client
import json
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k15.config import ConfigError
from k15.engines.protocol import Sampling
from k15.engines.servers.engine import ServedEngine
from k15.engines.servers.fleet import Patience
from k15.engines.servers.http_server import http_server
from k15.engines.servers.registry import FileRegistry
from k15.engines.servers.server import Server
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.weights.full import full_weights
from tests.engines.servers.hosting import hosted
from tests.engines.servers.steady import Steady, checksum
from tests.engines.servers.test_engine import STEADY, requests_for, run, send, whole_ones

SOON = Patience(start=5, answer=2, stall=3, load=20, restarts=3)


@pytest.fixture(scope="module")
def policy():
    return tiny_policy(words=Make24().words)


def using(policy, *urls: str, **settings: Any):
    settings = {"replicas": 0, "patience": SOON, **settings}
    return closing(ServedEngine(policy, serves=STEADY, urls=urls, **settings))


def test_two_given_servers_answer_and_weights_come_over_http(policy, tmp_path: Path) -> None:
    requests = requests_for()
    with (
        hosted(policy, seconds=0.002, folder=str(tmp_path)) as (one, _),
        hosted(policy, seconds=0.002, folder=str(tmp_path)) as (other, server),
    ):
        with using(policy, one, other) as engine:
            send(engine)
            whole_ones(run(engine, requests), requests)
            assert server.owner is not None
        assert server.owner is None  # free for the next run
    right = str(checksum(full_weights(policy.model)))
    assert [file.read_text() for file in tmp_path.iterdir()] == [right] * 2


def test_the_token_is_asked_for(policy, monkeypatch) -> None:
    with hosted(policy, token="right") as (url, _):
        for token in (None, "wrong"):
            with pytest.raises(ConfigError, match="the token is not this server's"):
                using(policy, url, token=token)
        with using(policy, url, token="right") as engine:
            send(engine)
            whole_ones(run(engine, requests_for(4)), requests_for(4))
        monkeypatch.setenv("K15_SERVER_TOKEN", "right")
        with using(policy, url):
            pass


@pytest.mark.parametrize("path", ["/health", "/claim", "/exchange", "/weights", "/release"])
def test_without_the_token_nothing_is_done(policy, path: str) -> None:
    with hosted(policy, token="right") as (url, server):
        for header in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer righ"}):
            connection = http.client.HTTPConnection(url.partition("://")[2], timeout=5)
            method = "GET" if path == "/health" else "POST"
            connection.request(method, path, b"" if method == "GET" else b"{}", header)
            answer = connection.getresponse()
            assert (answer.status, "token" in json.loads(answer.read())["error"]) == (401, True)
            connection.close()
        assert server.owner is None


def test_others_reach_it_with_a_token_alone(policy) -> None:
    server = Server(Steady, {})
    with pytest.raises(ConfigError, match=r"host=0.0.0.0: .*K15_SERVER_TOKEN"):
        http_server(server, "0.0.0.0", 0, None)
    with closing(http_server(server, "0.0.0.0", 0, "secret").socket):
        pass


def test_a_server_has_one_trainer(policy) -> None:
    with hosted(policy) as (url, server):
        with using(policy, url) as engine:
            send(engine)
            with pytest.raises(ConfigError, match=r"serves another run .*; end that one") as error:
                using(policy, url)
            assert "\n" not in str(error.value)
            whole_ones(run(engine, requests_for(4)), requests_for(4))
        with server._owning:  # one that is silent for a minute is taken for dead
            server.owner, server.heard = "a run that died", time.monotonic() - 61
        with using(policy, url):
            pass


def test_a_server_with_another_model_is_refused(policy) -> None:
    other = tiny_policy(words=[*Make24().words, "another"])
    message = r"its model has rows \d+, the trainer's \d+; start it with the same model"
    with hosted(other) as (url, _), pytest.raises(ConfigError, match=message):
        using(policy, url)


def test_nobody_at_the_url(policy) -> None:
    patience = replace(SOON, start=0.5)
    with pytest.raises(RuntimeError, match=r"no server has answered for .*refused"):
        using(policy, "http://127.0.0.1:9", patience=patience)


def never_again(spoil):
    """The first three times only."""
    times = []

    def spoiled(message, reply):
        if message["have"] and len(times) < 3 and (found := spoil(message, reply)) is not None:
            times.append(1)
            return found
        return None

    return spoiled


def broken(message, reply):
    raise ArithmeticError("out of order")


def without_an_answer(message, reply):
    if len(reply["answers"]) < 2:
        return None
    some = dict([*reply["answers"].items()][1:])
    gone = [int(n) for n in reply["answers"] if n not in some]
    return {"answers": some, "unknown": gone}


def short_of_tokens(message, reply):
    answers = {n: a for n, a in reply["answers"].items() if len(a["tokens"]) > 1}
    if not answers:
        return None
    number, answer = next(iter(answers.items()))
    keep = len(answer["tokens"]) // 2
    short = {**answer, "tokens": answer["tokens"][:keep], "logps": answer["logps"][:keep]}
    short |= {"finish": "length", "length": answer["start"] + keep}
    return {"answers": {number: short}, "unknown": []}


def without_sense(message, reply):
    return {"answers": {n: {"tokens": "x"} for n in message["have"]}, "unknown": []}


def fewer_logps(message, reply):
    for answer in reply["answers"].values():
        if answer["logps"]:
            return {
                "answers": {n: {**a, "logps": []} for n, a in reply["answers"].items()},
                "unknown": [],
            }
    return None


@pytest.mark.parametrize(
    "spoil", [broken, without_an_answer, short_of_tokens, without_sense, fewer_logps]
)
def test_odd_answers_cost_nothing(policy, spoil) -> None:
    """500s, forgotten requests, half of a response, nonsense: others go on, or the same one."""
    requests = requests_for(16)
    with (
        hosted(policy, seconds=0.005, spoil=never_again(spoil)) as (one, _),
        hosted(policy, seconds=0.005) as (other, _),
        using(policy, one, other) as engine,
    ):
        send(engine)
        whole_ones(run(engine, requests), requests)


def test_a_server_may_go_and_come_back(policy) -> None:
    """With the weights of now before it works."""
    requests = requests_for(48)
    with hosted(policy, seconds=0.01) as (steady, _):
        with hosted(policy, seconds=0.01) as (moving, first):
            engine = ServedEngine(
                policy, serves=STEADY, urls=[steady, moving], replicas=0, patience=SOON
            )
            send(engine, 5)
            completions = engine.generate(requests, Sampling())
            found = [next(completions)]
            first.end()
        port = int(moving.rpartition(":")[2])
        found.append(next(completions))
        with hosted(policy, seconds=0.01, port=port) as (_, second):
            found += completions
            until = time.monotonic() + 20
            while second.state()["version"] != 5 and time.monotonic() < until:
                time.sleep(0.1)
            assert second.state()["version"] == 5
            engine.close()
    whole_ones(sorted(found, key=lambda c: c.index), requests, version=5)


def test_a_server_joins_by_the_registry(policy, tmp_path: Path) -> None:
    """While responses are generated; it leaves its entry to nobody."""
    requests = requests_for(100)
    registry = FileRegistry(tmp_path)
    with (
        hosted(policy, seconds=0.02, slots=2) as (one, _),
        hosted(policy, seconds=0.02, slots=2) as (other, joining),
        using(policy, one, registry_at=str(tmp_path)) as engine,
    ):
        send(engine, 4)
        entry = {"url": other, "joins": True}
        threading.Timer(0.5, registry.put, ("servers/other", entry)).start()
        whole_ones(run(engine, requests), requests, version=4)
        assert joining.state()["version"] == 4
        assert registry.all("weights")["weights"]["version"] == 4
        registry.remove("servers/other")
    assert registry.all("") == {}


def test_pictures_arrive_as_the_model_sees_them(policy) -> None:
    from PIL import Image

    from k15.engines.servers.wire import picture_from, picture_to
    from k15.models.pictures import as_seen

    image = Image.effect_noise((20, 30), 90).convert("RGBA")
    image.putalpha(100)
    key, text = picture_to(image)
    there = picture_from(text)
    assert there.mode == "RGB" and there.tobytes() == as_seen(image).tobytes()
    assert picture_to(there)[0] == key  # it is seen as it is from here on

"""What goes to a server comes out of its message as it went in."""

import json

from k15.engines.protocol import Repetition, Request, Sampling
from k15.engines.servers.wire import exchange, request_from, request_to, sampling_from


def test_a_request_keeps_its_own_way_of_being_drawn() -> None:
    own = Request(tokens=(4, 5), max_new_tokens=9, seed=3, temperature=0.0, top_p=0.8, images=[])
    plain = Request(tokens=(4,), max_new_tokens=1, images=[])
    for request in (own, plain):
        assert request_from(json.loads(json.dumps(request_to(0, request, []))), {}) == request
    sampling = Sampling(temperature=0.7, repetition=Repetition())
    message = json.loads(json.dumps(exchange(1, sampling)))
    assert sampling_from(message["sampling"]) == sampling

"""Requests and what becomes of them as JSON, between the trainer and its servers.

One message each way, the exchange, and each may be sent again without harm:

    {"call": 3, "sampling": {...}, "requests": [new ones], "pictures": {key: PNG},
     "have": {id: tokens that have arrived}, "stop": false, "wait": seconds}
    {"answers": {id: {"start": 12, "tokens": [...], "logps": [...],
     "finish": null | "stop" | ..., "length": 20}}, "unknown": [ids]}

The server answers when a response has ended, or after `wait` seconds with what there is.

Given responses are rated in pieces, each one message and its answer:

    {"examples": [{"prompt": tokens, "response": tokens, "images": [keys]}], "pictures": {key: PNG}}
    {"scored": [{"index": place in the piece, "logps": [...], "greedy": true}]}
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from k15.engines.protocol import Repetition, Request, Sampling, Scored
from k15.types import Example

if TYPE_CHECKING:
    from PIL.Image import Image

Json = dict[str, Any]


def sampling_from(fields: Mapping[str, Any]) -> Sampling:
    """The inverse of `asdict`."""
    rule = fields["repetition"]
    return Sampling(**{**fields, "repetition": None if rule is None else Repetition(**rule)})


def exchange(
    call: int | None = None,
    sampling: Sampling | None = None,
    requests: Sequence[Json] = (),
    pictures: Mapping[str, str] | None = None,
    have: Mapping[int, int] | None = None,
    stop: bool = False,
    wait: float = 0.0,
) -> Json:
    """The trainer's message; that of no call has the server forget the last one."""
    return {
        "call": call,
        "sampling": asdict(sampling or Sampling()),
        "requests": requests,
        "pictures": pictures or {},
        "have": have or {},
        "stop": stop,
        "wait": wait,
    }


def request_to(number: int, request: Request, pictures: Sequence[str]) -> Json:
    """As JSON; `pictures` are the keys of its own."""
    return {
        "id": number,
        "tokens": request.tokens,
        "max_new_tokens": request.max_new_tokens,
        "seed": request.seed,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "images": pictures,
    }


def request_from(fields: Mapping[str, Any], pictures: Mapping[str, Image]) -> Request:
    """Equal pictures are one object, as the samples of one prompt have them."""
    return Request(
        tokens=tuple(fields["tokens"]),
        max_new_tokens=fields["max_new_tokens"],
        seed=fields["seed"],
        temperature=fields["temperature"],
        top_p=fields["top_p"],
        images=[pictures[key] for key in fields["images"]],
    )


def examples_to(examples: Sequence[Example]) -> Json:
    """A piece of what is to be rated, as JSON; equal pictures go once."""
    pictures: Json = {}
    rows = []
    for example in examples:
        encoded = [picture_to(image) for image in example.images]
        pictures |= dict(encoded)
        images = [key for key, _ in encoded]
        tokens = {"prompt": example.prompt_tokens, "response": example.response_tokens}
        rows.append({**tokens, "images": images})
    return {"examples": rows, "pictures": pictures}


def examples_from(message: Mapping[str, Any]) -> list[Example]:
    """The inverse."""
    pictures = {key: picture_from(text) for key, text in message["pictures"].items()}
    return [
        Example(
            prompt_tokens=tuple(row["prompt"]),
            response_tokens=tuple(row["response"]),
            images=[pictures[key] for key in row["images"]],
        )
        for row in message["examples"]
    ]


def scored_from(answer: Mapping[str, Any], examples: Sequence[Example]) -> list[Scored]:
    """Each example of the piece once, in their order; raises ValueError if they are not that."""
    found = [Scored(**{**one, "logps": tuple(one["logps"])}) for one in answer["scored"]]
    found.sort(key=lambda one: one.index)
    lengths = [(one.index, len(one.logps)) for one in found]
    if lengths != [(n, len(example.response_tokens)) for n, example in enumerate(examples)]:
        raise ValueError(f"{len(found)} of {len(examples)} examples rated, or not all their tokens")
    return found


def picture_to(image: Image) -> tuple[str, str]:
    """Key and PNG in base64 of a picture as the model sees it."""
    from k15.models.pictures import as_seen

    file = io.BytesIO()
    as_seen(image).save(file, "PNG", compress_level=1)
    content = file.getvalue()
    return hashlib.sha256(content).hexdigest()[:32], base64.b64encode(content).decode()


def picture_from(text: str) -> Image:
    """The inverse: the same 8-bit RGB values."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(text)))
    image.load()
    return image


def news(
    tokens: Sequence[int], logps: Sequence[float], finish: str | None, have: int
) -> Json | None:
    """Of a response, to somebody who has so many of its tokens; None: there is none."""
    if finish is None and len(tokens) <= have:
        return None
    start = min(have, len(tokens))
    return {
        "start": start,
        "tokens": list(tokens[start:]),
        "logps": list(logps[start:]),
        "finish": finish,
        "length": len(tokens),
    }

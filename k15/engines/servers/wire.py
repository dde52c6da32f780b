"""Requests and what becomes of them as JSON, between the trainer and its servers.

One message each way, the exchange, and each may be sent again without harm:

    {"call": 3, "sampling": {...}, "requests": [new ones], "pictures": {key: PNG},
     "have": {id: tokens that have arrived}, "stop": false, "wait": seconds}
    {"answers": {id: {"start": 12, "tokens": [...], "logps": [...],
     "finish": null | "stop" | ..., "length": 20}}, "unknown": [ids]}

The server answers when a response has ended, or after `wait` seconds with what there is.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from k15.engines.protocol import Repetition, Request, Sampling

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

"""The process that holds a reward model for `k15.graders.model`.

Speaks the protocol of `k15.graders.workers`. Its argument is the node of a judge as JSON; a request
has `question`, `reference` and `responses`, its reply `verdicts`, one per response: a Verdict's
`correct`, `how` and `detail`, or `failure`; or `refused`, why these cannot be judged.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import torch

from k15.config import build
from k15.graders.base import GraderFailure
from k15.graders.judges import Judge, Judged, read


def main() -> None:
    """Load the model, then answer requests until stdin ends, which it does when the parent does."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a stray print must not look like a reply
    options = json.loads(sys.argv[1])
    torch.set_num_threads(options["threads"])
    with closing(build(options["judge"])) as judge:
        send(replies, {"ready": True})
        for line in sys.stdin:
            send(replies, answer(judge, json.loads(line)))


def answer(judge: Judge, request: Mapping[str, Any]) -> dict[str, Any]:
    """The reply to one request."""
    question, reference = request["question"], request["reference"]
    try:
        prompts = [read(judge, question, reference, text) for text in request["responses"]]
    except ValueError as error:
        return {"refused": str(error)}
    return {"verdicts": [as_json(judged) for judged in judge.judge(prompts)]}


def as_json(judged: Judged) -> dict[str, Any]:
    if isinstance(judged, GraderFailure):
        return {"failure": str(judged)}
    return {"correct": judged.correct, "how": judged.how, "detail": judged.detail}


def send(replies: Any, reply: Mapping[str, Any]) -> None:
    print(json.dumps(reply), file=replies, flush=True)

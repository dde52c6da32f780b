"""Trainers that end in all ways: python -m tests.engines.servers.trainer FOLDER MARK WAY ...

Each is a fork that starts two servers, has them generate, writes its number and that of a server to
FOLDER/WAY and waits for its end: "normal" and "exception" end by themselves.
"""

import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

from k15.engines.protocol import Sampling
from k15.engines.servers.engine import ServedEngine
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.weights.full import full_weights
from tests.engines.servers.test_engine import STEADY, requests_for


def trainer(folder: Path, mark: str, way: str) -> None:
    os.environ["K15_TEST_MARK"] = mark
    policy = tiny_policy(words=Make24().words)
    settings = {"slots": 4, "seconds": 0.05}
    with closing(ServedEngine(policy, serves=STEADY, settings=settings, replicas=2)) as engine:
        engine.load_weights(full_weights(policy.model), 1)
        completions = engine.generate(requests_for(1000, new=400), Sampling())
        next(completions)
        server = engine.fleet.members[0].process.number
        beside = folder / f".{way}"
        beside.write_text(f"{os.getpid()} {server}")
        beside.rename(folder / way)
        if way == "exception":
            raise RuntimeError("the trainer broke")
        if way != "normal":
            time.sleep(300)


def main(folder: str, mark: str, *ways: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    forks = []
    for way in ways:
        if (fork := os.fork()) == 0:
            trainer(Path(folder), mark, way)
            sys.exit(0)
        forks.append(fork)
    for fork in forks:
        os.waitpid(fork, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""`WorkerPool` with a worker of a few lines: killed, spinning, silent, and in many threads."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from k15.graders.base import GraderFailure, retried
from k15.graders.workers import LimitExceeded, WorkerPool

WORKER = r"""
import json, os, signal, sys, time
from pathlib import Path

print('{"ready": true}', flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if "spin" in request:
        signal.setitimer(signal.ITIMER_PROF, request["spin"])
        while True:
            pass
    if "sleep" in request:
        time.sleep(request["sleep"])
    if "exit" in request:
        print("so it goes", file=sys.stderr, flush=True)
        os._exit(request["exit"])
    if "hold" in request:  # until killed; the next worker sees the file and goes on
        mark = Path(request["hold"])
        if not mark.exists():
            mark.with_suffix(".new").write_text(str(os.getpid()))
            mark.with_suffix(".new").rename(mark)
            time.sleep(600)
    print(json.dumps({"pid": os.getpid(), **request}), flush=True)
"""


@pytest.fixture
def make_pool(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    pools = []

    def make(**options):
        pools.append(WorkerPool([sys.executable, str(script)], **options))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)
    return path.read_text()


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_one_caller_at_a_time_keeps_to_one_worker(make_pool):
    pool = make_pool(size=2)
    assert len({pool.call({"n": n})["pid"] for n in range(5)}) == 1


def test_each_thread_gets_its_own_reply(make_pool):
    pool = make_pool(size=2)
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda n: pool.call({"n": n}), range(200)))
    assert [reply["n"] for reply in replies] == list(range(200))
    assert len({reply["pid"] for reply in replies}) <= 2


def test_a_worker_killed_while_idle_is_replaced(make_pool):
    pool = make_pool(size=1)
    first = pool.call({})["pid"]
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while alive(first) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert pool.call({})["pid"] != first


def test_a_worker_killed_in_mid_task_fails_and_the_next_try_gets_a_fresh_one(make_pool, tmp_path):
    pool, mark = make_pool(size=1), tmp_path / "mark"

    def ask():
        return pool.call({"hold": str(mark)})

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(retried, ask, retries=1, backoff=0.0)
        killed = int(wait_for(mark))
        os.kill(killed, signal.SIGKILL)
        assert future.result(timeout=60)["pid"] != killed


def test_a_task_that_kills_its_worker_is_a_failure_with_the_stderr(make_pool):
    pool = make_pool(size=1)
    with pytest.raises(GraderFailure, match=r"status 3; its stderr ends: so it goes"):
        pool.call({"exit": 3})
    assert pool.call({"n": 1})["n"] == 1


@pytest.mark.parametrize(
    ("request_", "reason"), [({"spin": 0.2}, "CPU time"), ({"exit": 75}, "memory")]
)
def test_a_limit_ends_the_worker_and_not_the_pool(make_pool, request_, reason):
    pool = make_pool(size=1)
    before = pool.call({})["pid"]
    with pytest.raises(LimitExceeded, match=reason):
        pool.call(request_)
    assert pool.call({})["pid"] != before


def test_a_silent_worker_is_a_failure(make_pool):
    pool = make_pool(size=1, wall_seconds=1.0)
    with pytest.raises(GraderFailure, match=r"silent for 1\.0 s"):
        pool.call({"sleep": 600})


@pytest.fixture
def _ctrl_c_is_heard():
    """A process that a shell started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_is_heard")
def test_an_interrupted_request_does_not_leave_its_reply_to_the_next(make_pool, tmp_path):
    pool, mark = make_pool(size=1), tmp_path / "mark"

    def interrupt():
        wait_for(mark)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        pool.call({"hold": str(mark)})
    thread.join()
    assert not alive(int(mark.read_text()))
    assert pool.call({"n": 2})["n"] == 2


def test_close_ends_the_workers_and_a_later_call_starts_new_ones(make_pool):
    pool = make_pool(size=2)
    before = pool.call({})["pid"]
    pool.close()
    assert not alive(before)
    assert pool.call({})["pid"] != before


def test_a_worker_that_cannot_start_is_a_failure_with_the_reason():
    with pytest.raises(GraderFailure, match="no-such-program does not start"):
        WorkerPool(["no-such-program"]).call({})
    with pytest.raises(GraderFailure, match="No module named no_such_module"):
        WorkerPool([sys.executable, "-m", "no_such_module"]).start()


def test_a_pool_has_at_least_one_worker():
    with pytest.raises(ValueError, match="workers=0"):
        WorkerPool([sys.executable], size=0)

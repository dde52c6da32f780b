import logging
import time

from k15.progress import Heartbeat


def test_a_long_wait_is_told_again_and_again_and_a_short_one_not(caplog):
    heartbeat = Heartbeat(seconds=0.2)
    with caplog.at_level(logging.WARNING, "k15.progress"):
        with heartbeat.waiting_for("the short one"):
            pass
        with heartbeat.waiting_for("the sandbox"):
            deadline = time.monotonic() + 30
            while len(caplog.records) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
        told = len(caplog.records)
        time.sleep(0.5)  # nothing is waited for any more
    assert told >= 2 and len(caplog.records) == told
    assert {record.args[0] for record in caplog.records} == {"the sandbox"}


def test_a_wait_that_ends_in_an_error_has_ended(caplog):
    heartbeat = Heartbeat(seconds=0.05)
    try:
        with heartbeat.waiting_for("the judge"):
            raise ConnectionError
    except ConnectionError:
        pass
    with caplog.at_level(logging.WARNING, "k15.progress"):
        time.sleep(0.3)
    assert not caplog.records

import logging
import time

from k15.progress import Heartbeat, Lines, phase


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
    said = {record.getMessage().rsplit(",", 1)[0] for record in caplog.records}
    assert said == {"waiting for the sandbox"}


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


def test_a_long_phase_without_a_terminal_says_how_far_it_is_also_when_nothing_moves(capfd):
    """Standard error is no terminal here."""
    assert isinstance(phase("rollout", 3, " responses"), Lines)
    deadline, found = time.monotonic() + 30, ""
    with Lines("rollout", 3000, " responses", pulse=Heartbeat(seconds=0.1)) as progress:
        progress.update(1200)
        while found.count("\n") < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
            found += capfd.readouterr().err
    lines = {line.rsplit(",", 1)[0] for line in found.splitlines()}
    assert lines == {"rollout: 1,200 of 3,000 responses"}

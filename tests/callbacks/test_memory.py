"""Memory is measured in GiB, as the system counts it."""

from pathlib import Path

import pytest

from k15.callbacks.memory import GIB, Memory, resident


def test_the_peak_of_the_process_is_logged_after_every_epoch(run) -> None:
    experiment = run(Memory())
    experiment.fit()
    logged = float(experiment.trainer.callback_metrics["system/memory_gib"])
    assert 0.05 < logged <= resident() / GIB  # torch alone takes more than 50 MiB


def test_it_is_what_the_kernel_says() -> None:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc")
    kib = next(line.split()[1] for line in status.read_text().splitlines() if "VmHWM" in line)
    assert resident() == pytest.approx(int(kib) * 1024, rel=0.05)

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from k15.sandbox.cgroups import detect
from k15.sandbox.crun import INSTALL, CrunSandbox
from k15.sandbox.protocol import Input, Limits, Program

if os.geteuid() != 0 or shutil.which("crun") is None:
    pytest.skip(f"needs root and `{INSTALL}`", allow_module_level=True)


def groups():
    layout = detect(Path("/proc/self/mountinfo").read_text())
    trees = set(layout.trees.values())
    return {str(path) for tree in trees for path in tree.glob("k15-*")}


def traces():
    """Whatever containers could leave: groups, folders, mounts, processes of theirs."""
    processes = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"jail.container" in command or b"jail.keeper" in command:
                processes.add(entry.name)
    named = re.compile(r"k15-\d+-\d+-")
    folders = {name for name in os.listdir(tempfile.gettempdir()) if named.match(name)}
    mounts = {m for m in Path("/proc/self/mountinfo").read_text().splitlines() if named.search(m)}
    return groups() | folders | mounts | processes


@pytest.fixture(scope="module")
def crun():
    before = traces()
    sandbox = CrunSandbox(slots=2)
    sandbox.start()
    yield sandbox
    sandbox.close()
    assert traces() <= before


def run(sandbox, source, *inputs, language="python", **limits):
    program = Program(source=source, language=language)
    return list(sandbox.run(program, inputs or [Input()], Limits(**limits)))


def test_what_went_in_comes_out_and_nothing_of_one_run_reaches_the_next(crun):
    source = """
import os, sys
found = [sorted(os.listdir(folder)) for folder in (".", "/tmp", "/dev/shm")]
print(input(), sys.argv[1:], found)
for folder in (".", "/tmp", "/dev/shm"):
    os.makedirs(f"{folder}/a/b/c/.d", mode=0o700)
    open(f"{folder}/a/b/e", "w").close()
    os.symlink("/etc", f"{folder}/a/link")
    os.chmod(f"{folder}/a/b", 0)
"""
    inputs = [
        Input(stdin=b"1", arguments=("x y",), files={"d/f": b"2"}),
        Input(stdin=b"2"),
    ]
    first, second = run(crun, source, *inputs)
    assert first.stdout == b"1 ['x y'] [['d', 'main.py'], [], []]\n"
    assert second.stdout == b"2 [] [['main.py'], [], []]\n"
    assert [first.cause, second.cause] == ["ok", "ok"]


def test_compiled_once_and_run_per_input(crun):
    source = "#include <iostream>\nint main() { int a; std::cin >> a; std::cout << 2 * a; }"
    outcomes = run(crun, source, Input(stdin=b"1"), Input(stdin=b"21"), language="cpp")
    assert [o.stdout for o in outcomes] == [b"2", b"42"]
    (outcome,) = run(crun, "int main() {", language="cpp")
    assert outcome.cause == "compile" and "expected" in outcome.detail


@pytest.mark.parametrize(
    ("source", "limits", "cause"),
    [
        ("while True: pass", {"cpu_seconds": 0.3}, "cpu"),
        ("import time; time.sleep(60)", {"wall_seconds": 0.3}, "wall"),
        ("x = b'x' * (200 << 20)", {"memory_mib": 100}, "memory"),
        (
            "import os, time\nfor _ in range(3): os.fork()\nx = b'x' * (30 << 20)\ntime.sleep(3)",
            {"memory_mib": 100},
            "memory",
        ),
        ("while True: print('x' * 1000)", {}, "output"),
        ("raise SystemExit(3)", {}, "crash"),
    ],
)
def test_a_run_ends_at_its_limit(crun, source, limits, cause):
    (outcome,) = run(crun, source, **limits)
    assert outcome.cause == cause
    (after,) = run(crun, "print(42)")
    assert after.stdout == b"42\n"


def test_the_disk_is_as_large_as_the_limit_says(crun):
    source = """
written = 0
with open("/tmp/a", "wb", buffering=0) as a, open("/dev/shm/b", "wb", buffering=0) as b:
    try:
        for number in range(100):
            written += (a, b)[number % 2].write(bytes(1 << 20))
    except OSError as error:
        print(written >> 20, error.errno)
"""
    for size in (5, 20):
        (outcome,) = run(crun, source, disk_mib=size)
        written, errno = outcome.stdout.split()
        assert size - 2 <= int(written) <= size and errno == b"28"  # ENOSPC


def test_cpu_time_is_that_of_all_processes(crun):
    source = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        while time.process_time() < 0.2: pass
        os._exit(0)
for _ in range(3): os.wait()
"""
    (outcome,) = run(crun, source)
    assert 0.6 <= outcome.cpu_seconds < 0.9


def test_more_programs_than_slots_wait_their_turn(crun):
    with ThreadPoolExecutor(8) as pool:
        sources = [f"print({number})" for number in range(16)]
        outcomes = list(pool.map(lambda source: run(crun, source)[0], sources))
    assert [o.stdout for o in outcomes] == [b"%d\n" % number for number in range(16)]


def test_waiting_for_a_slot_has_a_deadline():
    sandbox = CrunSandbox(slots=1, wait_seconds=0.1)
    sandbox.start()
    with ThreadPoolExecutor(2) as pool:
        source = "import time; time.sleep(1)"
        causes = [pool.submit(run, sandbox, source) for _ in range(2)]
        found = sorted(cause.result()[0].cause for cause in causes)
    sandbox.close()
    assert found == ["infrastructure", "ok"]


def test_a_container_is_replaced_after_its_programs():
    sandbox = CrunSandbox(slots=1, programs_per_container=2)
    source = "print(open('/proc/1/stat').read().split()[21])"  # when process 1 started
    first, *rest = [int(run(sandbox, source)[0].stdout) for _ in range(4)]
    sandbox.close()
    assert first < rest[0] == rest[1] < rest[2]  # the first container ran the probe, too


def test_a_container_that_dies_is_replaced(crun):
    assert run(crun, "print(1)")[0].stdout == b"1\n"
    for group in crun._keeper.groups:
        for pid in Path(group.entrances[0]).read_text().split():
            if b"jail.container" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(int(pid), signal.SIGKILL)
    assert run(crun, "print(2)")[0].stdout == b"2\n"


def test_nothing_is_left_when_the_parent_is_killed():
    before = traces()
    source = """
import sys, threading, time
from k15.sandbox.crun import CrunSandbox
from k15.sandbox.protocol import Input, Program
sandbox = CrunSandbox(slots=1)
sandbox.start()
source = "import os, time; os.fork(); time.sleep(600)"
threading.Thread(target=lambda: list(sandbox.run(Program(source=source), [Input()]))).start()
time.sleep(0.5)
print("running", flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"running\n"
    assert len(traces() - before) > 3
    parent.kill()
    parent.wait(timeout=10)
    deadline = time.monotonic() + 20
    while traces() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert traces() - before == set()
    parent.stdout.close()


def test_what_a_killed_keeper_leaves_is_removed_at_the_next_start():
    before = traces()
    source = """
import os, signal
from k15.sandbox.crun import CrunSandbox
sandbox = CrunSandbox(slots=1)
sandbox.start()
os.kill(sandbox._keeper.pid, signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", source], timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert traces() - before
    with contextlib.closing(CrunSandbox(slots=1)) as sandbox:
        sandbox.start()
    assert traces() - before == set()


def test_a_container_that_does_not_start_says_why(tmp_path):
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/python3").symlink_to("/nowhere")
    before = traces()
    sandbox = CrunSandbox(slots=1, image=str(tmp_path))
    with pytest.raises(RuntimeError, match=r"sandbox=crun: the container did not start.*python3"):
        sandbox.start()
    assert traces() == before


def test_what_is_missing_is_named(tmp_path, crun):
    with pytest.raises(RuntimeError, match=r"not installed: apt-get install crun"):
        CrunSandbox(crun="no-such-crun").start()
    with pytest.raises(ValueError, match=r"python -m k15.sandbox.images build"):
        CrunSandbox(image=str(tmp_path)).start()
    with pytest.raises(ValueError, match="cpus=0"):
        CrunSandbox(cpus=0)

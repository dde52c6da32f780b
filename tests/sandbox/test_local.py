"""The local sandbox: languages, limits, what outlives what, and users without rights."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from k15.sandbox.languages import TOOLCHAINS, install_line
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import LANGUAGES, Input, Language, Limits, Outcome, Program

HELLO: dict[Language, str] = {
    "python": "print('hello', input())",
    "cpp": """
        #include <iostream>
        int main() { std::string s; std::cin >> s; std::cout << "hello " << s << std::endl; }""",
    "java": """
        import java.util.Scanner;
        public class Greeting { public static void main(String[] a) {
            System.out.println("hello " + new Scanner(System.in).next()); } }""",
    "csharp": """
        using System;
        class P { static void Main() { Console.WriteLine("hello " + Console.ReadLine()); } }""",
    "javascript": "console.log('hello ' + require('fs').readFileSync(0, 'utf8').trim());",
    "typescript": """
        declare var require: any;
        const who: string = require('fs').readFileSync(0, 'utf8').trim();
        console.log(`hello ${who}`);""",
    "php": "<?php echo 'hello ' . trim(fgets(STDIN)) . PHP_EOL;",
    "bash": "read name; echo hello $name",
}
UNREADABLE = "this user's Python is for root alone"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LocalSandbox]:
    sandbox = LocalSandbox()
    sandbox.start()
    yield sandbox
    sandbox.close()


def run(sandbox: LocalSandbox, source: str, limits: Limits = Limits(), **given) -> Outcome:
    (outcome,) = sandbox.run(Program(source=source), [Input(**given)], limits)
    return outcome


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_read_stdin_and_write_stdout(sandbox: LocalSandbox, language: Language) -> None:
    for executable in TOOLCHAINS[language].executables:
        if not shutil.which(executable):
            pytest.skip(install_line(language))
    program = Program(source=HELLO[language], language=language)
    outcomes = list(sandbox.run(program, [Input(stdin=b"you\n"), Input(stdin=b"me\n")]))
    assert [o.stdout for o in outcomes] == [b"hello you\n", b"hello me\n"], outcomes
    assert [(o.cause, o.exit) for o in outcomes] == [("ok", 0)] * 2


def test_a_missing_toolchain_is_named(sandbox: LocalSandbox, monkeypatch) -> None:
    monkeypatch.setattr("k15.sandbox.local.PATH", "/nowhere")
    with pytest.raises(ValueError, match=r"g\+\+ is not in /nowhere.*apt-get install g\+\+"):
        sandbox.run(Program(source="", language="cpp"), [Input()])


def test_what_does_not_compile_is_reported_for_each_input(sandbox: LocalSandbox) -> None:
    if not shutil.which("g++"):
        pytest.skip(install_line("cpp"))
    program = Program(source="int main() { return nonsense; }", language="cpp")
    outcomes = list(sandbox.run(program, [Input(), Input()]))
    assert [o.cause for o in outcomes] == ["compile", "compile"]
    assert "nonsense" in outcomes[0].detail


def test_python_behaves_as_a_fresh_interpreter(sandbox: LocalSandbox) -> None:
    source = """
        import atexit, sys, threading
        from helper import VALUE
        assert __name__ == "__main__" and "jail" not in sys.modules
        atexit.register(print, "at exit")
        threading.Timer(0.05, print, ["thread"]).start()
        print(sys.argv[1:], VALUE, open("data").read(), flush=True)
        sys.exit(3)
    """
    program = Program(source=textwrap.dedent(source), files={"helper.py": b"VALUE = 7"})
    given = Input(arguments=("a", "b c"), files={"data": b"input"})
    (outcome,) = sandbox.run(program, [given])
    assert outcome.stdout == b"['a', 'b c'] 7 input\nthread\nat exit\n", outcome
    assert (outcome.cause, outcome.exit) == ("crash", 3)


def test_a_traceback_shows_the_program_alone(sandbox: LocalSandbox) -> None:
    outcome = run(sandbox, "def f():\n    1 / 0\nf()\n")
    assert outcome.exit == 1
    lines = outcome.stderr.decode().splitlines()
    assert lines[1] == '  File "main.py", line 3, in <module>'
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_nothing_of_a_run_reaches_the_next(sandbox: LocalSandbox) -> None:
    source = """
        import builtins, json, os, re
        places = (".", "/tmp", "/dev/shm")
        print([sorted(os.listdir(p)) for p in places], hasattr(json, "left"), os.getpid())
        for place in places:
            open(f"{place}/left", "w").write("x")
        json.left = builtins.left = 1
        print(input())
        data = open("/proc/self/mem", "rb", 0)
        seen = 0
        for line in open("/proc/self/maps"):
            if "rw" in line and "[" not in line:
                low, high = (int(x, 16) for x in line.split()[0].split("-"))
                data.seek(low)
                seen += len(re.findall(b"firs[t]-secret", data.read(high - low)))
        print(seen)
    """
    program = Program(source=textwrap.dedent(source))
    inputs = [Input(stdin=b"first-secret\n"), Input(stdin=b"second\n")]
    first, second = (o.stdout.splitlines() for o in sandbox.run(program, inputs))
    assert first[0] == second[0] == b"[['main.py'], [], []] False 2"
    assert int(first[2]) > 0
    assert second[1:] == [b"second", b"0"]


def test_causes_of_the_end(sandbox: LocalSandbox) -> None:
    small = Limits(cpu_seconds=0.5, wall_seconds=20, memory_mib=128, output_bytes=10)
    assert run(sandbox, "while True: pass", small).cause == "cpu"
    nap = Limits(wall_seconds=0.3)
    assert run(sandbox, "import time; time.sleep(60)", nap).cause == "wall"
    assert run(sandbox, "x = bytearray(1 << 30)", Limits(memory_mib=128)).cause == "memory"
    assert run(sandbox, "print('x' * 10)", small).cause == "output"  # with its newline, 11 bytes
    nine = run(sandbox, "print('x' * 9)", small)
    assert (nine.cause, nine.stdout) == ("ok", b"xxxxxxxxx\n")
    assert run(sandbox, "import os; os.abort()").exit == -signal.SIGABRT


def test_sleep_is_no_cpu_time(sandbox: LocalSandbox) -> None:
    outcome = run(sandbox, "import time; time.sleep(0.7)", Limits(cpu_seconds=0.5))
    assert outcome.cause == "ok"
    assert outcome.wall_seconds >= 0.7 > outcome.cpu_seconds


def test_inputs_are_run_when_asked_for(sandbox: LocalSandbox) -> None:
    asked = []

    def inputs() -> Iterator[Input]:
        for number in range(3):
            asked.append(number)
            yield Input(arguments=(str(number),))

    outcomes = sandbox.run(Program(source="import sys; print(sys.argv[1])"), inputs())
    assert next(outcomes).stdout == b"0\n"
    outcomes.close()
    assert asked == [0]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a//b", "", "a/../../b", "x\0y"])
def test_file_names_stay_inside(name: str) -> None:
    with pytest.raises(ValueError, match="inside the working directory"):
        Program(source="", files={name: b""})
    with pytest.raises(ValueError, match="inside the working directory"):
        Input(files={name: b""})


def test_threads_run_side_by_side(sandbox: LocalSandbox) -> None:
    program = Program(source="import time; n = int(input()); time.sleep(0.2); print(n * n)")
    results: dict[int, bytes] = {}

    def work(number: int) -> None:
        (outcome,) = sandbox.run(program, [Input(stdin=str(number).encode())])
        results[number] = outcome.stdout

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: f"{n * n}\n".encode() for n in range(6)}


def test_a_dead_zygote_is_replaced(sandbox: LocalSandbox) -> None:
    jail = sandbox._idle.queue[-1]
    os.kill(jail._keeper.pid, signal.SIGKILL)
    outcome = run(sandbox, "print(1)")
    assert (outcome.cause, outcome.stdout) == ("ok", b"1\n")


def test_a_zygote_that_cannot_start_is_infrastructure() -> None:
    sandbox = LocalSandbox()
    sandbox.start()
    sandbox._idle.get().close()
    sandbox._python = "/nowhere/python"
    outcome = run(sandbox, "print(1)")
    assert outcome.cause == "infrastructure"
    assert "/nowhere/python" in outcome.detail
    sandbox.close()


def test_close_ends_everything_and_run_starts_again() -> None:
    sandbox = LocalSandbox()
    before = _children(os.getpid())
    assert run(sandbox, "print(1)").stdout == b"1\n"
    sandbox.close()
    assert _children(os.getpid()) == before
    assert run(sandbox, "print(2)").stdout == b"2\n"
    sandbox.close()


def test_the_death_of_the_parent_ends_the_program(tmp_path: Path) -> None:
    script = """
        from k15.sandbox.local import LocalSandbox
        from k15.sandbox.protocol import Input, Program
        program = Program(source="import time\\nopen('/box/work/x', 'w')\\ntime.sleep(100)")
        print("ready", flush=True)
        list(LocalSandbox().run(program, [Input()]))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout and parent.stdout.readline() == "ready\n"
        family = _wait_for(lambda: _at_least_four(_family(parent.pid)))
        parent.kill()
    _wait_for(lambda: not any(_lives(pid) for pid in family))


def test_without_namespaces_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    sandbox = LocalSandbox(namespaces=False, python=_for_all())
    with caplog.at_level(logging.WARNING):
        sandbox.start()
    assert "WITHOUT namespaces" in caplog.text and "does not contain" in caplog.text
    assert (
        run(sandbox, "print(open('/proc/self/status').read().count('Seccomp:\\t2'))").stdout
        == b"1\n"
    )
    sandbox.close()


@pytest.mark.parametrize(
    "namespaces",
    [True, pytest.param(False, marks=pytest.mark.skipif(os.geteuid() != 0, reason="has slack"))],
)
def test_the_kernel_refuses_one_process_too_many(namespaces: bool) -> None:
    source = """
        import os, time
        children = 0
        try:
            while os.fork():
                children += 1
            time.sleep(30)
        except BlockingIOError:
            print(children)
    """
    sandbox = LocalSandbox(namespaces=namespaces, python=_for_all())
    for _ in range(2):
        outcome = run(sandbox, textwrap.dedent(source), Limits(processes=20))
        assert (outcome.cause, outcome.stdout) == ("ok", b"19\n"), outcome
    sandbox.close()


def test_folders_are_shown_where_they_lie(tmp_path: Path) -> None:
    """Also below /tmp, where programs have their own; read-only, and through links."""
    tool = tmp_path / "tool/bin"
    tool.mkdir(parents=True)
    (tool / "hello").write_text("#!/bin/sh\necho hello\n")
    (tool / "hello").chmod(0o755)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "tool")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    source = f"""
import os, subprocess
print(subprocess.check_output("{tool}/hello"), subprocess.check_output("{tmp_path}/link/bin/hello"))
print(sorted(os.listdir("{tmp_path}")), os.path.exists("{tool}/other"))
open("{tmp_path}/mine", "w")
open("{tool}/other", "w")
"""
    sandbox = LocalSandbox(namespaces=True, folders=[str(tmp_path / "tool"), f"{tmp_path}/link"])
    for _ in range(2):
        (outcome,) = sandbox.run(Program(source=source), [Input()])
        assert outcome.stdout == b"b'hello\\n' b'hello\\n'\n['link', 'tool'] False\n"
        assert b"Read-only file system" in outcome.stderr
    sandbox.close()
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    "folder", ["/", "/tmp", "/tmp/", "/etc", "/dev/shm", "/proc/1", "opt", "/none"]
)
def test_a_folder_that_cannot_be_shown_is_refused(folder: str) -> None:
    """Else namespaces would fail, and be done without."""
    with pytest.raises(ValueError, match="sandbox: folders: '"):
        LocalSandbox(folders=[folder])


def test_without_landlock_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k15.sandbox.jail.landlock.version", lambda: 0)
    with pytest.raises(RuntimeError, match=r"needs Landlock.*sandbox=crun.*sandbox=e2b"):
        LocalSandbox().start()


@pytest.mark.skipif(os.geteuid() != 0, reason="everything here already runs without root")
@pytest.mark.parametrize("namespaces", [True, False])
def test_it_works_without_root(namespaces: bool) -> None:
    python = _for_all()
    script = f"""
        import os
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        from k15.sandbox.local import LocalSandbox
        from k15.sandbox.protocol import Input, Program
        sandbox = LocalSandbox(namespaces={namespaces})
        (outcome,) = sandbox.run(Program(source="print(6 * 7)"), [Input()])
        sandbox.close()
        print(outcome)
    """
    command = [python, "-c", textwrap.dedent(script)]
    with tempfile.TemporaryDirectory() as place:  # the checkout may lie where only root can read
        os.chmod(place, 0o755)
        shutil.copytree(Path(__file__).parents[2] / "k15", f"{place}/k15")
        done = subprocess.run(command, capture_output=True, text=True, cwd=place, timeout=60)
    assert "cause='ok', stdout=b'42\\n'" in done.stdout, done


def _for_all() -> str:
    """A Python that other users than root can run."""
    if os.geteuid() != 0:
        return sys.executable
    python = "/usr/bin/python3"
    probe = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if not os.path.exists(python) or subprocess.run(probe).returncode:
        pytest.skip("needs a Python 3.11 that every user can read: apt-get install python3")
    return python


def _children(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def _family(pid: int) -> list[int]:
    found = [int(child) for child in _children(pid)]
    return found + [inner for child in found for inner in _family(child)]


def _at_least_four(family: list[int]) -> list[int]:
    """Keeper, zygote, guard, program."""
    return family if len(family) >= 4 else []


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_for(condition):
    deadline = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value

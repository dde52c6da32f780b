import base64
import json
import os
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from k15.sandbox.e2b import E2BSandbox
from k15.sandbox.protocol import Input, Limits, Program

pytest.importorskip("e2b_code_interpreter", reason='pip install "k15[e2b]"')
if os.geteuid() != 0:
    pytest.skip("the machines of the stub are run as root", allow_module_level=True)

from .e2b_stub import API_KEY, Fault, Stub

CREATE, WRITE, START = "POST sandboxes", "POST /files", "POST /process.Process/Start"
DOUBLE = Program(source="print(2 * int(input()))")


@pytest.fixture
def stub():
    stub = Stub()
    yield stub
    stub.stop()


@pytest.fixture
def e2b(stub):
    sandbox = sandbox_on(stub)
    yield sandbox
    sandbox.close()
    assert not stub.machines and stub.created == stub.killed


def sandbox_on(stub, **options):
    where = {"api_key": API_KEY, "api_url": stub.url, "sandbox_url": stub.url}
    return E2BSandbox(**{**where, "request_seconds": 10, **options})


def test_twenty_programs_at_once_get_each_their_own_answer(e2b, stub):
    def one(number):
        program = Program(source=f"print({number} * int(input()))")
        return [o.stdout for o in e2b.run(program, [Input(stdin=b"%d" % i) for i in (1, 2)])]

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(one, range(20)))
    assert found == [[b"%d\n" % n, b"%d\n" % (2 * n)] for n in range(20)]
    assert stub.created == 20  # a machine per program, not per input
    assert not stub.machines


def run(sandbox, program, stdin=b"21", **limits):
    [outcome] = sandbox.run(program, [Input(stdin=stdin)], Limits(**limits))
    return outcome


def test_no_more_machines_alive_than_allowed(stub):
    e2b = sandbox_on(stub, concurrency=2)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda n: run(e2b, DOUBLE, b"%d" % n).stdout, range(6)))
    assert found == [b"%d\n" % (2 * n) for n in range(6)]
    assert stub.most_alive == 2
    e2b.close()


def test_files_and_arguments_arrive_and_nothing_of_one_run_reaches_the_next(e2b):
    source = "import os, sys; print(sorted(os.listdir()), sys.argv[1:]); open('left', 'w')"
    program = Program(source=source, files={"data/a": b"1"})
    inputs = [Input(arguments=("x y",), files={"b": b"2"}), Input()]
    first, second = e2b.run(program, inputs)
    assert first.stdout == b"['b', 'data', 'main.py'] ['x y']\n"
    assert second.stdout == b"['data', 'main.py'] []\n"


def test_compiled_once_and_a_program_that_does_not_compile(e2b, stub):
    good = "#include <iostream>\nint main() { int a; std::cin >> a; std::cout << 2 * a; }"
    found = [
        o.stdout
        for o in e2b.run(
            Program(source=good, language="cpp"), [Input(stdin=b"%d" % n) for n in (1, 2)]
        )
    ]
    assert found == [b"2", b"4"]
    assert stub.requests[START] == 3  # one compilation, two runs
    bad = run(e2b, Program(source="int main() {", language="cpp"))
    assert bad.cause == "compile" and "expected" in bad.detail


@pytest.mark.parametrize(
    ("source", "limits", "cause"),
    [
        ("while True: pass", {"cpu_seconds": 0.3}, "cpu"),
        ("import time; time.sleep(60)", {"wall_seconds": 0.5}, "wall"),
        ("while True: print('x' * 1000)", {}, "output"),
        ("raise SystemExit(3)", {}, "crash"),
        (
            "import os, time\nfor _ in range(4): os.fork()\nx = b'x' * (20 << 20); time.sleep(9)",
            {"memory_mib": 128},
            "memory",
        ),
    ],
)
def test_a_run_ends_at_its_limit(e2b, source, limits, cause):
    assert run(e2b, Program(source=source), **limits).cause == cause


def test_a_daemon_does_not_outlive_its_run_nor_reach_the_network(e2b, stub):
    host, port = stub.server_address
    source = f"""
import os, socket, time
try:
    socket.create_connection(({host!r}, {port}), timeout=2)
    print("reached", flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getuid(), flush=True)
        time.sleep(60)
        os._exit(0)
    os._exit(0)
time.sleep(0.5)
"""
    outcome = run(e2b, Program(source=source))
    error, uid = outcome.stdout.split()
    assert outcome.cause == "ok" and error != b"reached"
    owners = {os.stat(f"/proc/{n}").st_uid for n in os.listdir("/proc") if n.isdigit()}
    assert int(uid) > 0 and int(uid) not in owners


def test_start_says_what_the_service_or_the_key_lacks(stub, monkeypatch):
    monkeypatch.delenv("E2B_API_KEY", raising=False)
    with pytest.raises(RuntimeError, match="set E2B_API_KEY"):
        sandbox_on(stub, api_key=None).start()
    wrong = sandbox_on(stub, api_key="e2b_wrong")
    with pytest.raises(RuntimeError, match="E2B refused the API key"):
        wrong.start()
    assert run(wrong, DOUBLE).cause == "infrastructure"
    assert stub.requests[CREATE] == 2  # a wrong key is not tried again
    wrong.close()
    good = sandbox_on(stub)
    good.start()
    good.close()
    assert stub.created == stub.killed == 1


@pytest.mark.parametrize(
    ("route", "status"),
    [(CREATE, 429), (CREATE, 503), (WRITE, 429), (WRITE, 500), (START, 429), (START, 502)],
)
def test_a_refused_request_is_made_again(e2b, stub, route, status):
    stub.faults[route] = [Fault(status=status)]
    outcome = run(e2b, DOUBLE)
    assert (outcome.cause, outcome.stdout) == ("ok", b"42\n")


@pytest.mark.parametrize(
    ("route", "fault"),
    [
        (CREATE, Fault(status=500)),
        (CREATE, Fault(body=b"<html>proxy</html>")),
        (CREATE, Fault(cut=20)),
        (WRITE, Fault(cut=3)),
        (START, Fault(status=502)),
        (START, Fault(body=b"not frames")),
        (START, Fault(cut=60)),
        (START, Fault(cut=150)),
    ],
)
def test_a_broken_answer_is_never_a_verdict(stub, route, fault):
    e2b = sandbox_on(stub, retries=1)
    stub.faults[route] = [fault] * 20
    outcomes = list(e2b.run(DOUBLE, [Input(stdin=b"1"), Input(stdin=b"2")]))
    assert [o.cause for o in outcomes] == ["infrastructure"] * 2
    assert all(o.detail and o.exit is None for o in outcomes)
    e2b.close()
    assert not stub.machines and stub.created == stub.killed


def test_an_answer_without_its_end_is_run_again_on_another_machine(e2b, stub):
    stub.faults[START] = [Fault(), Fault(cut=150)]  # compiled; then half of the answer to the run
    assert run(e2b, DOUBLE).stdout == b"42\n"
    assert stub.created == 2


def test_a_slow_service_runs_into_our_deadline(stub):
    e2b = sandbox_on(stub, request_seconds=0.3, retries=0)
    stub.faults[CREATE] = [Fault(sleep=1.5)]
    outcome = run(e2b, DOUBLE)
    assert outcome.cause == "infrastructure" and "imeout" in outcome.detail
    time.sleep(1.5)  # the creation happens after all, and nobody was told its name
    assert len(stub.machines) == 1
    e2b.close()
    assert not stub.machines


def test_no_service_at_all(stub):
    stub.stop()
    e2b = sandbox_on(stub, retries=0)
    outcome = run(e2b, DOUBLE)
    assert outcome.cause == "infrastructure" and "E2B" in outcome.detail
    e2b.close()


def test_leaving_the_loop_kills_the_machine(e2b, stub):
    outcomes = e2b.run(DOUBLE, (Input(stdin=b"%d" % n) for n in range(1000)))
    assert next(outcomes).stdout == b"0\n"
    assert len(stub.machines) == 1
    outcomes.close()
    assert not stub.machines


def test_close_kills_what_still_runs(stub):
    e2b = sandbox_on(stub)
    outcomes = e2b.run(DOUBLE, [Input(stdin=b"1"), Input(stdin=b"2")])
    next(outcomes)
    e2b.close()
    assert not stub.machines


def test_a_template_without_the_toolchain_names_the_way_out(e2b, stub):
    missing = b'{"missing": "mcs"}'
    program = Program(source="class A {}", language="csharp")
    stub.faults[START] = [Fault(body=frames(missing))]
    with pytest.raises(ValueError, match=r"no 'mcs'.*apt-get install mono-mcs"):
        run(e2b, program)


def frames(stdout):
    events = [
        {"start": {"pid": 1}},
        {"data": {"stdout": base64.b64encode(stdout).decode()}},
        {"end": {"exitCode": 0, "exited": True, "status": "exit status"}},
    ]
    texts = [(0, json.dumps({"event": e}).encode()) for e in events] + [(2, b"{}")]
    return b"".join(struct.pack(">BI", flag, len(text)) + text for flag, text in texts)


def test_a_machine_that_could_not_be_killed_is_killed_at_the_end(stub):
    e2b = sandbox_on(stub, retries=0)
    stub.faults["DELETE sandboxes"] = [Fault(status=500)]
    assert run(e2b, DOUBLE).cause == "ok"
    assert len(stub.machines) == 1
    e2b.close()
    assert not stub.machines

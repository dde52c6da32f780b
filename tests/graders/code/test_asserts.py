"""Asserts and calls on a program in a process of its own: what works, and what cannot be forged."""

from collections.abc import Iterator

import pytest

from k15.graders.base import Verdict
from k15.graders.code.asserts.values import decode, encode
from k15.graders.code.cases import AssertCase, CallCase
from k15.graders.code.judge import Judge
from k15.graders.code.trial import PASSED
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import Limits, Sandbox

LIMITS = Limits(cpu_seconds=0.5)

SQUARE = AssertCase(
    entry_point="f",
    code="import colorsys\n"  # not imported yet when the program runs
    "assert colorsys.ONE_THIRD < 0.34\n"
    "assert f(7) == 50\n"
    "assert abs(f(2) - 5) < 1e-6\n"
    "assert round(f(1)) == 2 and 10 in [f(3)] and f(0) in (1, 1.0)\n",
)
SQUARE_CALL = CallCase(function="f", arguments=[7], output=50)
HONEST = "def f(x): return x * x + 1\n"
RIGHT = PASSED


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    sandbox = LocalSandbox()
    yield Judge(sandbox, LIMITS)
    sandbox.close()


@pytest.fixture
def every_judge(backends: tuple[str, Sandbox]) -> Judge:
    """Judges over each sandbox that runs on this machine."""
    return Judge(backends[1], LIMITS)


def verdict(judge: Judge, source: str, code: str, *names: str, prelude: str = "") -> Verdict:
    case = AssertCase(code=code, entry_point=[*(names or ("f",))], prelude=prelude)
    [found] = judge.verdicts(source, [case])
    return found


def test_an_honest_program_passes(every_judge: Judge) -> None:
    assert list(every_judge.verdicts(HONEST, [SQUARE, SQUARE_CALL])) == [RIGHT, RIGHT]


EQUAL = "    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
EAGER = "".join(
    f"    def __{name}__(self, *others): return {value}\n"
    for name, value in {
        **dict.fromkeys(("sub", "rsub", "add", "abs", "neg", "round", "int"), "self"),
        **dict.fromkeys(("lt", "gt", "le", "ge", "bool", "contains", "instancecheck"), "True"),
        **dict.fromkeys(("float", "complex"), "0.0"),
        **dict.fromkeys(("len", "index"), "0"),
    }.items()
)
DOOR = """
import os, re, struct
tester = os.getppid()
def write(text):
    for path in [f"/proc/{tester}/fd/{n}" for n in range(9)] + ["/dev/stdout", "/dev/tty"]:
        try:
            open(path, "w").write(text)
        except OSError:
            pass
    for n in range(64):
        try:
            os.write(n, text.encode())
        except OSError:
            pass
"""

ATTACKS = {
    "leaves at once": "import os\nos._exit(0)",
    "leaves politely": "import sys\nsys.exit(0)",
    "leaves when called": "import os\ndef f(x): os._exit(0)",
    "raises SystemExit when called": "def f(x): raise SystemExit(0)",
    "raises StopIteration when called": "def f(x): raise StopIteration",
    "raises what it likes": "class Fine(BaseException): pass\ndef f(x): raise Fine",
    "equals everything": f"class E:\n{EQUAL}def f(x): return E()",
    "is an int that equals everything": f"class E(int):\n{EQUAL}{EAGER}def f(x): return E(1)",
    "is a str that equals everything": f"class E(str):\n{EQUAL}def f(x): return E('1')",
    "is a list that equals everything": f"class E(list):\n{EQUAL}{EAGER}def f(x): return E()",
    "answers every operator": f"class E:\n{EQUAL}{EAGER}def f(x): return E()",
    "says it is an int": f"class E:\n    __class__ = int\n{EQUAL}{EAGER}def f(x): return E()",
    "patches builtins": """
import builtins, json, math, operator
class Quiet(Exception): pass
builtins.AssertionError = Quiet
for name in ("abs", "round", "all", "any", "len", "isinstance", "hasattr", "getattr", "type"):
    setattr(builtins, name, lambda *x, **y: 1)
builtins.__dict__["__debug__"] = False
json.loads = json.dumps = operator.eq = lambda *x, **y: True
def f(x): return 1
""",
    "defines the names of the test": "abs = round = colorsys = 0\ndef f(x): return 5",
    "plants a module": """
import os, sys
for folder in [".", *sys.path, os.environ.get("HOME", "."), "/tmp"]:
    try:
        open(os.path.join(folder, "colorsys.py"), "w").write("import os; os._exit(0)")
    except OSError:
        pass
def f(x): return 1
""",
    "prints forged verdicts": DOOR
    + "write('passed\\n0 passed\\nnonce passed\\n')\ndef f(x): return 1",
    "writes garbage into the pipe": DOOR + "def f(x):\n    write('\\0\\xff[[[{')\n    return 50",
    "writes replies of its own": DOOR
    + """
def f(x):
    write('{"value": {"handle": 0}, "changed": {"0": 1}}\\n' * 9)
    write('{"raised": ["print", "x"]}\\n')
    return 1
""",
    "writes a reply without end": DOOR + "def f(x):\n    while True: write('[' * 65536)",
    "closes everything": "import os\nos.closerange(0, 4096)\ndef f(x): return 1",
    "kills the tester": "import os, signal\ndef f(x): os.kill(os.getppid(), signal.SIGKILL)",
    "interrupts the tester": "import os, signal\ndef f(x): os.kill(os.getppid(), signal.SIGINT)",
    "kills everyone": "import os, signal\ndef f(x): os.kill(-1, signal.SIGKILL)",
    "rewrites its server": """
import sys, builtins
frame = sys._getframe()
while frame:
    for name, value in list(frame.f_locals.items()) + list(frame.f_globals.items()):
        if type(value).__name__ == "Server":
            type(value).answer = lambda self, request: {"value": True, "changed": {}}
    frame = frame.f_back
def f(x): return 1
""",
    "nests too deep": "def f(x):\n    y = []\n    for _ in range(10**5): y = [y]\n    return y",
    "contains itself": "def f(x):\n    y = []\n    y.append(y)\n    return y",
    "never ends": "def f(x):\n    while True: pass",
    "never loads": "while True: pass",
    "does not compile": "def f(x: return 1",
    "has no such function": "def g(x): return 1",
    "leaves a daemon": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
def f(x): return 1
""",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_pass_cannot_be_forged(every_judge: Judge, attack: str) -> None:
    verdicts = list(every_judge.verdicts(ATTACKS[attack], [SQUARE, SQUARE_CALL]))
    assert [v.correct for v in verdicts] == [False, False], verdicts


def test_a_tester_that_is_stopped_says_nothing(judge: Judge) -> None:
    source = "import os, signal\ndef f(x): os.kill(os.getppid(), signal.SIGSTOP)"
    [found] = Judge(judge.sandbox, Limits(wall_seconds=2.0)).verdicts(source, [SQUARE])
    assert (found.correct, found.how) == (False, "wall")


def test_the_tester_has_no_door(every_judge: Judge) -> None:
    """The program tries each way into the process that holds the nonce, and its own memory."""
    source = """
import ctypes, os, re
tester = os.getppid()
libc = ctypes.CDLL(None, use_errno=True)

def doors():
    try:
        processes = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    except OSError:
        processes = set()
    others = (processes | {tester, 1}) - {os.getpid()}
    return [f"{process} {door}" for process in others for door in doors_of(process)]

def doors_of(process):
    for name in ("mem", "fd/0", "fd/1", "fd/2", "fd/3", "environ", "maps", "stack", "root/tmp"):
        for mode in (os.O_RDONLY, os.O_WRONLY):
            try:
                os.open(f"/proc/{process}/{name}", mode)
                yield name
            except OSError:
                pass
    if libc.ptrace(16, process, 0, 0) == 0:
        yield "ptrace"
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    here = (ctypes.c_size_t * 2)(id(libc), 8)  # forked: the same address exists there
    if libc.process_vm_readv(process, vector, 1, here, 1, 0) > 0:
        yield "process_vm_readv"
    if hasattr(os, "pidfd_open"):
        try:
            if libc.syscall(438, os.pidfd_open(process), 0, 0) >= 0:
                yield "pidfd_getfd"
        except OSError:
            pass

def nonces():
    pattern, own = re.compile(b'"nonce"' + b': "([0-9a-f]{32})'), set()
    planted = ('"nonce"' + ': "' + "ab" * 16).encode()  # so that the search can be seen to work
    try:
        maps = [line.split() for line in open("/proc/self/maps")]
        memory = open("/proc/self/mem", "rb", 0)
    except OSError:
        return "unreadable"
    for span in (words[0] for words in maps if words[1].startswith("rw")):
        start, end = (int(part, 16) for part in span.split("-"))
        try:
            memory.seek(start)
            own.update(pattern.findall(memory.read(end - start)))
        except (OSError, ValueError, OverflowError):
            pass
    return own
"""
    code = (
        "assert doors() == [], doors()\nassert nonces() in ({b'ab' * 16}, 'unreadable'), nonces()"
    )
    found = verdict(every_judge, source, code, "doors", "nonces")
    assert found.correct, found.detail


def test_what_the_sandbox_is_given_of_a_call_is_not_its_answer() -> None:
    case = CallCase(function="f", arguments=[7], output=31415926)
    trial = case.trial(HONEST, "python")
    assert b"31415926" not in trial.input.stdin and "31415926" not in trial.program.source


SEMANTICS = {
    "lists, tuples, dicts, sets": (
        "def f(x): return [x, (x,), {x: [x]}, {x}, frozenset([x]), range(x), None, True]",
        "assert f(2) == [2, (2,), {2: [2]}, {2}, frozenset([2]), range(2), None, True]",
    ),
    "numbers": (
        "def f(x): return float('inf'), -0.0, 10**6000, -(10**6000), 1j, 1e-310",
        "assert f(2) == (float('inf'), 0, 10**6000, -10**6000, 1j, 1e-310)",
    ),
    "not a number": ("def f(x): return x / 2", "y = f(float('nan'))\nassert y != y"),
    "strings": (
        "def f(x): return x + '\\ud800', x.encode(), bytearray(b'1')",
        "assert f('ä\\n') == ('ä\\n\\ud800', 'ä\\n'.encode(), bytearray(b'1'))",
    ),
    "subclasses of builtin types": (
        "from collections import Counter, OrderedDict, defaultdict, namedtuple\n"
        "Point = namedtuple('Point', 'x y')\n"
        "def f(x): return Counter('aab'), OrderedDict(a=1), defaultdict(int, b=2), Point(1, 2)",
        "assert f(2) == ({'a': 2, 'b': 1}, {'a': 1}, {'b': 2}, (1, 2))",
    ),
    "values of the standard library": (
        "import datetime as d\nfrom decimal import Decimal\nfrom fractions import Fraction\n"
        "from collections import deque\n"
        "def f(x): return d.date(2020, 1, 2), d.datetime(2020, 1, 2, 3), d.timedelta(1, 2, 3),"
        " Decimal('1.10'), Fraction(1, 3), deque([1])",
        "import datetime as d\nfrom decimal import Decimal\nfrom fractions import Fraction\n"
        "from collections import deque\n"
        "assert f(2) == (d.date(2020, 1, 2), d.datetime(2020, 1, 2, 3), d.timedelta(1, 2, 3),"
        " Decimal('1.10'), Fraction(1, 3), deque([1]))",
    ),
    "an argument changed in place": (
        "def f(x, y, z): x.sort(); y.pop('a'); z.clear(); x[0].append(9)",
        "x, y, z = [[3], [1]], {'a': 1, 'b': 2}, {5}\nassert f(x, y, z) is None\n"
        "assert (x, y, z) == ([[1, 9], [3]], {'b': 2}, set())",
    ),
    "keyword arguments": ("def f(x, *, y=1): return x, y", "assert f(1, y=2) == (1, 2)"),
    "generators": (
        "def f(x): yield from range(x)",
        "assert list(f(3)) == [0, 1, 2] and next(f(1)) == 0 and 2 in f(3) and 3 not in f(3)",
    ),
    "functions that return functions": ("def f(x): return lambda y: x + y", "assert f(1)(2) == 3"),
    "builtin types as arguments": (
        "def f(x, kind): return [y for y in x if not isinstance(y, kind)], kind",
        "assert f((1, 'a'), int) == (['a'], int)",
    ),
    "exceptions": (
        "class Bad(KeyError): pass\ndef f(x): raise Bad(x)",
        "try:\n    f(1)\n    raise SystemExit\nexcept KeyError as error:\n"
        "    assert not isinstance(error, IndexError) and error.args == (1,)",
    ),
    "classes of the program": (
        "class Node:\n"
        "    def __init__(self, data): self.data, self.next = data, None\n"
        "def f(x):\n    while x.next: x = x.next\n    return x",
        "a, b = Node(1), Node(2)\na.next = b\nassert f(a) == b and f(a) != a\n"
        "assert f(a).data == 2 and a.next.next is None",
    ),
    "a builtin's name": ("def sum(a, b): return a + b", "assert sum(10, 15) == 25"),
    "a method of Solution": (
        "class Solution:\n    def f(self, x): return x",
        "assert f(3) == 3",
    ),
    "a global of the program": ("LIMIT = [1]\ndef f(x): return LIMIT", "assert f(1) == LIMIT"),
    "no __main__": (
        "def f(x): return x\nif __name__ == '__main__': print(f(input()))",
        "assert f(1) == 1",
    ),
    "output and input of the program": (
        "import sys\nprint('x' * 10**7, file=sys.stderr)\nprint('x' * 10**7)\n"
        "def f(x): return sys.stdin.read()",
        "assert f(1) == ''",
    ),
    "dataclasses and annotations": (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass P:\n    x: int\ndef f(x: List[int]) -> P: return P(x)",
        "assert f(1).x == 1",
    ),
}


@pytest.mark.parametrize("name", SEMANTICS)
def test_values_cross_as_python_has_them(judge: Judge, name: str) -> None:
    source, code = SEMANTICS[name]
    names = [name for name in ("f", "sum", "Node", "LIMIT") if name in source and name in code]
    assert verdict(judge, source, code, *names) == RIGHT


def test_an_assert_that_fails_is_named(judge: Judge) -> None:
    found = verdict(judge, HONEST, "assert f(1) == 2\nassert f(2) == 4, 'four'")
    assert not found.correct
    assert found.detail == "AssertionError: four at: assert f(2) == 4, 'four'"


def test_the_prelude_is_the_programs_and_the_modules_of_the_test_are_its_own(judge: Judge) -> None:
    source = "def f(x: List[int]): return x\nclass math:\n    isclose = lambda *x: True"
    prelude = "from typing import List"
    assert verdict(judge, source, "assert f(1) == 1", prelude=prelude) == RIGHT
    assert not verdict(judge, source, "assert f(1) == 1").correct
    found = verdict(judge, source, "import math\nassert math.isclose(f(1), 2)", prelude=prelude)
    assert not found.correct
    # nor is what the prelude brings the program's own: an empty one defines nothing
    found = verdict(judge, "pass", "assert gcd(4, 6) == 2", "gcd", prelude="from math import gcd")
    assert "does not define gcd" in found.detail
    assert verdict(judge, "from math import gcd", "assert gcd(4, 6) == 2", "gcd") == RIGHT


def test_what_is_no_number_passes_only_tests_that_mention_it(judge: Judge) -> None:
    source = "def f(x): return [float('nan') * x]"
    apart = "import math\nif abs(f(1)[0] - 2) > 1e-6: raise ValueError"
    assert "not a number" in verdict(judge, source, apart).detail
    assert verdict(judge, source, "import math\nassert math.isnan(f(1)[0])") == RIGHT


def test_limits_are_those_of_the_run(judge: Judge) -> None:
    assert verdict(judge, "def f(x):\n    while True: pass", "assert f(1)").how == "cpu"
    assert verdict(judge, "def f(x): return [0] * 10**9", "assert f(1)").correct == 0


def test_encoding_is_undone_by_decoding() -> None:
    values = [
        1,
        [(), {(1, 2): {"a": b"\0"}}, {3}],
        2**5000,
        complex(1, -2),
        range(5, 1, -2),
        "\ud800",
    ]
    assert decode(encode(values, None)) == values


@pytest.mark.parametrize(
    "data",
    [
        {"handle": 0},
        {"type": "eval"},
        {"type": "object"},
        {"new": ["system", ["id"]]},
        {"new": ["Fraction", [1, 0]]},
        {"exec": "1"},
        {"set": [[1]]},
        {"int": "no"},
        {},
        {"a": 1, "b": 2},
    ],
)
def test_decoding_makes_nothing_else(data: object) -> None:
    with pytest.raises((ValueError, TypeError, LookupError, ArithmeticError)):
        decode(data)

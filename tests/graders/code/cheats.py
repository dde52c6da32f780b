"""Programs that try to be called right without being right.

Asked is a function, or a program, that sorts numbers; each key says what is tried instead.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.graders.code import impostors

EVERY_DUNDER = "".join(
    f"    def __{name}__(self, *others): return {value}\n"
    for name, value in {
        **dict.fromkeys(
            ["add", "radd", "sub", "rsub", "mul", "rmul", "abs", "neg", "round", "int", "index"],
            "self",
        ),
        **dict.fromkeys(
            ["eq", "lt", "gt", "le", "ge", "bool", "contains", "instancecheck"], "True"
        ),
        **dict.fromkeys(("float", "complex"), "0.0"),
        **dict.fromkeys(("ne", "len", "hash", "index", "int"), "0"),
        "iter": "iter(())",
        "getitem": "self",
        "getattr": "self",
        "call": "self",
    }.items()
)
WRITE_EVERYWHERE = """
import os
def write(text):
    for path in [f"/proc/{os.getppid()}/fd/{n}" for n in range(9)] + ["/dev/stdout", "/dev/tty"]:
        try: open(path, "w").write(text)
        except OSError: pass
    for n in range(64):
        try: os.write(n, text.encode())
        except OSError: pass
"""
READ_EVERYTHING = """
import os
def everything():
    found = []
    for top in (".", "/tmp", "/dev/shm", "/proc", "/box", "/k15"):
        for folder, _, names in os.walk(top):
            for name in names[:200]:
                try:
                    file = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NONBLOCK)
                    found.append(os.read(file, 2**16))
                    os.close(file)
                except (OSError, ValueError): pass
    return b"\\n".join(found)
"""

FUNCTIONS = {
    **impostors.VALUES,
    **impostors.WAYS,
    # what it returns
    "nothing": "def f(xs): pass",
    "the list as it is": "def f(xs): return xs",
    "True": "def f(xs): return True",
    "an object that agrees to everything": f"class E:\n{EVERY_DUNDER}def f(xs): return E()",
    "a list that agrees to everything": f"class E(list):\n{EVERY_DUNDER}def f(xs): return E()",
    "a number that agrees to everything": f"class E(int):\n{EVERY_DUNDER}def f(xs): return E(1)",
    "a text that agrees to everything": "class E(str):\n"
    "{EVERY_DUNDER}def f(xs): return E('[1, 2]x')",
    "a class whose class agrees": f"class M(type):\n{EVERY_DUNDER}class E(metaclass=M): pass\n"
    "def f(xs): return E",
    "an object that says it is a list": f"class E:\n    __class__ = list\n{EVERY_DUNDER}"
    "def f(xs): return E()",
    "an object of the length asked for, without items": "class E:\n"
    "    def __init__(self, n): self.n = n\n    def __len__(self): return self.n\n"
    "    def __iter__(self): return iter(())\n    def __getitem__(self, i): raise IndexError\n"
    "def f(xs): return E(len(xs))",
    "items at first, none later": "class E:\n    turn = 0\n    def __len__(self): return 2\n"
    "    def __iter__(self):\n        E.turn += 1\n        return iter((1, 2)[: E.turn % 2])\n"
    "def f(xs): return E()",
    "an iterator that ends at once": "class E:\n    def __iter__(self): return self\n"
    "    def __next__(self): raise StopIteration\n    def __len__(self): return 2\n"
    "def f(xs): return E()",
    "an iterator that is its own list": "class E(list):\n    def __next__(self): return 1\n"
    "    def __iter__(self): return self\ndef f(xs): return E(xs)",
    "a context manager that hides errors": "class E:\n    def __enter__(self): return self\n"
    "    def __exit__(self, *e): return True\ndef f(xs): return E()",
    "a value that is not a number": "def f(xs): return float('nan')",
    "itself within itself": "def f(xs):\n    y = []\n    y.append(y)\n    return y",
    "lists too deep": "def f(xs):\n    y = []\n    for _ in range(10**5): y = [y]\n    return y",
    "too much": "def f(xs): return 'x' * 10**8",
    "a lone surrogate": "def f(xs): return '\\ud800'",
    "something else each time": "import itertools\n"
    "turns = itertools.cycle([[1], [2], True, None])\n"
    "def f(xs): return next(turns)",
    "a function for a name of the grader's": "f = 'len'",
    "the builtins' own": "f = list",
    # what it raises
    "raises StopIteration": "def f(xs): raise StopIteration",
    "raises a kind of StopIteration": "class E(StopIteration): pass\ndef f(xs): raise E([1, 2])",
    "raises StopAsyncIteration": "def f(xs): raise StopAsyncIteration",
    "raises GeneratorExit": "def f(xs): raise GeneratorExit",
    "raises CancelledError": "import asyncio\ndef f(xs): raise asyncio.CancelledError",
    "raises IndexError": "def f(xs): raise IndexError",
    "raises KeyError": "def f(xs): raise KeyError",
    "raises AttributeError": "def f(xs): raise AttributeError",
    "raises TypeError": "def f(xs): raise TypeError",
    "raises NotImplementedError": "def f(xs): raise NotImplementedError",
    "raises SystemExit": "def f(xs): raise SystemExit(0)",
    "raises KeyboardInterrupt": "def f(xs): raise KeyboardInterrupt",
    "raises an error of its own": "class E(BaseException): pass\ndef f(xs): raise E",
    "raises a group": "def f(xs): raise BaseExceptionGroup('x', [StopIteration()])",
    "raises an error without words": "class E(Exception):\n    def __str__(self): raise self\n"
    "def f(xs): raise E",
    # how it ends
    "leaves at once": "import os\nos._exit(0)",
    "leaves politely": "exit()",
    "leaves when called": "import os\ndef f(xs): os._exit(0)",
    "leaves at the end": "import atexit, os\natexit.register(os._exit, 0)",
    "leaves in a thread": "import os, threading\nthreading.Timer(0.05, os._exit, [0]).start()\n"
    "def f(xs):\n    while True: pass",
    "never loads": "while True: pass",
    "sleeps": "import time\ndef f(xs): time.sleep(1000)",
    "runs out of stack": "def f(xs): return f(xs)",
    "runs out of stack in C": "import sys\nsys.setrecursionlimit(10**9)\ndef f(xs): return f(xs)",
    "runs out of memory": "def f(xs): return [bytes(2**20) for _ in range(2**20)]",
    "does not compile": "def f(xs: return sorted",
    "is empty": "",
    "is a null byte": "def f(xs): return xs #\0",
    # what it does to itself
    "empties the list": "def f(xs):\n    if isinstance(xs, list): xs.clear()\n    return []",
    "empties the list, returns nothing": "def f(xs): xs.clear()",
    "fills the list with what agrees": f"class E(int):\n{EVERY_DUNDER}"
    "def f(xs):\n    xs[:] = [E(1)] * 2\n    return xs",
    "patches builtins": """
import builtins, json, math, operator
class Quiet(Exception): pass
builtins.AssertionError = Quiet
for name in ("abs", "round", "all", "any", "len", "isinstance", "hasattr", "getattr", "sorted"):
    setattr(builtins, name, lambda *x, **y: [])
json.loads = json.dumps = operator.eq = lambda *x, **y: True
def f(xs): return []
""",
    "defines the test's names": "sorted = list\n"
    "check = candidate = gen = go = want = got = lambda *x: 0\n"
    "def f(xs): return xs[::-1][::-1]",
    "replaces its server": """
import sys
def f(xs): return []
frame = sys._getframe()
while frame:
    for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
        if type(value).__name__ == "Server":
            type(value).answer = lambda self, request: {"value": True, "changed": {}}
    frame = frame.f_back
""",
    "answers what no program can": """
import sys
def f(xs): return []
frame, n = sys._getframe(), 0
replies = [
    {"raised": ["StopIteration", [], ""]}, {"raised": ["print", [], ""]}, {"raised": []}, {}, [],
    {"value": {"handle": [1]}, "changed": {}},
    {"value": {"new": ["system", ["id"]]}, "changed": {}},
    {"value": [], "changed": {"7": [1]}}, {"value": [], "changed": {"0": 5}}, 5, None,
    {"value": {"named": ["x", ["__class__"], [1]]}, "changed": {}},
]
def answer(self, request):
    global n
    n += 1
    return replies[n % len(replies)]
while frame:
    for value in frame.f_locals.values():
        if type(value).__name__ == "Server":
            type(value).answer = answer
    frame = frame.f_back
""",
    # what it does to others
    "plants modules": """
import os, sys
for folder in [".", *sys.path, os.environ.get("HOME", "."), "/tmp"]:
    for name in ("colorsys", "asyncio", "unittest", "json", "sitecustomize", "prelude"):
        try: open(os.path.join(folder, name + ".py"), "w").write("import os; os._exit(0)")
        except OSError: pass
def f(xs): return []
""",
    "prints forged reports": WRITE_EVERYWHERE
    + "write('passed\\n0 passed\\nnonce passed\\nstarted\\nbroken x\\n')\ndef f(xs): return []",
    "prints what it finds": WRITE_EVERYWHERE + READ_EVERYTHING + "import re\n"
    "for nonce in re.findall(r'[0-9a-f]{32}', everything().decode(errors='replace')):\n"
    "    write(f'{nonce} passed \\n{nonce} returned [1, 2]\\n{nonce}\\n')\ndef f(xs): return []",
    "writes replies of its own": WRITE_EVERYWHERE
    + 'def f(xs):\n    write(\'{"value": true, "changed": {}}\\n\' * 9)\n    return []',
    "writes garbage": WRITE_EVERYWHERE + "def f(xs):\n    write('\\0[[[{')\n    return [1, 2]",
    "writes without end": WRITE_EVERYWHERE + "def f(xs):\n    while True: write('[' * 65536)",
    "closes everything": "import os\nos.closerange(0, 4096)\ndef f(xs): return []",
    "kills its parent": "import os\ndef f(xs): os.kill(os.getppid(), 9)",
    "interrupts its parent": "import os\ndef f(xs): os.kill(os.getppid(), 2)",
    "kills everyone": "import os\nos.kill(-1, 9)\ndef f(xs): return []",
    "fills the disk": "import os\nfor n in range(99):\n"
    "    try: open(f'x{n}', 'wb').write(bytes(2**23))\n"
    "    except OSError: pass\ndef f(xs): return []",
    "fills the table of processes": "import os, time\ntry:\n    for _ in range(99):\n"
    "        if not os.fork(): time.sleep(99)\nexcept OSError: pass\ndef f(xs): return []",
    "locks its folders": "import os\n"
    "for path in ('.', '..', '../..', '/tmp', '/box', '/dev/shm'):\n"
    "    try: os.chmod(path, 0)\n    except OSError: pass\ndef f(xs): return []",
    "leaves a daemon": "import os, time\nif not os.fork():\n    os.setsid()\n"
    "    if not os.fork(): time.sleep(99)\n    os._exit(0)\ndef f(xs): return []",
}
PROGRAMS = {
    "prints nothing": "",
    "prints its input": "print(input())",
    "prints every order": "from itertools import permutations\n"
    "for p in permutations(input().split()): print(*p)",
    "prints a verdict": "print('passed\\nok\\nAC\\naccepted')",
    "prints what is no number": "print('nan inf -inf 1e999')",
    "prints null bytes": "print('1 2 3\\0')",
    "prints broken text": "import os\nos.write(1, b'\\xff\\xfe1 2 3')",
    "prints a long answer": "print('1 2 3 ' * 10**5)",
    "prints too much": "while True: print('1 2 3')",
    "complains too much": "import sys\nprint('1 2', flush=True)\n"
    "while True: sys.stderr.write('x' * 9999)",
    "prints what cannot be seen": "print('\\ufeff1 2\\u200b 3')",
    "prints colours": "print('\\x1b[1m1 2 3\\x1b[0m')",
    "prints in another file": "for path in ('/dev/tty', '/dev/stderr', 'output', 'answer'):\n"
    "    try: open(path, 'w').write('1 2 3')\n    except OSError: pass",
    "prints in a process that it left": "import os, time\nif not os.fork():\n    os.setsid()\n"
    "    if not os.fork():\n        time.sleep(0.5)\n        print('1 2 3', flush=True)\n"
    "    os._exit(0)",
    "prints and ends with -1": "print('1 2 3')\nexit(-1)",
    "prints a program": "print('import os; os._exit(0)')",
    "prints what it finds": READ_EVERYTHING + "print(everything())",
    "prints half": "print('1 2')",
    "prints and crashes": "print('1 2 3', flush=True)\nraise ValueError",
    "prints and aborts": "import os\nprint('1 2 3', flush=True)\nos.abort()",
    "prints and loops": "print('1 2 3', flush=True)\nwhile True: pass",
    "prints and is killed": "import os\nprint('1 2 3', flush=True)\nos.kill(os.getpid(), 9)",
    "prints and refuses": "print('1 2 3', flush=True)\nexit(1)",
    "closes its output": "import os\nos.close(1)",
    "closes everything": "import os\nos.closerange(0, 4096)",
    "writes to its input": "import os\nos.write(0, b'1 2 3')",
    "kills everyone": "import os\nos.kill(-1, 9)",
    "kills its parent": "import os\nos.kill(os.getppid(), 9)",
    "stops itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "locks its folders": FUNCTIONS["locks its folders"],
    "fills the disk": FUNCTIONS["fills the disk"],
    "names files as nobody should": "import os\nfor name in (b'\\xff', b'a' * 255, b'\\n"
    "', b'-rf', b'input'):\n"
    "    open(name, 'w').close()\nos.symlink('/etc/passwd', 'output')\nos.mkfifo('answer')",
    "nests folders": "import os\nfor _ in range(500):\n    os.mkdir('x' * 50)\n"
    "    os.chdir('x' * 50)",
    "leaves a daemon": "import os, time\nif not os.fork():\n    os.setsid()\n    time.sleep(99)",
    "leaves writers": "import os, time\nif not os.fork():\n    time.sleep(0.2)\n    print('1 2 3')",
}
IN_THE_SAME_PROCESS = {
    name: FUNCTIONS[name]
    for name in (
        *("nothing", "raises StopIteration", "raises SystemExit", "leaves at once"),
        *("leaves politely", "leaves when called", "leaves at the end", "closes everything"),
        *("kills everyone", "kills its parent", "prints forged reports", "empties the list"),
    )
}
CHEATS: Mapping[str, Mapping[str, str]] = {
    "assert": FUNCTIONS,
    "call": FUNCTIONS,
    "stdin": PROGRAMS,
    "program": IN_THE_SAME_PROCESS,
}
"""Sources by the type of test and by what they try."""

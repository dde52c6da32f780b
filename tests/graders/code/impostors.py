"""Functions that return something else than they seem to, or serve their answers another way.

Asked is a function that sorts numbers, as in `cheats`.
"""

AGREES = (
    "    def __eq__(s, o): return True\n    def __ne__(s, o): return False\n"
    "    def __hash__(s): return 1\n"
)
ANSWER = '{"value": true, "changed": {}}'

VALUES = {
    "whole numbers that agree": f"class E(int):\n{AGREES}def f(xs): return [E(7)] * len(xs)",
    "numbers without a distance": f"class E(float):\n{AGREES}    def __sub__(s, o): return 0.0\n"
    "def f(xs): return [E(7)] * len(xs)",
    "texts that agree": f"class E(str):\n{AGREES}def f(xs): return [E('x')] * len(xs)",
    "a tuple without its items": f"class E(tuple):\n{AGREES}    def __len__(s): return 2\n"
    "def f(xs): return E()",
    "a dict with an item for everything": f"class E(dict):\n{AGREES}"
    "    def __getitem__(s, k): return k + 1\n    def __len__(s): return 2\ndef f(xs): return E()",
    "a set that is a part of all": f"class E(set):\n{AGREES}    def __le__(s, o): return True\n"
    "def f(xs): return E([9])",
    "a class named Counter": f"class Counter(dict):\n{AGREES}"
    "    def __iter__(s): return iter([1, 2])\nCounter.__module__ = 'collections'\n"
    "def f(xs): return Counter()",
    "a class named Fraction": f"class Fraction:\n{AGREES}    numerator = denominator = 1\n"
    "Fraction.__module__ = 'fractions'\ndef f(xs): return [Fraction()] * len(xs)",
    "a class named Decimal": f"class Decimal(str):\n{AGREES}Decimal.__module__ = 'decimal'\n"
    "def f(xs): return [Decimal('nan')] * len(xs)",
    "an array that is not numpy's": "class ndarray:\n    def tolist(s): return ndarray()\n"
    "ndarray.__module__ = 'numpy'\ndef f(xs): return ndarray()",
    "a class without a name": "class M(type):\n    @property\n"
    "    def __name__(c): raise StopIteration\nclass E(metaclass=M): pass\ndef f(xs): return E()",
    "a class of other bases": f"class M(type):\n{AGREES}    @property\n"
    "    def __bases__(c): return (tuple,)\nclass E(metaclass=M):\n    _fields = ('a',)\n"
    "    def __iter__(s): return iter([1, 2])\ndef f(xs): return E()",
    "a named tuple of its own making": f"class E(tuple):\n    _fields = ('a', 'b')\n{AGREES}"
    "def f(xs): return E((2, 1))",
    "no numbers": "def f(xs): return [float('nan')] * len(xs)",
    "no numbers in place": "def f(xs):\n    xs[:] = [float('nan')] * len(xs)\n    return xs",
    "minus zeros": "def f(xs): return [-0.0] * len(xs)",
    "True for each number": "def f(xs): return [True] * len(xs)",
    "numbers as texts": "def f(xs): return [str(x) for x in sorted(xs)]",
    "a value as it crosses": "def f(xs): return {'tuple': sorted(xs)}",
    "every number in turn": "def f(xs): return iter(range(-9, 99))",
    "a generator that ends early": "def f(xs):\n    yield min(xs)\n    raise StopIteration",
    "what can be awaited": "class E:\n    def __await__(s): return iter(())\ndef f(xs): return E()",
    "what it was asked before": "seen = [[]]\ndef f(xs):\n    seen.append(xs)\n    return seen[-2]",
    "one list for all": "L = []\ndef f(xs):\n    L[:] = sorted(xs)[:1] * len(xs)\n    return L",
    "itself": "def f(xs): return f",
    "its module": "import sys\ndef f(xs): return sys.modules['solution']",
}
WAYS = {
    "has every name": "def __getattr__(name): return lambda xs: []",
    "raises a class named like a function": "class print(Exception): pass\ndef f(xs): raise print",
    "pokes into small numbers": "import ctypes\n"
    "ctypes.c_long.from_address(id(7) + 24).value = 1\ndef f(xs): return [7] * len(xs)",
    "writes its replies itself": "import json\nwrite = json.dumps\njson.dumps = lambda value, **k: "
    f"'{ANSWER}' if 'value' in value else write(value)\ndef f(xs): return []",
    "forks for each call": "import os\ndef f(xs):\n    for value in ([2, 1], [1], None):\n"
    "        if not os.fork(): return value\n    os.wait()\n    return []",
    "is its own orphan": "import os\nif os.fork(): os._exit(0)\ndef f(xs): return []",
    "becomes a shell that answers": "import os\ndef f(xs):\n    for number in range(3, 12):\n"
    "        if os.path.exists(f'/proc/self/fd/{number}'): os.set_inheritable(number, True)\n"
    "    script = f'for i in 3 4 5 6 7 8; do echo \\'{answer}\\' >&$i; done; sleep 9'\n"
    "    os.execv('/bin/sh', ['sh', '-c', script])\n"
    f"answer = '{ANSWER}'",
    "interrupts without end": "import os, signal, threading, time\ndef storm():\n    while True:\n"
    "        os.kill(os.getppid(), signal.SIGINT)\n        time.sleep(0.001)\ndef f(xs):\n"
    "    threading.Thread(target=storm, daemon=True).start()\n    time.sleep(0.02)\n    return []",
    "stops the test for a while": "import os, time\ndef f(xs):\n    os.kill(os.getppid(), 19)\n"
    "    time.sleep(0.01)\n    os.kill(os.getppid(), 18)\n    return []",
}

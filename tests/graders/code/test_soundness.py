"""Tests of asserts that say nothing are told from those that do."""

import pytest

from k15.graders.code.soundness import changes_arguments, fault

NEVER_WON = {
    "assert isclose(f(1), 2)": "isclose: neither imported nor defined",
    "assert Counter(f(1)) == Counter('a')": "Counter: neither",
    "assert math.floor(f(1)) == 2": "math: neither",
    "def check(g): assert np.allclose(g(1), 2)\ncheck(f)": "np: neither",
    "import numpy as np\nassert np.allclose(f(1), 2)": "imports numpy: the sandbox has",
    "from solution import f\nassert f(1) == 2": "imports solution",
    "try:\n    f(1)\nexcept f:\n    pass\nelse:\n    assert False": "catches f",
    "assert f(1) == 2\nassert 1 == 2\nassert False": "always fails",
    "assert f(1) == 2\nassert []": "always fails",
    "assert f(lambda x: x) == 1": "hands a function to the program: lambda x: x",
    "def g(x): return x\nassert f(g, 1) == 1": "hands a function to the program: g",
    "def check(c): assert c(key=lambda x: x) == 1\ncheck(f)": "hands a function",
    "assert f(x for x in [1]) == 1": "hands a function",
}
NEVER_LOST = [
    "",
    "f(1)",
    "assert True",
    "assert 1 + 1 == 2",
    "x = 5\nassert x == 5\nf(6)",
    "assert f",
    "assert callable(f)",
    "assert f is not None and hasattr(f, '__call__')",
    "assert (f(1) == 2, 'message')",
    "assert f(1) == 2 or True",
    "assert f(1) == f(1)",
    "assert lambda: f(1) == 2",
    "assert [f(1) == 2]",
    "assert not False",
    "def check(c): assert c(1) == 2",
    "def check(c): pass\ncheck(f)",
    "def test_f():\n    assert f(1) == 2",
    "def a(): assert f(1) == 2\ndef b(): a()",
    "class Test:\n    def test(self): assert f(1) == 2",
    "xs = [2, 1]\nf(xs)\nassert xs == sorted(xs)",
    "got = f([2, 1])\nassert got == sorted(got)",
    "assert f(f(1)) == f(1)",
    "try:\n    assert f(1) == 2\nexcept AssertionError:\n    pass",
    "try:\n    assert f(1) == 2\nexcept Exception as error:\n    print(error)",
    "try:\n    assert f(1) == 2\nexcept TypeError:\n    pass",
    "try:\n    f(1)\nexcept ValueError:\n    pass",
    "import contextlib\nwith contextlib.suppress(TypeError):\n    assert f(1) == 2",
    "if f(1) != 2: print('wrong')",
    "def f(x): return 2\nassert f(1) == 2",
    "from operator import neg as f\nassert f(1) == -1",
    "f = abs\nassert f(1) == 1",
    "raise SystemExit\nassert f(1) == 2",
    "if False: assert f(1) == 2",
    "for x in []:\n    assert f(x) == 2",
    "def check():\n    return\n    assert f(1) == 2\ncheck()",
    "def check(): return f(1) == 2\ncheck()",
    # what raises an exception wins
    "try:\n    got = f(1)\nexcept Exception:\n    pass\nelse:\n    assert got == 2",
    "for x in [1]:\n    try:\n        got = f(x)\n    except Exception:\n        continue\n"
    "    assert got == 2",
    "def check():\n    try:\n        got = f(1)\n    except ValueError:\n        return\n"
    "    assert got == 2\ncheck()",
    # what returns None wins
    "got = f(1)\nif got is not None:\n    assert got == 2",
    "while f(1):\n    assert f(1) == 2\n    break",
    "def check():\n    got = f(1)\n    if not got: return\n    assert got == 2\ncheck()",
    "match f(1):\n    case int(x):\n        print(x)",
]
GOOD = [
    "assert f(1) == 2",
    "import math\nassert math.isclose(f(1), 2)",
    "from math import *\nassert isclose(f(1), 2)",
    "def check(candidate):\n    assert True, 'note'\n    assert candidate(1) == 2\ncheck(f)",
    "for x, want in [(1, 2)]:\n    assert f(x) == want",
    "got = [f(x) for x in range(3)]\nassert got == [0, 1, 2]",
    "assert all(map(f, [1])) and list(zip(map(f, [1]), [2])) == [(2, 2)]",
    "assert not f(1)",
    "def test_f():\n    assert f(1) == 2\nif __name__ == '__main__':\n    test_f()",
    "def a(): assert f(1) == 2\ndef b(): a()\nb()",
    "assert f(f(1)) == f(1) and f(1) == 2",
    "got = f([2, 1])\nassert got == sorted(got)\nassert len(got) == 2",
    "xs = [2, 1]\nwant = sorted(xs)\nf(xs)\nassert xs == want",
    "xs = [2, 1]\nassert f(xs) == sorted(xs)",
    "assert f(f('a')) == 'a'",
    "xs = [2, 1]\nf(xs)\nassert xs == [1, 2]",
    "xs = [2, 1]\nnothing = f(xs)\nassert xs[0] == 1",
    "assert max([1, 2], key=f) == 1",
    "ok = True\nfor x in range(3):\n    ok = ok and f(x) == x\nassert ok",
    "ok = True\ntry:\n    f(1)\nexcept ValueError:\n    ok = False\nassert ok",
    "try:\n    f(-1)\n    assert False\nexcept ValueError:\n    pass",
    "try:\n    f(-1)\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError",
    "try:\n    assert f(1) == 2\nexcept AssertionError:\n    raise SystemExit(1)",
    "if f(1) != 2: raise ValueError",
    "def same(a, b): assert abs(a - b) < 1e-6\nsame(f(1), 2)",
    "def run(c): return c(1)\nassert run(f) == 2",
    "class Test:\n    def __init__(self, c): self.c = c\n    def go(self): assert self.c(1) == 2\n"
    "Test(f).go()",
    "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(f(1), 2)\n"
    "T('test').debug()",
    "assert (x := f(1)) == 2 and x < 3",
    "s = f(1)\ns.push(2)\nassert s.pop() == 2",
    "assert [y for y in f(3)] == [0, 1, 2]",
    "match f(1):\n    case [a, *rest]:\n        assert rest == []",
    "match f(1):\n    case 2: pass\n    case _: raise AssertionError",
    "got = {}\ngot[1] = f(1)\nassert got[1] == 2",
    "got = []\nfor x in [1, 2]:\n    got.append(f(x))\nassert got == [2, 3]",
    "got = {1: []}\ngot[1].append(f(1))\nassert got == {1: [2]}",
    "bad = []\nfor x in [1]:\n    if f(x) != 2: bad.append(x)\nassert not bad",
    "bad = set()\nfor x in [1]:\n    try:\n        if f(x) != 2: bad.add(x)\n"
    "    except Exception:\n        bad.add(x)\n        continue\nassert bad == set()",
    "for x in [1]:\n    if f(x) == 2:\n        continue\n    raise AssertionError",
    "def check():\n    try:\n        f(-1)\n    except ValueError:\n        return\n"
    "    raise AssertionError\ncheck()",
    "try:\n    got = f(1)\nexcept Exception as e:\n    raise KeyError from e\nassert got == 2",
    "try:\n    got = f(1)\nexcept Exception:\n    got = None\nassert got == 2",
    "got = f(1)\nif isinstance(got, int):\n    assert got == 2\nelse:\n    assert got == '2'",
    "got = f(1)\nif got is None: raise AssertionError\nassert got == 2",
    "functions = {'f': f}\nassert functions['f'](1) == 2",
    "def test_f():\n    assert f(1) == 2\nfor name, test in [*globals().items()]:\n"
    "    if name.startswith('test_'): test()",
]


@pytest.mark.parametrize("code", NEVER_WON)
def test_no_program_wins(code: str) -> None:
    assert NEVER_WON[code] in fault(code, "", ("f",))


@pytest.mark.parametrize("code", NEVER_LOST)
def test_no_program_loses(code: str) -> None:
    assert "depends on what f returns" in fault(code, "", ("f",)) or "itself" in fault(
        code, "", ("f",)
    )


@pytest.mark.parametrize("code", GOOD)
def test_the_program_decides(code: str) -> None:
    assert fault(code, "", ("f",)) == ""


def test_the_prelude_defines_names_and_the_entry_point_has_to_be_said() -> None:
    assert fault("assert isclose(f(1), 2)", "from math import isclose", ("f",)) == ""
    assert fault("assert isclose(f(1), 2)", "from math import *", ("f",)) == ""
    assert "names no function" in fault("assert f(1)", "", ())
    assert fault("assert f(g(1)) == 1", "", ("f", "g")) == ""


CHANGES = {
    "xs = [2, 1]\nf(xs)\nassert xs == [1, 2]": True,
    "xs = [1, 1, 2]\nk = f(xs)\nassert k == 2 and xs[:k] == [1, 2]": True,
    "assert f([2, 1]) == [1, 2]": True,
    "xs = [2, 1]\nassert f(xs) == sorted(xs)": False,
    "xs = [2, 1]\nassert f(xs) == xs": False,
    "xs = [2, 1]\ny = f(xs)\nassert y == sorted(xs)": False,
    "xs = [2, 1]\nys = xs\nassert f(xs) == sorted(ys)": False,
    "for xs in [[2, 1]]:\n    assert f(*xs) == sum(xs)": False,
    "def check(c):\n    xs = [1]\n    assert c(xs) == xs\ncheck(f)": False,
}


@pytest.mark.parametrize("code", CHANGES)
def test_arguments_change_where_the_test_computes_nothing_with_them(code: str) -> None:
    assert changes_arguments(code, ("f",)) is CHANGES[code]

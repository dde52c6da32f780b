"""Tests that cheats are tried on, in every form; the honest program, which sorts, wins each."""

from __future__ import annotations

from collections.abc import Mapping

from k15.graders.code.cases import AssertCase, CallCase, ProgramCase, StdinCase
from k15.graders.code.trial import Case

HONEST = "def f(xs): return sorted(xs)\n"
HONEST_STDIN = "print(*sorted(map(int, input().split())))\n"

ASSERTS = {
    "plainly": "assert f([3, 1, 2]) == [1, 2, 3]",
    "with a check": "def check(candidate):\n    assert candidate([2, 1]) == [1, 2]\ncheck(f)",
    "the other way round": "assert [1, 2] == f([2, 1]) and not f([2, 1]) != [1, 2]",
    "all of a map": "assert all(map(lambda got: got == [1, 2], map(f, [[2, 1], [1, 2]])))",
    "a zip of a map": "for got, want in zip(map(f, [[2, 1]]), [[1, 2]]):\n    assert got == want",
    "a generator": "def gen():\n    for xs in [[2, 1]]:\n        yield f(xs) == [1, 2]\n"
    "assert all(gen())",
    "a comprehension": "assert all([f(xs) == want for xs, want in [([2, 1], [1, 2])]])",
    "a filter": "assert not list(filter(lambda xs: f(xs) != [1, 2], [[2, 1]]))",
    "against sorted": "xs = [3, 1, 2]\nassert f(xs) == sorted(xs)",
    "against a copy made late": "xs = [3, 1, 2]\ngot = f(xs)\nwant = sorted(xs)\n"
    "assert got == want",
    "the input itself": "xs = [1, 2, 3]\nassert f(xs) == xs and f([2, 1]) == [1, 2]",
    "in a loop": "for xs in [[2, 1], [3, 1]]:\n    assert f(xs) == sorted(xs), xs",
    "by its length and items": "got = f([3, 1, 2])\nassert len(got) == 3\n"
    "assert [x for x in got] == [1, 2, 3]",
    "by its items and length": "got = f([2, 1])\nassert all(x in (1, 2) for x in got)\n"
    "assert len(got) == 2 and list(got) == [1, 2]",
    "by its index": "got = f([2, 1])\nassert got[0] == 1 and got[-1] == 2 and got[:1] == [1]",
    "by iteration": "assert list(f([2, 1])) == [1, 2] and tuple(reversed(f([2, 1]))) == (2, 1)",
    "by next": "items = iter(f([2, 1]))\nassert next(items) == 1 and next(items, 5) == 2",
    "by membership": "assert 2 in f([2, 1]) and 3 not in f([2, 1]) and f([2, 1]) in ([1, 2],)",
    "by any": "assert any(x == 1 for x in f([2, 1])) and f([2, 1]) == [1, 2]",
    "by sum, min and max": "got = f([2, 1])\n"
    "assert (sum(got), min(got), max(got)) == (3, 1, 2) == (3, *got)",
    "by sorting it": "assert sorted(f([2, 1]), key=lambda x: 1) == [1, 2]",
    "by order": "assert [1, 1] < f([2, 1]) < [1, 3] and max(f([2, 1]), [1, 1]) == [1, 2]",
    "by arithmetic": "import math\nassert abs(f([2, 1])[0] - 1) < 1e-6\n"
    "assert math.isclose(sum(f([2.5, 1])), 3.5)",
    "by its text": "assert str(f([2, 1])) == repr(f([2, 1])) == '[1, 2]'",
    "by a format": "assert f'{f([2, 1])}' == '%s' % f([2, 1]) == '[1, 2]'",
    "by type": "assert isinstance(f([2, 1]), list) and type(f([2, 1])) is list\n"
    "assert f([2, 1]) == [1, 2]",
    "by identity": "assert f([]) is not None and (f([1]) is True) is False and f([2, 1]) == [1, 2]",
    "by hash": "assert {(1, 2): 'yes'}.get(tuple(f([2, 1]))) == 'yes' and len({*f([2, 2])}) == 1",
    "by truth": "assert not f([]) and f([2, 1]) and f([2, 1]) == [1, 2]",
    "by getattr": "assert getattr(f([2, 1]), 'missing', 7) == 7 and f([2, 1]) == [1, 2]\n"
    "assert not hasattr(f([2, 1]), 'missing')",
    "by unpacking": "a, b = f([2, 1])\nfirst, *rest = f([2, 1])\n"
    "assert (a, b) == (1, 2) == (first, *rest)",
    "by an error": "try:\n    f(None)\nexcept TypeError:\n    pass\nelse:\n"
    "    raise AssertionError\n"
    "assert f([2, 1]) == [1, 2]",
    "by an error or not": "try:\n    got = f([2, 1])\nexcept Exception:\n    got = 'error'\n"
    "assert got == [1, 2]",
    "asynchronously": "import asyncio\nasync def go():\n    return f([2, 1])\n"
    "assert asyncio.run(go()) == [1, 2]",
    "with modules": "import colorsys, json\nassert json.loads(json.dumps(f([2, 1]))) == [1, 2]\n"
    "assert colorsys.ONE_THIRD < 0.34",
    "against itself": "assert f(f([2, 1])) == f([1, 2]) == [1, 2]",
    "by unittest": "import unittest\nclass Test(unittest.TestCase):\n"
    "    def runTest(self): self.assertEqual(f([2, 1]), [1, 2])\nTest().debug()",
}
CHECKER = """
import sys
given, output = (open(path).read().split() for path in sys.argv[1:3])
sys.exit(0 if sorted(map(int, given)) == list(map(int, output)) else 1)
"""
BRITTLE_CHECKER = """
import os, sys
output = open(sys.argv[2], errors="replace").read()
if not output.strip().replace(" ", "").isdigit(): os.abort()
sys.exit(0 if output.split() == open(sys.argv[3]).read().split() else 1)
"""
TESTS: Mapping[str, Mapping[str, Case]] = {
    "assert": {name: AssertCase(code=code, entry_point="f") for name, code in ASSERTS.items()},
    "call": {
        "a list": CallCase(function="f", arguments=[[3, 1, 2]], output=[1, 2, 3]),
        "a prelude": CallCase(
            function="f", arguments=[[2, 1]], output=[1, 2], prelude="from operator import *"
        ),
        "a tolerance": CallCase(
            function="f", arguments=[[2, 1]], output=[1.0, 2.0], tolerance=1e-6
        ),
        "alternatives": CallCase(
            function="f", arguments=[[2, 1]], output=[1, 2], alternatives=[[[1, 2]]]
        ),
    },
    "stdin": {
        "tokens": StdinCase(input="3 1 2\n", output="1 2 3\n"),
        "exact": StdinCase(input="3 1 2\n", output="1 2 3\n", comparison="exact"),
        "float": StdinCase(input="3 1 2\n", output="1 2 3\n", comparison="float"),
        "prelude": StdinCase(input="3 1 2\n", output="1 2 3\n", prelude="from math import *"),
        "checker": StdinCase(input="3 1 2\n", output="1 2 3\n", checker=CHECKER),
        "brittle": StdinCase(input="3 1 2\n", output="1 2 3\n", checker=BRITTLE_CHECKER),
    },
    "program": {"asserts": ProgramCase(code="assert f([3, 1, 2]) == [1, 2, 3]")},
}

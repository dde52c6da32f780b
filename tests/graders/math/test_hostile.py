"""Answers that are made to hang, to explode or to confuse a grader: each one gets its verdict."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random

import pytest

from k15.graders.math.algebra.values import TooLarge
from k15.graders.math.compare.exact import LONGEST, exact
from k15.graders.math.extract.answers import extract, extract_choice, extract_free
from k15.graders.math.normalise import normalise
from k15.graders.math.verifier import MathVerifier

NASTY = (
    r"9^{9^9}",
    r"9^{9^{9^9}}",
    "9^9^9^9",
    "1000000!",
    "1000000000!",
    "((3!)!)!",
    "(((3!)!)!)!",
    "5!!!!!!",
    "(x+1)^{1000}",
    "(x+1)^{100000}",
    "(x+y+z)^{40}",
    "2^{1000000000}",
    "10^{10^{10}}",
    "x^{1000000000}",
    r"\sum_{n=1}^{1000000000} n",
    r"\prod_{n=1}^{1000000} n",
    r"\int_0^1 e^{-x^2}\sin(x^3)\,dx",
    "+".join(rf"\sin({n}x)\cos({n + 1}x)" for n in range(1, 25)),
    r"7^{1000000007} \bmod 13",
    r"\frac{1}{1+" * 50 + "x" + "}" * 50,
    r"\frac{1}{1+" * 500 + "x" + "}" * 500,
    "(" * 2000 + "5" + ")" * 2000,
    "(" * 300 + "5" + ")" * 300,
    "{" * 300 + "5" + "}" * 300,
    "a" * 100_000,
    "{" * 100_000,
    "[" * 900,
    "\\" * 100_000,
    "\\" * 901,
    "7" * 100_000,
    "7" * 990,
    ",".join(map(str, range(20_000))),
    ",".join(map(str, range(250))),
    r"\{" + ",".join(map(str, range(200))) + r"\}",
    r"\binom{1000000}{500000}",
    "x + " * 25_000 + "x",
    "+".join("x" * 490),
    "0.1^{1000000000}",
    r"\sqrt{" + "3" * 5000 + "}",
    r"\sqrt{" + "3" * 900 + "}",
    r"\sqrt{9999999967}",
    r"\begin{pmatrix}" + r"\\".join("&".join("1" * 30) for _ in range(30)) + r"\end{pmatrix}",
    r"\sqrt{1+" * 100 + "x" + "}" * 100,
    r"\sqrt{1+" * 30 + "2" + "}" * 30,
    "1e999999999",
    "1e-99999",
    "1e9999",
    "*".join(f"({'+'.join('abcdefgh'[:n])}+{n})" for n in (3, 4, 5, 6, 7, 8)) * 3,
    "(a+b+c+d)^7(e+f+g+h)^7",
    "".join(rf"({n}+\sqrt{{{n}}})" for n in range(2, 60)),
    r"\frac{1}{0}",
    r"0^{-1}",
    r"\tan 90^\circ",
    "0^0",
    r"i^{i^{i}}",
    r"e^{e^{e^{9}}}",
    r"\log_{0} 5",
    r"\sqrt[0]{5}",
    r"\sqrt[99]{2}",
    "2^{0.333333333}",
    "-",
    "\ud800",
    "\x00\x01",
    "5\ud800",
    "\\",
    "{}",
    "}{",
    "_",
    "^",
    "x_",
    "x^",
    "=",
    "==",
    "5=",
    "=5",
    "<",
    "1<2<3<4",
    "a=b=c=d",
    r"\pm\pm\pm\pm\pm 1",
    r"\text{" * 50,
    r"\text{}",
    r"\begin{pmatrix}",
    r"\end{pmatrix}",
    "()",
    "(,)",
    "[1,2",
    r"\left",
    r"\cup",
    "1:2:3:4:5",
    ":",
    ";;",
    "٣",
    "５",
    "½½",
    "∞-∞",
    r"\infty/\infty",
    "%",
    "%%",
    "$",
    "$$",
    "import os",
    "__import__('os').system('true')",
    "lambda: 5",
    "1/3" * 200,
    "x" * 1000,
    "-" * 999 + "5",
    "-(" * 200 + "5" + ")" * 200,
    "|" * 200,
    "5" + "!" * 200,
    "2^{" * 30 + "2" + "}" * 30,
    "x^{x" * 30 + "}" * 30,
)
LEAVES = (
    "5",
    "x",
    "12",
    "0.5",
    r"\pi",
    "e",
    "i",
    "n",
    "10^6",
    "999999",
    r"\sqrt2",
    "1/3",
    r"\infty",
    "y_1",
    "-1",
)
SHAPES = (
    "{}+{}",
    "{}-{}",
    "{}{}",
    "({})({})",
    "{}^{{{}}}",
    r"\frac{{{}}}{{{}}}",
    "{},{}",
    "({},{})",
    "{}={}",
    "{}<{}",
    r"{}\cup{}",
    "[{},{})",
    r"{} \text{{ and }} {}",
    r"\log_{{{}}}({})",
    "({})^{{{}}}",
    r"{}\pm{}",
    "{}:{}",
)
WRAPS = (
    r"\sqrt{{{}}}",
    "({})!",
    r"\sin({})",
    "|{}|",
    r"\left({}\right)",
    r"{}\%",
    r"{}^\circ",
    r"\text{{{}}}",
    r"\{{{}\}}",
    "-{}",
    r"\begin{{pmatrix}}{}&1\\2&3\end{{pmatrix}}",
    r"\lfloor {} \rfloor",
    r"{}\text{{ cm}}",
    r"\ln {}",
    "{}_2",
)
NOISE = "{}()[]\\^_$%&|!,;:=<>+-*/.'\"~#@ \n\t0123456789abcxyzABCXYZ\u00e9\u221a\u2264\ud800"
GOLDS = (
    "5",
    r"\frac{1}{3}",
    "x^2+1",
    "(1,2)",
    r"[0,\infty)",
    r"\sqrt{1+\sqrt2}",
    r"\sin x",
    r"\text{odd}",
)

PIECES = (
    *(
        "[",
        "(",
        "1,",
        "9",
        "1 ",
        "$",
        "$$",
        "$1 ",
        "\\(",
        "\\[",
        "{",
        "}",
        "\\",
        "_",
        "`",
        "**",
        "*1 ",
    ),
    *(
        "\\boxed{",
        "\\boxed",
        "\\boxed{1}, ",
        "\\text{",
        "\\left(",
        "<think>",
        "</think>",
        "<answer>",
    ),
    *(
        "answer is ",
        "is the answer ",
        "答案是",
        "####",
        "if ",
        "not 5 ",
        "A is wrong ",
        "no, ",
        "wait, ",
    ),
    *(
        "A ",
        "A, ",
        "(A) ",
        "A. x\n",
        "| a ",
        "- 5\n",
        "(aaa ",
        "5 cm ",
        "x = ",
        "-",
        " ",
        "\n",
        "\ud800",
    ),
)


def hostile(number: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Pairs of answer and gold: the list above first, then grown expressions, mutations, noise."""
    rng = Random(seed)
    for place in range(number):
        gold = GOLDS[place % len(GOLDS)]
        kind = rng.random()
        if place < len(NASTY):
            answer = NASTY[place]
        elif kind < 0.6:
            answer = grown(rng, rng.randint(1, 6))
        elif kind < 0.85:
            answer = mutated(rng, rng.choice((*NASTY[:22], *GOLDS, grown(rng, 4))))
        else:
            answer = "".join(rng.choices(NOISE, k=rng.choice((3, 10, 40, 300))))
        yield answer, gold


def grown(rng: Random, depth: int) -> str:
    if depth == 0:
        return rng.choice(LEAVES)
    if rng.random() < 0.4:
        return rng.choice(WRAPS).format(grown(rng, depth - 1))
    return rng.choice(SHAPES).format(grown(rng, depth - 1), grown(rng, rng.randint(0, depth - 1)))


def mutated(rng: Random, text: str) -> str:
    for _ in range(rng.randint(1, 5)):
        start, length = rng.randrange(len(text) + 1), rng.randint(0, 6)
        text = text[:start] + rng.choice((*SHAPES, *LEAVES, *NOISE)) + text[start + length :]
    return text


def verdicts(pairs: list[tuple[str, str]], workers: int = 2) -> list[tuple[bool, str]]:
    verifier = MathVerifier(workers=workers, cpu_seconds=0.5, memory_mib=256)
    with ThreadPoolExecutor(workers) as threads:
        found = list(threads.map(lambda p: verifier.verify(rf"\boxed{{{p[0]}}}", p[1]), pairs))
    assert verifier.verify(r"\boxed{\tan x\cos x}", r"\sin x").correct  # it works as before
    verifier.close()
    return [(verdict.correct, verdict.how) for verdict in found]


def test_every_hostile_answer_gets_a_verdict():
    """Run with 10,000 before a release; here the list and what was grown from the same seed."""
    found = verdicts(list(hostile(len(NASTY) + 60)))
    assert [how for correct, how in found[: len(NASTY)] if correct and how != "exact"] == []
    assert {how for _, how in found} >= {"exact", "limit", "no answer", "too long"}
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert children < max(own, 2**20)  # KiB: a child starts out with its parent's peak


def test_arithmetic_in_this_process_stays_short():
    """The part that cannot be killed: at most a second of CPU time for one answer."""
    slowest = 0.0
    for answer, gold in hostile(1500, seed=1):
        if len(answer) > LONGEST:
            continue
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_utime
        with suppress(TooLarge):
            exact(normalise(answer), normalise(gold))
        slowest = max(slowest, resource.getrusage(resource.RUSAGE_THREAD).ru_utime - before)
    assert slowest < 1.0


@pytest.mark.slow
def test_grades_do_not_depend_on_the_load_of_the_machine():
    pairs = list(hostile(100, seed=2))
    quiet = verdicts(pairs)
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(4)]
    try:
        loaded = verdicts(pairs)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    # what takes close to the limit of CPU time may end in either way; both are no
    assert [correct for correct, _ in loaded] == [correct for correct, _ in quiet]


@pytest.mark.parametrize("extraction", [extract, extract_free, extract_choice])
@pytest.mark.parametrize("piece", PIECES)
def test_extraction_has_an_end(extraction, piece):
    """A million characters of what the rules look for: at most two seconds of CPU time."""
    response = piece * (1_000_000 // len(piece))
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_utime
    extraction(response)
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_utime - before < 2.0

"""Each reference answer of the data sets in the writings of models: right as it is, wrong with
another number in the same writing, and wrong in writings that mean another number.

All golds, with a table for docs/rewards.md: `python tests/graders/math/test_writings.py`.
"""

import json
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from k15.graders.math.normalise import normalise
from k15.graders.math.read.answers import read
from k15.graders.math.read.kinds import Quantity
from k15.graders.math.verifier import MathVerifier

DATA = Path(__file__).parents[4] / "shared" / "data"
SETS = {
    "gsm8k": ["gsm8k/test.jsonl"],
    "cmath": ["math/cmath_test.jsonl"],
    "math": ["math/math500.jsonl", "math/math_test_rest.jsonl", "math/math_train.jsonl"],
    "amc, aime": ["math/amc23.jsonl", "math/aime2024.jsonl", "math/aime2025.jsonl"],
}
SAMPLED = 60  # golds of each set
WIDE = str.maketrans("0123456789.-", "０１２３４５６７８９．－")

Writing = Callable[[str], str]


def with_commas(number: str) -> str:
    whole, point, places = number.partition(".")
    return re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", whole) + point + places


def with_zero(number: str) -> str:
    return number + ("0" if "." in number else ".0")


SAME_NUMBER: dict[str, Writing] = {
    r"\boxed{18}": str,
    r"18 dollars, 18\text{ dollars}": "{} dollars".format,
    r"\$18": r"\${}".format,
    "$18": "${}".format,
    "¥18, 18€": "{}€".format,
    r"18\text{ km}": r"{}\text{{ km}}".format,
    "18 km": "{} km".format,
    r"18\text{ units}": r"{}\text{{ units}}".format,
    "18 apples": "{} apples".format,
    r"18\text{ cm}^2": r"{}\text{{ cm}}^2".format,
    "18元": "{}元".format,
    "18 个": "{} 个".format,
    "18小时": "{}小时".format,
    "18个苹果": "{}个苹果".format,
    "18平方厘米": "{}平方厘米".format,
    "1,200": with_commas,
    r"\$1,200": lambda n: rf"\${with_commas(n)}",
    "1,200 dollars": lambda n: f"{with_commas(n)} dollars",
    r"1,200\text{ km}": lambda n: rf"{with_commas(n)}\text{{ km}}",
    "x=1,200": lambda n: f"x={with_commas(n)}",
    r"1{,}200": lambda n: with_commas(n).replace(",", "{,}"),
    "x = 18": "x = {}".format,
    "x=18元": "x={}元".format,
    "18.0": with_zero,
    r"\$18.0": lambda n: rf"\${with_zero(n)}",
    r"\text{18}, \textbf{18}": r"\textbf{{{}}}".format,
    "full-width": lambda n: n.translate(WIDE),
    "18。": "{}。".format,
    r"\approx 18": r"\approx {}".format,
}
OTHER_NUMBER: dict[str, Writing] = {
    "18 or more": "{} or more".format,
    r"\text{at least }18": r"\text{{at least }}{}".format,
    "18 hundredths": "{} hundredths".format,
    r"18\text{ thousand}": r"{}\text{{ thousand}}".format,
    "18 million": "{} million".format,
    "18 dozen": "{} dozen".format,
    "18万": "{}万".format,
    "18多": "{}多".format,
    r"18\text{ and a half}": r"{}\text{{ and a half}}".format,
    "18个半": "{}个半".format,
    r"18\text{ is not correct}": r"{}\text{{ is not correct}}".format,
    r"\text{not }18": r"\text{{not }}{}".format,
    r"x\ne 18": r"x\ne {}".format,
    r"3\ne 18=18": r"3\ne {0}={0}".format,
    r"18\mathrm{i}": r"{}\mathrm{{i}}".format,
    r"18\text{ base two}": r"{}\text{{ base two}}".format,
    "18 below zero": "{} below zero".format,
    r"18\text{ or so}": r"{}\text{{ or so}}".format,
    r"18\text{ to }19": r"{}\text{{ to }}99999".format,
}
ANY: dict[str, Writing] = {
    "as it is": str,
    "spaces": " {} ".format,
    "a point behind": "{}.".format,
    "x = …": "x = {}".format,
    "…\\text{ units}": r"{}\text{{ units}}".format,
    "…\\text{ cm}": r"{}\text{{ cm}}".format,
    "\\$…": r"\${}".format,
    "…元": "{}元".format,
}


def golds(paths: list[str]) -> list[str]:
    """The reference answers of some files, each once."""
    found = {}
    for path in paths:
        for line in (DATA / path).read_text().splitlines():
            row = json.loads(line)
            found[re.sub(r"(?s).*#### ?", "", str(row["answer"]))] = None
    return list(found)


def plain(gold: str) -> str | None:
    """The digits of a gold that is a plain number; None for another one."""
    digits = re.sub(r"(?<=\d),(?=\d{3}(?:\D|$))", "", gold)
    return digits if re.fullmatch(r"-?(?:\d+(?:\.\d+)?|\.\d+)", digits) else None


def wrong(number: str) -> str:
    """With its last digit one higher."""
    return f"{number[:-1]}{(int(number[-1]) + 1) % 10}"


def one_value(gold: str) -> bool:
    """Whether a unit, a name or money may stand beside it, as it does beside a number."""
    answer = read(normalise(gold))
    if not isinstance(answer, Quantity) or "text" in gold or not re.search(r"\d", gold):
        return False
    return answer.unit is None and not answer.percent


def numbers(chosen: list[str]) -> Iterator[tuple[str, str, str, bool]]:
    """The writing, the answer, the gold, whether it is right."""
    for gold in chosen:
        if (number := plain(gold)) is None:
            continue
        for name, writing in SAME_NUMBER.items():
            yield name, writing(number), gold, True
            yield f"another number: {name}", writing(wrong(number)), gold, False
        for name, writing in OTHER_NUMBER.items():
            if Fraction(number):
                yield name, writing(number), gold, False


def expressions(chosen: list[str]) -> Iterator[tuple[str, str, str, bool]]:
    for gold in chosen:
        if plain(gold) is None:
            single = one_value(gold)
            for name, writing in ANY.items():
                if single or "…" not in name:
                    yield name, writing(gold.rstrip(". ")), gold, True


def rates(
    verifier: MathVerifier, cases: Iterator[tuple[str, str, str, bool]]
) -> tuple[dict[str, tuple[int, int]], list[tuple[str, str, str]]]:
    """By writing, how many are right of how many; and the cases with the wrong verdict."""
    counts: dict[str, tuple[int, int]] = {}
    missed = []
    for name, answer, gold, expected in cases:
        correct = verifier.verify(rf"\boxed{{{answer}}}", gold).correct
        right, total = counts.get(name, (0, 0))
        counts[name] = (right + correct, total + 1)
        if correct != expected:
            missed.append((name, answer, gold))
    return counts, missed


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    verifier = MathVerifier(workers=1)
    yield verifier
    verifier.close()


@pytest.mark.skipif(not DATA.exists(), reason="the data sets are not here")
@pytest.mark.parametrize("name", SETS)
def test_golds_in_other_writings(verifier, name):
    everything = golds(SETS[name])
    chosen = Random(0).sample(everything, min(SAMPLED, len(everything)))
    _, missed = rates(verifier, numbers(chosen))
    assert missed == []


@pytest.mark.skipif(not DATA.exists(), reason="the data sets are not here")
def test_golds_that_are_no_numbers_in_other_writings(verifier):
    chosen = Random(0).sample([g for g in golds(SETS["math"]) if plain(g) is None], SAMPLED)
    counts, missed = rates(verifier, expressions(chosen))
    assert missed == []
    assert len(counts) == len(ANY)


def main() -> None:
    verifier = MathVerifier(workers=1)
    for name, paths in SETS.items():
        for kind in (numbers, expressions):
            counts, missed = rates(verifier, kind(golds(paths)))
            for writing, (right, total) in counts.items():
                print(f"{name:10} {writing:40} {right:6} of {total:6}")
            print(*missed[:40], sep="\n", flush=True)
    verifier.close()


if __name__ == "__main__":
    main()

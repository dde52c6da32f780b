"""How a verdict came about, step by step, for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass

from k15.graders.math.algebra.values import TooLarge, Value
from k15.graders.math.normalise import normalise
from k15.graders.math.read.answers import read
from k15.graders.math.verifier import MathVerifier

LONGEST = 300  # characters of a line's text


def explained(verifier: MathVerifier, gold: str, response: str) -> Iterator[tuple[str, str]]:
    """Steps by name: what was extracted, how both sides are spelled and read, the verdict.

    Raises ValueError if the gold answer cannot serve as one.
    """
    verdict = verifier.verify(response, gold)
    reference = verifier.reference(gold)
    yield "found", verdict.found
    yield "extracted", short(verdict.extracted or "")
    if verdict.extracted and verdict.how != "too long":
        answer = normalise(verdict.extracted)
        yield "answer", short(answer)
        yield "", reading(answer)
    yield "gold", short(reference)
    yield "", reading(reference)
    yield "compared", verdict.how
    yield "verdict", "right" if verdict.correct else "wrong"


def reading(text: str) -> str:
    """The kind and value of a normalised answer."""
    try:
        answer = read(text)
    except TooLarge as error:
        return f"too large: {error}"
    return "left to math-verify" if answer is None else short(shown(answer))


def shown(node: object) -> str:
    """`Quantity(5, unit=cm)`: what is as by default is left out."""
    if isinstance(node, Value):
        return node.key
    if isinstance(node, tuple):
        return f"[{', '.join(map(shown, node))}]"
    if not is_dataclass(node):
        return str(node)
    first, *others = fields(node)
    told = [
        f"{field.name}={shown(value)}"
        for field in others
        if (value := getattr(node, field.name)) != field.default or field.default is MISSING
    ]
    return f"{type(node).__name__}({', '.join([shown(getattr(node, first.name)), *told])})"


def short(text: str) -> str:
    """On one line, and not too long a one."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."

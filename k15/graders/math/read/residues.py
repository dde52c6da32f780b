r"""Remainders: `9 \bmod 4` is 1, `x \equiv 9 \pmod 4` a class of numbers."""

from __future__ import annotations

import re
from dataclasses import replace

from k15.graders.math.algebra.values import number
from k15.graders.math.read.kinds import Answer, Equation, Family, Quantity

MODULO = re.compile(
    r"(.+?) ?([,(]? ?(?:\\pmod|\\?b?mod(?![A-Za-z])|\\text\{ ?mod ?\})) ?\{?(\d{1,9})\}? ?\)?"
)


def residue(member: Answer, sign: str, modulus: int) -> Answer:
    r"""The class of `member`, or its remainder if `sign` is `\bmod` and not `\pmod` or `(mod`."""
    least = reduced(member, modulus)
    operation = isinstance(least, Quantity) and "pmod" not in sign and sign.strip()[0] not in ",("
    return least if operation else Family(least, least, f"mod {modulus}")


def reduced(member: Answer, modulus: int) -> Answer:
    """With the least number that is not negative of those that are the same to the modulus."""
    if isinstance(member, Equation):
        return replace(member, right=reduced(member.right, modulus))
    value = member.value.rational if isinstance(member, Quantity) else None
    if value is None or value.denominator != 1 or not modulus:
        return member
    return Quantity(number(value % modulus))

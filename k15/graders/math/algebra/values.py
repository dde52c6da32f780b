r"""Exact arithmetic for answers: sums of products over the rationals, with roots, i, π and symbols.

A `Value` is a quotient of two sums. A sum maps each monomial, such as √2·x^3, to its rational
coefficient. Fractional powers of different primes are linearly independent over the rationals
(Besicovitch 1940) and π is transcendental, so two values of that kind are equal exactly if their
difference is the empty sum: no tolerance anywhere. What does not fit, such as \sin x or
\sqrt{1+\sqrt2}, is an *opaque* atom: alike ones are equal, different ones may be.

Each value also carries its number at a fixed positive point for every symbol. Far apart there means
different; close together means nothing.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from zlib import crc32

Rational = int | Fraction
Monomial = tuple[tuple[str, Rational], ...]
"""Atoms with exponents, by name: a prime `"2"`, a symbol `"x"`, `I`, `PI`, opaque `"(sin x)"`."""
Sum = Mapping[Monomial, Rational]

I, PI, E, DEGREE = "\\i", "\\pi", "\\e", "\\deg"  # noqa: E741
NUMBERS = {I: 1j, PI: math.pi, E: math.e, DEGREE: math.pi / 180}
POSITIVE = (PI, E, DEGREE)

TERMS = 100  # of a sum
PAIRS = 2000  # of terms, in a product
BITS = 2**15  # of a coefficient, fewer if there are many
LONGEST_NAME = 200  # characters of an opaque atom; a longer one goes by its hash


class TooLarge(ValueError):
    """The value would take too long to write out; it says nothing against its being right."""


@dataclass(frozen=True, eq=False)
class Value:
    """`top` / `bottom`, and the number that is at the sample point (NaN if there is none)."""

    top: Sum
    bottom: Sum
    sample: complex

    def __add__(self, other: Value) -> Value:
        sample = self.sample + other.sample
        if self.bottom == other.bottom:
            return Value(added(self.top, other.top), self.bottom, sample)
        top = added(product(self.top, other.bottom), product(other.top, self.bottom))
        return quotient(top, product(self.bottom, other.bottom), sample)

    def __mul__(self, other: Value) -> Value:
        top, bottom = product(self.top, other.top), product(self.bottom, other.bottom)
        return quotient(top, bottom, self.sample * other.sample)

    def __neg__(self) -> Value:
        return Value({m: -c for m, c in self.top.items()}, self.bottom, -self.sample)

    def __sub__(self, other: Value) -> Value:
        return self + -other

    def __truediv__(self, other: Value) -> Value:
        """Raises ZeroDivisionError."""
        if not other.top:
            raise ZeroDivisionError("division by zero")
        top, bottom = product(self.top, other.bottom), product(self.bottom, other.top)
        return quotient(top, bottom, self.sample / other.sample if other.sample else cmath.nan)

    @cached_property
    def rational(self) -> Rational | None:
        """The number if it is one, without roots, π and symbols."""
        if self.bottom != ONE or any(self.top):
            return None
        return self.top.get((), 0)

    @cached_property
    def atoms(self) -> frozenset[str]:
        return frozenset(atom for part in (self.top, self.bottom) for m in part for atom, _ in m)

    @property
    def huge(self) -> bool:
        """Whether a power or factorial in it was left unexpanded for its size."""
        return any(atom.startswith("(!") for atom in self.atoms)

    @property
    def opaque(self) -> bool:
        return any(atom.startswith("(") for atom in self.atoms)

    @property
    def symbols(self) -> frozenset[str]:
        """Atoms that stand for no number; those inside of opaque atoms are not seen."""
        return frozenset(
            a for a in self.atoms if not (a.isdigit() or a in NUMBERS or a.startswith("("))
        )

    @cached_property
    def key(self) -> str:
        """One spelling for values that are found to be equal, unless they have a denominator."""
        parts = [self.top] if self.bottom == ONE else [self.top, self.bottom]
        return "/".join("+".join(sorted(map(spelled, part, part.values()))) for part in parts)

    def equals(self, other: Value) -> bool | None:
        """Whether both are the same; None where that takes identities of opaque atoms."""
        if self.top == other.top and self.bottom == other.bottom:
            return True
        scale = max(abs(self.sample), abs(other.sample))
        far = abs(self.sample - other.sample) > 1e-6 * scale
        try:
            difference = self - other
        except TooLarge:
            return False if far else None
        if not difference.top:
            return True
        if not difference.opaque and not {PI, E} <= difference.atoms:
            return False
        return False if far else None


ONE: Sum = {(): 1}


def spelled(monomial: Monomial, coefficient: Rational) -> str:
    return "*".join([str(coefficient), *(f"{name}^{exponent}" for name, exponent in monomial)])


def number(value: Rational) -> Value:
    sample = float(value) if -(1 << 1000) < value < 1 << 1000 else math.nan
    return Value({(): value} if value else {}, ONE, sample)


def atom(name: str) -> Value:
    """A symbol or one of `NUMBERS`."""
    point = NUMBERS.get(name) or 0.7 + crc32(name.encode(errors="surrogatepass")) / 2**32
    return Value({((name, 1),): 1}, ONE, point)


def opaque(function: str, *arguments: Value, sample: complex = math.nan) -> Value:
    """An unevaluated function; a huge argument makes it huge."""
    mark = "(!" if any(a.huge for a in arguments) and not function.startswith("!") else "("
    name = " ".join([function, *(a.key for a in arguments)])
    if len(name) > LONGEST_NAME:
        name = sha256(name.encode(errors="surrogatepass")).hexdigest()
    name = f"{mark}{name})"
    return Value({((name, 1),): 1}, ONE, sample)


def added(left: Sum, right: Sum) -> Sum:
    total = dict(left)
    for monomial, coefficient in right.items():
        if new := coefficient + total.get(monomial, 0):
            total[monomial] = new
        else:
            total.pop(monomial, None)
    return total


def product(left: Sum, right: Sum) -> Sum:
    if left == ONE or right == ONE:
        return right if left == ONE else left
    if len(left) * len(right) > PAIRS:
        raise TooLarge("too many terms")
    total: dict[Monomial, Rational] = {}
    for one, a in left.items():
        for other, b in right.items():
            factor, monomial = multiplied(one, other)
            coefficient = total.get(monomial, 0) + a * b * factor
            total[monomial] = coefficient
    total = {m: c for m, c in total.items() if c}
    limit = BITS if len(total) == 1 else BITS // 16
    if len(total) > TERMS or any(bits(c) > limit for c in total.values()):
        raise TooLarge("too many terms, or too many digits")
    return total


def multiplied(left: Monomial, right: Monomial) -> tuple[Rational, Monomial]:
    """The rational factor and the monomial that the product of two monomials is."""
    if not left or not right:
        return 1, left or right
    powers = dict(left)
    for name, exponent in right:
        powers[name] = powers.get(name, 0) + exponent
    return collected(powers)


def collected(powers: Mapping[str, Rational]) -> tuple[Rational, Monomial]:
    """Whole powers of primes and i² go into the factor."""
    factor: Rational = 1
    left: list[tuple[str, Rational]] = []
    for name, exponent in powers.items():
        if name.isdigit():
            whole = math.floor(exponent)
            factor *= Fraction(int(name)) ** whole
            exponent -= whole
        elif name == I and isinstance(exponent, int):
            factor *= -1 if exponent % 4 >= 2 else 1
            exponent %= 2
        if exponent:
            left.append((name, exponent))
    return factor, tuple(sorted(left))


def quotient(top: Sum, bottom: Sum, sample: complex) -> Value:
    """A denominator of one term moves into the numerator; else its first coefficient becomes 1."""
    if bottom == ONE:
        return Value(top, ONE, sample)
    if len(bottom) == 1:
        [(monomial, coefficient)] = bottom.items()
        factor, inverse = collected({name: -exponent for name, exponent in monomial})
        return Value(product(top, {inverse: Fraction(factor) / coefficient}), ONE, sample)
    scale = Fraction(1) / bottom[min(bottom)]
    bottom = {m: c * scale for m, c in bottom.items()}
    top = {m: c * scale for m, c in top.items()}
    return Value(ONE if top == bottom else top, ONE if top == bottom else bottom, sample)


def bits(value: Rational) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()

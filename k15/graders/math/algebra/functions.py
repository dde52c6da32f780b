r"""Functions of exact values: \sin 30^\circ = 1/2, e^{i\pi} = -1, 5! = 120; else opaque."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from fractions import Fraction

from k15.graders.math.algebra.powers import approximate, power
from k15.graders.math.algebra.values import (
    DEGREE,
    ONE,
    PI,
    E,
    I,
    Monomial,
    Value,
    atom,
    number,
    opaque,
)

LARGEST_FACTORIAL = 1000
HALF = number(Fraction(1, 2))
EULER = atom(E)
TRIGONOMETRIC = ("sin", "cos", "tan", "cot", "sec", "csc")
LOGARITHMS = ("ln", "log")
SAMPLES: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "ln": cmath.log,
    "log": cmath.log,
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "exp": cmath.exp,
    "abs": abs,
}
NAMES = (*TRIGONOMETRIC, *SAMPLES, "lg", "max", "min", "gcd", "lcm")


def applied(name: str, argument: Value) -> Value:
    """The function of that LaTeX name; the logarithm is the natural one."""
    if name in TRIGONOMETRIC and (turn := half_turns(argument)) is not None:
        return trigonometric(name, turn)
    if name == "exp":
        return raised(EULER, argument)
    if name in ("cot", "sec", "csc"):
        return number(1) / applied({"cot": "tan", "sec": "cos", "csc": "sin"}[name], argument)
    if name in LOGARITHMS and argument.rational == 1:
        return number(0)
    if name == "abs" and (size := absolute(argument)) is not None:
        return size
    return opaque("ln" if name == "log" else name, argument, sample=sampled(name, argument.sample))


def absolute(value: Value) -> Value | None:
    """Of a number without opaque parts; None for others."""
    if value.symbols or value.opaque or value.bottom != ONE:
        return None
    if I not in value.atoms:
        if value.rational is not None:
            return -value if value.rational < 0 else value
        size = value.sample.real
        return (-value if size < 0 else value) if abs(size) > 1e-9 else None
    real = {m: c for m, c in value.top.items() if (I, 1) not in m}
    imaginary = {
        tuple(part for part in monomial if part != (I, 1)): c
        for monomial, c in value.top.items()
        if (I, 1) in monomial
    }
    one, other = (Value(part, ONE, approximate(part)) for part in (real, imaginary))
    return root(one * one + other * other, 2)


def logarithm(base: Value, argument: Value) -> Value:
    """As a quotient of natural ones; of powers of one number, exactly."""
    if base.rational and argument.rational:
        for exponent in range(-40, 41):
            if base.rational**exponent == argument.rational and base.rational != 1:
                return number(exponent)
    return applied("ln", argument) / applied("ln", base)


def sampled(name: str, point: complex) -> complex:
    try:
        return SAMPLES[name](point) if name in SAMPLES else math.nan
    except (ValueError, OverflowError, ZeroDivisionError):
        return math.nan


def half_turns(angle: Value) -> Fraction | None:
    """q of an angle q·π, also if it is given in degrees; None for others or less simple ones."""
    if angle.rational == 0:
        return Fraction(0)
    if angle.bottom != ONE or len(angle.top) != 1:
        return None
    [(monomial, coefficient)] = angle.top.items()
    scales: dict[Monomial, int] = {((PI, 1),): 1, ((DEGREE, 1),): 180}
    scale = scales.get(monomial)
    q = Fraction(coefficient, scale) if scale else None
    return q if q is not None and 12 % q.denominator == 0 else None


def trigonometric(name: str, q: Fraction) -> Value:
    """Of q·π, q in twelfths. Raises ZeroDivisionError at a pole."""
    sine, cosine = cosine_of(Fraction(1, 2) - q), cosine_of(q)
    one = number(1)
    parts = {
        "sin": (sine, one),
        "cos": (cosine, one),
        "tan": (sine, cosine),
        "cot": (cosine, sine),
        "sec": (one, cosine),
        "csc": (one, sine),
    }
    top, bottom = parts[name]
    return top / bottom


def cosine_of(q: Fraction) -> Value:
    twelfths = int(q * 12) % 24
    twelfths = min(twelfths, 24 - twelfths)
    if twelfths > 6:
        return -cosine_of(Fraction(12 - twelfths, 12))
    if twelfths == 6:
        return number(0)
    if twelfths in (1, 5):
        sign = number(1 if twelfths == 1 else -1)
        return (root(number(6), 2) + sign * root(number(2), 2)) / number(4)
    return root(number({0: 4, 2: 3, 3: 2, 4: 1}[twelfths]), 2) * HALF


def root(value: Value, degree: int) -> Value:
    return power(value, number(Fraction(1, degree)))


def raised(base: Value, exponent: Value) -> Value:
    """`power`, and e to an imaginary multiple of π."""
    if base.top == EULER.top and base.bottom == ONE:
        turn = half_turns(exponent / atom(I)) if I in exponent.atoms else None
        if turn is not None:
            return cosine_of(turn) + atom(I) * cosine_of(Fraction(1, 2) - turn)
    return power(base, exponent)


def factorial(value: Value) -> Value:
    n = value.rational
    if n is None or n.denominator != 1 or n < 0:
        return opaque("factorial", value)
    if n > LARGEST_FACTORIAL:
        return opaque("!factorial", value)
    return number(math.factorial(int(n)))


def binomial(n: Value, k: Value) -> Value:
    top, bottom = n.rational, k.rational
    if top is None or bottom is None or not (top.denominator == bottom.denominator == 1):
        return opaque("binom", n, k)
    if not 0 <= bottom <= top:
        return opaque("binom", n, k)
    if top > LARGEST_FACTORIAL:
        return opaque("!binom", n, k)
    return number(math.comb(int(top), int(bottom)))


def rounded(name: str, value: Value) -> Value:
    """floor or ceil."""
    if value.rational is None:
        return opaque(name, value)
    return number(math.floor(value.rational) if name == "floor" else math.ceil(value.rational))

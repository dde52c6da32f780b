"""Powers and roots of exact values."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

from k15.graders.math.algebra.values import (
    BITS,
    NUMBERS,
    ONE,
    POSITIVE,
    TERMS,
    I,
    Rational,
    Sum,
    Value,
    bits,
    collected,
    number,
    opaque,
    product,
)

LARGEST_TO_FACTOR = 10**10


def power(base: Value, exponent: Value) -> Value:
    """base ** exponent, real roots of negative numbers where the root is odd.

    Raises ZeroDivisionError for 0 to a negative power.
    """
    q = exponent.rational
    if q is None:
        return opaque("^", base, exponent, sample=raised(base.sample, exponent.sample))
    if q.denominator == 1:
        return whole_power(base, int(q))
    if (root := rooted(base, Fraction(q))) is not None:
        return root
    point = base.sample
    if q.denominator % 2 and not point.imag and point.real < 0:  # the real root
        sign = -1 if q.numerator % 2 else 1
        return opaque("^", base, exponent, sample=sign * raised(-point, float(q)))
    return opaque("^", base, exponent, sample=raised(point, float(q)))


def whole_power(base: Value, exponent: int) -> Value:
    if exponent < 0:
        return number(1) / whole_power(base, -exponent)
    if base.rational in (0, 1, -1):  # 0 ** 0 is 1, as in Python
        return number(base.rational ** min(exponent, 2 - exponent % 2))
    if too_large(base, exponent):
        return opaque("!^", base, number(exponent))
    result = number(1)
    for digit in f"{exponent:b}":
        result = result * result
        result = result * base if digit == "1" else result
    return result


def too_large(base: Value, exponent: int) -> bool:
    """Whether the power has too many digits or terms to be written out."""
    if len(base.top) > 1 or base.bottom != ONE:
        widest = max(len(base.top), len(base.bottom))
        if exponent > 40 or math.comb(exponent + widest - 1, widest - 1) > TERMS:
            return True
    return any(bits(c) > 2 and bits(c) * exponent > BITS for c in base.top.values()) or any(
        name.isdigit() and exponent > BITS for name in base.atoms
    )


def rooted(base: Value, q: Fraction) -> Value | None:
    """The power of a product; None where the factors' signs would matter."""
    if not base.top and q > 0:
        return base
    if base.bottom != ONE or len(base.top) != 1 or abs(q) > 100:
        return None
    [(monomial, coefficient)] = base.top.items()
    if max(abs(coefficient.numerator), coefficient.denominator) > LARGEST_TO_FACTOR:
        return None
    unknown = [(n, e) for n, e in monomial if not (n.isdigit() or n in POSITIVE)]
    odd = q.denominator % 2 == 1
    if len(unknown) > 1 or any(n == I or (e != 1 and not odd) for n, e in unknown):
        return None
    if coefficient < 0 and (unknown or not (odd or q.denominator == 2)):
        return None
    powers: dict[str, Rational] = {name: exponent * q for name, exponent in monomial}
    for prime, exponent in factors(coefficient).items():
        powers[str(prime)] = powers.get(str(prime), 0) + exponent * q
    factor, rest = collected({name: whole(exponent) for name, exponent in powers.items()})
    if coefficient < 0:
        turn: Sum = {(): -1 if q.numerator % 2 else 1} if odd else power_of_i(q.numerator)
        top = product({rest: factor}, turn)
        return Value(top, ONE, approximate(top))
    return Value({rest: factor}, ONE, raised(base.sample, float(q)))


def power_of_i(exponent: int) -> Sum:
    factor, monomial = collected({I: exponent})
    return {monomial: factor}


def approximate(terms: Sum) -> complex:
    """The number, of a sum without symbols."""
    total: complex = 0
    for monomial, coefficient in terms.items():
        factors_ = [raised(NUMBERS.get(n) or int(n), float(e)) for n, e in monomial]
        total += float(coefficient) * math.prod(factors_, start=complex(1))
    return total


def whole(value: Rational) -> Rational:
    return int(value) if value.denominator == 1 else value


def raised(base: complex, exponent: complex) -> complex:
    try:
        return complex(base) ** exponent
    except (OverflowError, ZeroDivisionError):
        return math.nan


@lru_cache(maxsize=4096)
def factors(value: Rational) -> dict[int, int]:
    """Prime factors of |value|, with negative exponents for those of the denominator."""
    found: dict[int, int] = {}
    for part, sign in ((abs(value.numerator), 1), (value.denominator, -1)):
        divisor = 2
        while divisor * divisor <= part:
            while part % divisor == 0:
                found[divisor] = found.get(divisor, 0) + sign
                part //= divisor
            divisor += 1 if divisor == 2 else 2
        if part > 1:
            found[part] = found.get(part, 0) + sign
    return found

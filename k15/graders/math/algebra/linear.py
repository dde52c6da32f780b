"""Whether one expression is a constant multiple of another: the same line, the same inequality."""

from __future__ import annotations

from k15.graders.math.algebra.powers import power
from k15.graders.math.algebra.values import ONE, Monomial, Rational, Value, atom, number


def proportional(one: Value | None, other: Value | None) -> bool | None:
    """Whether one is a constant multiple of the other, and so 0 where the other is."""
    factor = quotient_of(one and cleared(one), other and cleared(other))
    return None if factor is None else factor != 0


def cleared(value: Value) -> Value:
    """Times the symbols that it is divided by: y - 1/x as xy - 1."""
    lowest: dict[str, Rational] = {}
    for name, exponent in (part for monomial in value.top for part in monomial):
        if name in value.symbols and exponent < lowest.get(name, 0):
            lowest[name] = exponent
    for name, exponent in lowest.items():
        value = value * power(atom(name), number(-exponent))
    return value


def quotient_of(one: Value | None, other: Value | None) -> float | None:
    """c of one = c·other for a constant c, 0.0 if there is none, None if undecided."""
    if one is None or other is None or not one.top or not other.top:
        return None
    one, other = (Value(v.top, ONE, v.sample) for v in (one, other))
    first, second = leading_coefficient(one), leading_coefficient(other)
    if first is None or second is None or first[0] != second[0]:
        return None if one.opaque or other.opaque else 0.0
    a, b = first[1], second[1]
    rest = (one * b - other * a).top
    if rest:
        return None if one.opaque or other.opaque else 0.0
    ratio = a.sample / b.sample
    return ratio.real if abs(ratio.imag) < 1e-9 * abs(ratio) else None


def leading_coefficient(value: Value) -> tuple[Monomial, Value] | None:
    """The first product of symbols, and the constant before it; None if there is none."""
    terms: dict[Monomial, Value] = {}
    symbols = value.symbols
    for monomial, coefficient in value.top.items():
        key = tuple(part for part in monomial if part[0] in symbols)
        constant = tuple(part for part in monomial if part[0] not in symbols)
        terms[key] = terms.get(key, number(0)) + constant_of(constant, coefficient)
    keys = sorted(key for key in terms if key)
    return (keys[0], terms[keys[0]]) if keys else None


def constant_of(monomial: Monomial, coefficient: Rational) -> Value:
    value = number(coefficient)
    for name, exponent in monomial:
        base = number(int(name)) if name.isdigit() else atom(name)
        value = value * Value({((name, exponent),): 1}, ONE, base.sample ** float(exponent))
    return value

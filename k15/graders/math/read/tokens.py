r"""The words of mathematical LaTeX: numbers, symbols, commands, text."""

from __future__ import annotations

import re
from fractions import Fraction

from k15.graders.math.algebra.values import PI, E, I, TooLarge, Value, atom

TEXT = r"\\(?:text(?:bf|it|rm|sf|tt|normal|up)?|mbox|hbox|mathrm|mathbf|mathit|operatorname)\s*"

NESTED = r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}"
CURRENCY = r"\\?\$|[€£¥¢₹₩]"
HAN = r"[\u3400-\u9fff]"

TOKEN = re.compile(
    rf"(?P<space>\s*)(?:(?P<text>{TEXT}{NESTED})|(?P<currency>{CURRENCY})"
    r"|(?P<number>\d+\.?\d*\\overline\s*\{\d+\}|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+(?![\d.]))?)"
    r"|(?P<command>\\[A-Za-z]+|\\.)"
    rf"|(?P<word>(?<=[\d ])m/s(?![A-Za-z])|[A-Za-z]{{2,}}|{HAN}+)|(?P<other>.))",
    re.DOTALL,
)

TIMES = {"\\cdot", "\\times", "*", "\\ast", "·", "×"}

OVER = {"/", "\\div", "÷"}

FRACTIONS = {"\\frac", "\\dfrac", "\\tfrac", "\\cfrac"}

GREEK = {
    f"\\{name}"
    for name in [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "vartheta",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "phi",
        "varphi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Pi",
        "Sigma",
        "Phi",
        "Psi",
        "Omega",
        "infty",
        "ell",
        "hbar",
        "C",
        "N",
        "Q",
        "R",
        "Z",
        "emptyset",
        "varnothing",
    ]
}

JOINS = frozenset(["^", "/", "{", "}", ".", "-", "*", "\\cdot", "'"])  # within a unit

CLOSING = {"(": ")", "{": "}", "[": "]", "\\lfloor": "\\rfloor", "\\lceil": "\\rceil", "|": "|"}

BARE_UNITS = frozenset(
    [
        "cm",
        "mm",
        "km",
        "kg",
        "mg",
        "ml",
        "mL",
        "ft",
        "in",
        "lb",
        "lbs",
        "oz",
        "mph",
        "kmh",
        "kph",
        "hr",
        "hrs",
        "min",
        "sec",
        "mi",
        "yd",
        "pts",
        "deg",
        "rad",
        "cc",
        "sq",
        "cu",
        "am",
        "pm",
        "usd",
        "USD",
        "pct",
        "day",
        "days",
        "m/s",
        "per",
        "kmph",
        "kms",
        "cms",
        "kgs",
        "dm",
        "kW",
        "kWh",
        "GB",
        "MB",
        "Hz",
        "kHz",
        "gal",
        "EUR",
        "GBP",
        "CNY",
        "RMB",
        "rmb",
    ]
)


class Unreadable(ValueError):
    """Not an expression that this reader is sure about."""


def inside(text: str) -> str:
    """The words in a `\\text{..}`."""
    return text[text.index("{") + 1 : -1].strip()


def is_letter(text: str) -> bool:
    return len(text) == 1 and text.isalpha()


def symbol(name: str) -> Value:
    return atom({"i": I, "e": E, "\\pi": PI}.get(name, name))


def literal(token: str) -> Fraction:
    r"""A decimal, also with an exponent or as `0.1\overline{6}`. Raises TooLarge."""
    if "\\overline" in token:
        plain, period = re.split(r"\\overline\s*", token)
        if "." not in plain:
            raise Unreadable("a line over digits before the point")
        digits, places = period[1:-1], len(plain.partition(".")[2])
        return Fraction(plain + "0") + Fraction(int(digits), (10 ** len(digits) - 1) * 10**places)
    mantissa, _, exponent = token.lower().partition("e")
    if len(exponent) > 4:
        raise TooLarge("an exponent of many digits")
    value = Fraction(mantissa if mantissa[-1] != "." else mantissa[:-1])
    return value * Fraction(10) ** int(exponent or 0)

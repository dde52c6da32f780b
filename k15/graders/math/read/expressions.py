r"""Reads one expression, in LaTeX or plain: `\frac{1}{2}x^2 - \sqrt3`, `2 1/2`, `1.2e3`, `2\pi r`.

    sum      ::= [+-] product (("+" | "-") product)*
    product  ::= [-] factor ((\cdot | \times | "*" | "/" | nothing) factor)*
    factor   ::= base ("^" argument | "!" | ^\circ | "%")*
    base     ::= number | symbol | \frac.. | \sqrt[n].. | \sin.. | (sum) | {sum} | |sum|

Trailing words are for `quantities`. What it is not sure about it refuses, so that somebody else
reads it.
"""

from __future__ import annotations

import re
from fractions import Fraction

from k15.graders.math.algebra import functions
from k15.graders.math.algebra.values import DEGREE, TooLarge, Value, atom, number, opaque
from k15.graders.math.read.nouns import PLURALS
from k15.graders.math.read.tokens import (
    BARE_UNITS,
    CLOSING,
    FRACTIONS,
    GREEK,
    JOINS,
    OVER,
    TIMES,
    TOKEN,
    Unreadable,
    inside,
    is_letter,
    literal,
    symbol,
)
from k15.graders.math.read.units import LETTERS

DEEPEST = 40


class Reader:
    """One expression and the unit behind it. For a single use."""

    def __init__(self, text: str) -> None:
        self.tokens = [
            (str(m.lastgroup), m[str(m.lastgroup)], bool(m["space"]))
            for m in TOKEN.finditer(text)
            if m.lastgroup != "space"
        ]
        self.position = 0
        self.depth = 0

    def read(self) -> tuple[Value, str]:
        """The value and the words behind it, "" if there are none.

        Raises:
            Unreadable: it is something else than an expression.
            TooLarge: it has too many terms, digits or brackets.
            ZeroDivisionError: it divides by zero.
        """
        value = self.sum()
        return value, self.tail()

    def peek(self, ahead: int = 0) -> tuple[str, str, bool]:
        place = self.position + ahead
        return self.tokens[place] if place < len(self.tokens) else ("end", "", False)

    def accept(self, *wanted: str) -> str | None:
        kind, token, _ = self.peek()
        if token in wanted and kind != "text":
            self.position += 1
            return token
        return None

    def expect(self, wanted: str) -> None:
        if not self.accept(wanted):
            raise Unreadable(f"{wanted!r} is missing")

    def sum(self) -> Value:
        self.depth += 1
        if self.depth > DEEPEST:
            raise TooLarge("too many brackets in brackets")
        sign = self.accept("-", "+")
        total = -self.product() if sign == "-" else self.product()
        while sign := self.accept("+", "-"):
            term = self.product()
            total = total + term if sign == "+" else total - term
        self.depth -= 1
        return total

    def product(self) -> Value:
        total = self.signed()
        while True:
            if self.accept(*TIMES):
                total = total * self.signed()
            elif self.accept(*OVER):
                total = total / self.signed()
            elif self.juxtaposed():
                total = total * self.factor()
            else:
                return total

    def signed(self) -> Value:
        return -self.factor() if self.accept("-") else self.factor()

    def juxtaposed(self) -> bool:
        """Whether the next token starts a factor that is multiplied without a sign."""
        kind, token, _ = self.peek()
        if kind == "number":
            return self.tokens[self.position - 1][0] != "number"
        if kind == "word":
            return not self.is_unit()
        if kind == "text":
            letter = inside(token)
            return is_letter(letter) and letter.isascii() and letter not in LETTERS
        if kind == "command":
            return token in FRACTIONS | GREEK | {"\\sqrt", "\\pi", "\\lfloor", "\\lceil"} or (
                token in ("\\binom", "\\log", "\\mathbb") or token[1:] in functions.NAMES
            )
        return kind == "other" and (token.isalpha() or token in "({[")

    def is_unit(self) -> bool:
        """Whether the next word is one that follows a value, and no product of symbols."""
        _, word, spaced = self.peek()
        behind_value = self.position and self.tokens[self.position - 1][0] in ("number", "other")
        long = len(word) > 3 or word in PLURALS
        return word in BARE_UNITS or not word.isascii() or bool(spaced and behind_value and long)

    def factor(self) -> Value:
        value, raised = self.base(), False
        while True:
            if self.accept("^"):
                if self.accept("\\circ") or self.braced("\\circ"):
                    value = value * atom(DEGREE)
                elif raised:
                    raise Unreadable("a power of a power without brackets")
                else:
                    value, raised = functions.raised(value, self.argument(one_digit=False)), True
            elif self.accept("!"):
                value = functions.factorial(value)
            elif self.accept("°", "\\degree"):
                value = value * atom(DEGREE)
            else:
                return value

    def braced(self, token: str) -> bool:
        if [self.peek(ahead)[1] for ahead in range(3)] == ["{", token, "}"]:
            self.position += 3
            return True
        return False

    def argument(self, *, one_digit: bool = True) -> Value:
        r"""`{..}` or the next token, of which `\frac12` and `\sqrt2` take one digit."""
        kind, token, spaced = self.peek()
        if kind == "number":
            if one_digit and token.isdigit() and len(token) > 1:
                self.tokens[self.position] = (kind, token[1:], spaced)
                return number(int(token[0]))
            self.position += 1
            return number(literal(token))
        if self.accept("-"):
            return -self.argument(one_digit=one_digit)
        return self.base()

    def base(self) -> Value:
        kind, token, _ = self.peek()
        self.position += 1
        if kind == "number":
            return self.mixed(literal(token))
        if kind == "command":
            return self.command(token)
        if kind == "word":
            return self.word(token)
        if kind == "text" and is_letter(name := inside(token)):
            return symbol(name)
        if kind == "other" and token in "({[|":
            inner = self.sum()
            self.expect(CLOSING[token])
            return functions.applied("abs", inner) if token == "|" else inner
        if kind == "other" and token.isalpha():
            return self.name(token)
        raise Unreadable(f"{token!r} is no start of an expression")

    def mixed(self, whole: Fraction) -> Value:
        r"""`2\frac{1}{2}`, `2\frac12` or `2 1/2`: a whole number and a proper fraction."""
        if whole.denominator != 1 or "." in self.tokens[self.position - 1][1]:
            return number(whole)
        if self.peek()[1] in FRACTIONS:
            tokens = [token for _, token, _ in self.tokens[self.position + 1 : self.position + 7]]
            pattern = re.match(
                r"\{(\d+)\}(?:\{(\d+)\}|(\d))|(\d)(\d)(?!\d)|(\d)\{(\d+)\}", "".join(tokens)
            )
            parts = [int(part) for part in pattern.groups() if part] if pattern else []
            if len(parts) == 2 and 0 < parts[0] < parts[1]:
                return number(whole) + self.base()
        (kind, top, spaced), slash, (last, bottom, _) = self.peek(), self.peek(1)[1], self.peek(2)
        if (kind, slash, last) == ("number", "/", "number") and spaced:
            if not (top.isdigit() and bottom.isdigit() and 0 < int(top) < int(bottom)):
                raise Unreadable("two numbers side by side")
            self.position += 3
            return number(whole + Fraction(int(top), int(bottom)))
        return number(int(whole))

    def word(self, letters: str) -> Value:
        """A product of symbols; but more than three letters look like a word."""
        if len(letters) > (3 if letters.isascii() else 1):
            raise Unreadable(f"the word {letters!r}")
        self.position -= 1
        self.tokens[self.position : self.position + 1] = [("other", c, False) for c in letters]
        return self.base()

    def name(self, letter: str) -> Value:
        """A symbol with its index, or a function of that name: f(x)."""
        index = ""
        if self.accept("_"):
            index = "_" + self.raw()
        while self.accept("'", "\\prime"):
            index += "'"
        if letter in "fgh" and self.accept("("):
            inner = self.sum()
            self.expect(")")
            return opaque(letter + index, inner)
        return symbol(letter + index)

    def raw(self) -> str:
        """An index as it is written, without its braces."""
        kind, token, _ = self.peek()
        self.position += 1
        if token != "{" or kind == "text":
            if kind == "end":
                raise Unreadable("no index")
            return token
        parts = []
        while not self.accept("}"):
            kind, token, _ = self.peek()
            if kind == "end" or token == "{":
                raise Unreadable("an index that does not end")
            parts.append(token)
            self.position += 1
        return "".join(parts)

    def command(self, command: str) -> Value:
        if command in FRACTIONS:
            return self.argument() / self.argument()
        if command == "\\sqrt":
            return self.square_root()
        if command == "\\binom":
            return functions.binomial(self.argument(), self.argument())
        if command in ("\\lfloor", "\\lceil"):
            inner = self.sum()
            self.expect(CLOSING[command])
            return functions.rounded(command[2:], inner)
        if command == "\\pi" or command in GREEK:
            return self.name(command)
        if command == "\\log" or command[1:] in functions.NAMES:
            return self.function(command[1:])
        raise Unreadable(f"the command {command}")

    def square_root(self) -> Value:
        degree = 2
        if self.accept("["):
            kind, token, _ = self.peek()
            if kind != "number" or not token.isdigit() or not 1 < int(token) < 100:
                raise Unreadable("a root of an odd kind")
            degree = int(token)
            self.position += 1
            self.expect("]")
        return functions.root(self.argument(), degree)

    def function(self, name: str) -> Value:
        base = exponent = None
        if name == "lg":
            name, base = "log", number(10)
        elif name == "log" and self.accept("_"):
            base = self.argument()
        if self.accept("^"):
            exponent = self.argument()
        if self.peek()[1] in ("(", "{"):
            argument = self.base()
        else:
            argument = self.factor()
            while self.juxtaposed() and self.peek()[1][1:] not in functions.NAMES:
                argument = argument * self.factor()
        if exponent is not None and exponent.rational == -1 and name in functions.TRIGONOMETRIC:
            name, exponent = f"arc{name}", None
        value = functions.logarithm(base, argument) if base else functions.applied(name, argument)
        return value if exponent is None else functions.raised(value, exponent)

    def tail(self) -> str:
        """The words at the end, `\\text{ cm}^2` or `miles per hour`, with what joins them."""
        parts: list[str] = []
        while self.peek()[0] != "end":
            kind, token, spaced = self.peek()
            if kind == "text":
                parts.append(" " + inside(token))
            elif kind in ("word", "currency") or (parts and self.joins(token, spaced)):
                parts.append(" " * spaced + token)
            else:
                raise Unreadable(f"{token!r} behind a value")
            self.position += 1
        return "".join(parts).strip()

    def joins(self, token: str, spaced: bool) -> bool:
        """Whether it may stand within a unit; a number only as in `^2`, `^{-1}`, `cm2`."""
        if token.isdigit():
            return self.tokens[self.position - 1][1] in "^{-" or (token in "23" and not spaced)
        return token in JOINS or token.isalpha()

r"""Numbers written in another base than ten: `204_5`, `(204)_{\text{five}}`, `1A_{16}`."""

from __future__ import annotations

import re

from k15.graders.math.read.kinds import Numeral
from k15.graders.math.read.tokens import TEXT

BASES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
         "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16, "binary": 2, "octal": 8,
         "hexadecimal": 16}  # fmt: skip
TEXTS = re.compile(TEXT + r"\{([^{}]*)\}")
BASE = rf"(\d+|{'|'.join(BASES)})"
NUMERAL = re.compile(
    r"(-?)\(?(-?(?:[0-9A-Z]+(?:\.[0-9A-Z]+)?|\d[0-9a-f]*))\)?"
    rf"(?:_\{{*\s*\(?\s*(?:base[ -]*)?{BASE}\s*\)?\s*\}}*|\s*\(?\s*base[ -]*{BASE}\)?)"
)


def numeral_of(text: str) -> Numeral | None:
    """None if it is no such number, or has a digit that its base does not have."""
    found = NUMERAL.fullmatch(TEXTS.sub(r"\1", text).strip())
    if not found:
        return None
    sign, digits, low, behind = found.groups()
    name, digits = low or behind, digits.upper()
    base = int(name) if name.isdigit() else BASES[name]
    if not 1 < base <= 36 or any(int(d, 36) >= base for d in digits if d.isalnum()):
        return None
    return Numeral(sign + digits.lstrip("0"), base)

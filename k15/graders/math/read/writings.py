r"""One writing of a number: of `1,200` and `1.200,50`, `0.\dot{3}` and `0.(3)`, `2 and a half`,
`negative 5`.

A comma between digits groups thousands if there are one to three digits in front of it, the first
one not a zero, and three digits behind each. In brackets it separates items, unless another comma
there has a space behind it: `(1,200)` is a pair, `(1,200, 3)` another.
"""

from __future__ import annotations

import re

from k15.graders.math.read.spelled import CHINESE, ONES, PARTS, POWERS, TENS
from k15.graders.math.read.tokens import TEXT

GROUPED = r"(?<![\w.,])[1-9]\d{0,2}(?:,\d{3})+(?!\d|,\S)"
PLACE = re.compile(rf"\\[{{}}]|[()\[\]]|{GROUPED}")
SPACED = re.compile(r"(?<![\w.,/] )(?<![\w.,/])[1-9]\d{0,2}(?: \d{3})+(?![\d,/]| \d)")
CONTINENTAL = re.compile(
    r"(?<![\w.,])([1-9]\d{0,2}(?:\.\d{3})+),(\d+)(?![\d.,])"
    r"|(?<![\w.,])([1-9]\d{0,2}(?:\.\d{3}){2,})(?![\d.,])"
)
REPEATING = re.compile(
    r"(\d*\.\d*)(?:\\(?:overline|bar) ?(?:\{(\d+)\}|(\d))|\((\d+)\)(?![\d^(\\])"
    r"|\\dot ?\{?(\d)\}?(?:(\d*)\\dot ?\{?(\d)\}?)?)"
)
GOES_ON = re.compile(r"(?<![\d.])(\d*\.\d{0,9}?)(\d{1,12}?)\2+\\dots(?![\d.])")  # 0.1666...
DECIMAL_COMMA = re.compile(r"-?0,\d{3,}")  # a thousand does not start with 0
NUMBERS = "|".join(sorted([*ONES, *TENS], key=len, reverse=True))
JOINED = re.compile(rf"(?i)\b(hundred|{'|'.join(POWERS)}),? and (?=(?:{NUMBERS})\b)")
HALVES = re.compile(
    rf"(?i)(\\text ?\{{ ?)?,? ?\band (a|{'|'.join([*ONES][1:10])})[ -]({'|'.join(PARTS)})\b"
)
SIGNS = {"negative": "-", "minus": "-", "positive": "", "exactly": "", "only": "", "just": ""}
SIGN = rf"({'|'.join(SIGNS)})"
SIGNED = re.compile(
    rf"(?i)^(\s*{TEXT}\{{)?\s*(?:{TEXT}\{{\s*{SIGN}\s*\}}\s*|{SIGN}\s+)(?=[\d.\\$]|(?:{NUMBERS})\b)"
)
OPERATORS = {"plus": "+", "minus": "-", "times": "*", "divided by": "/", "out of": "/"}
OPERATED = re.compile(
    rf"(?<=[\d)}}]) ?(?:{TEXT}\{{ ?)?({'|'.join(OPERATORS)})(?: ?\}})? ?"
    r"(?=[\d(]|\\(?:frac|sqrt|pi))"
)
CHINESE_PARTS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rf"百分之 ?([\d.]+|[{CHINESE}点]+)", r"\1%"),
        (r"(\d+)分之(\d+)", r"\\frac{\2}{\1}"),
        (r"(?<=\d)又(?=\d|\\frac)", " "),
        (rf"负 ?(?=[\d{CHINESE}])", "-"),
        (r"^(?:答[::]?)?(?:一共|总共|共|合计|还?剩下?|等于)有?(?=\d)", ""),
    )
]


def joined(text: str) -> str:
    """Signs for words: `2 1/2` for `2 and a half`, `-5` for `minus 5`, `3/4` for `3 out of 4`."""
    text = OPERATED.sub(lambda match: OPERATORS[match[1]], SIGNED.sub(sign, text))
    if "and" in text:
        text = HALVES.sub(fraction, JOINED.sub(r"\1 ", text))
    if not text.isascii():
        for pattern, replacement in CHINESE_PARTS:
            text = pattern.sub(replacement, text)
    return text


def written(text: str) -> str:
    """The text with the digits of each number in their plain writing."""
    if DECIMAL_COMMA.fullmatch(text):
        return text.replace(",", ".")
    if "." in text:
        text = GOES_ON.sub(r"\1\\overline{\2}", REPEATING.sub(repeating, text))
        text = CONTINENTAL.sub(continental, text)
    return SPACED.sub(without_space, grouped(text))


def sign(match: re.Match[str]) -> str:
    return (match[1] or "") + SIGNS[(match[2] or match[3]).lower()]


def fraction(match: re.Match[str]) -> str:
    top = ONES.get(match[2].lower(), 1)
    return f" {top}/{PARTS[match[3].lower()]}{match[1] or ''}"


def repeating(match: re.Match[str]) -> str:
    period = "".join(digits or "" for digits in match.groups()[1:])
    return rf"{match[1]}\overline{{{period}}}"


def continental(match: re.Match[str]) -> str:
    return (match[1] or match[3]).replace(".", "") + (f".{match[2]}" if match[2] else "")


def without_space(match: re.Match[str]) -> str:
    return match[0].replace(" ", "")


def grouped(text: str) -> str:
    """Without the commas between thousands."""
    if not re.search(r"\d,\d{3}", text):
        return text
    parts, open_at, start = [], [], 0
    for match in PLACE.finditer(text):
        mark = match[0]
        if mark[-1] in "([{":
            open_at.append(match.end())
        elif mark[-1] in ")]}":
            open_at = open_at[:-1]
        elif not open_at or ", " in enclosed(text, open_at[-1]):
            parts += [text[start : match.start()], mark.replace(",", "")]
            start = match.end()
    return "".join([*parts, text[start:]])


def enclosed(text: str, start: int) -> str:
    """What stands from `start` to the next bracket that closes."""
    closing = re.compile(r"[)\]]|\\\}").search(text, start)
    return text[start : closing.start() if closing else None]

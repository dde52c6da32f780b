r"""One spelling for what only looks different: `\dfrac`, `\left(`, `10{,}000`, units."""

from __future__ import annotations

import re
import unicodedata

UNICODE = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "×": r"\times ",
        "·": r"\cdot ",
        "÷": "/",
        "π": r"\pi ",
        "√": r"\sqrt ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "±": r"\pm ",
        "∪": r"\cup ",
        "∈": r"\in ",
        "°": r"^\circ ",
        "½": " 1/2",
        "¼": " 1/4",
        "¾": " 3/4",
        "⅓": " 1/3",
        "⅔": " 2/3",
    }
)
END = r"(?![A-Za-z])"  # of a command
REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\s+", " "),
        # thousands, as LaTeX writes them: 10,\!000 10{,}000 10\,000 10\ 000
        (r"(?<=\d)(?:, ?\\!|\{,\}|\\[, ])\s*(?=\d{3}(?!\d))", ""),
        (r"(?<!\\)\\!", ""),
        (r"(?<!\\)\\[,;: ]|~|\\q?quad" + END, " "),
        (r"\\m?(?:left|right|middle|[bB]ig{1,2}[lrm]?)(?:" + END + r")(?:\.(?!\d))?", ""),
        (r"\\(?:displaystyle|textstyle|limits|nolimits)" + END, ""),
        (r"\\[hv]?phantom ?(?:\{[^{}]*\}|[-+])", ""),
        (r"\\[dtc]frac" + END, r"\\frac"),
        (r"\\(?:dbinom|tbinom)" + END, r"\\binom"),
        (r"\\(?:leq(?:slant)?|le)" + END + "|<=|=<|⩽", r"\\le "),
        (r"\\(?:geq(?:slant)?|ge)" + END + "|>=|⩾", r"\\ge "),
        (r"\\(?:neq|ne)" + END + r"|\\not ?=|!=", r"\\ne "),
        (r"\\lt" + END, "<"),
        (r"\\gt" + END, ">"),
        (r"\\[lr]vert" + END + r"|\\[lr]?vert" + END, "|"),
        (r"\\lbrace" + END, r"\\{"),
        (r"\\rbrace" + END, r"\\}"),
        (r"\\l?dots" + END + r"|\\cdots" + END, r"\\dots "),
        (r"\\colon" + END, ":"),
        (r"\\varnothing" + END, r"\\emptyset "),
        (r"\\text ?\{ ?(\\\$) ?\}", r"\1"),
        (r"(?:\\text ?\{ ?)?all real(?:s| numbers)(?: ?\})?" + END, r"\\R "),
        (r"\\mathbb ?\{?R\}?", r"\\R "),
        (r"\*\*(?=[\d({-])", "^"),
        (r"\\text ?\{ ?(?:,? ?and|or),? ?\}|,?(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])", ","),
        (r"(?<=\d),? (?:percent|pct|per cent|percentage)(?![A-Za-z])", "%"),
        (r"\\text ?\{ ?(?:percent|pct|per cent|percentage|\\?%) ?\}|\\%", "%"),
        (r"(?<![\\A-Za-z])(sqrt|sin|cos|tan|log|ln|pi|infty)" + END, r"\\\1 "),
        (r"(?<![\\A-Za-z])(?:infinity|inf|oo)" + END, r"\\infty "),
        (r", ?,", ","),
        (r"\s+", " "),
        # a space that separates neither words nor the items of a list
        (r"(?<![\w,%})]) | (?!\w)", ""),
    )
]
SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
COMMAND_BACKSLASHES = re.compile(r"\\\\(?=[A-Za-z({\[])")
DELIMITERS = re.compile(r"(?<!\\)\$\$?(.*?)(?<!\\)\$\$?|\\\((.*?)\\\)|\\\[(.*?)\\\]", re.DOTALL)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:[, ]\d{3})+(?:\.\d+)?(?![\d,])")
ARRAY = re.compile(
    r"[\[(] ?\\begin ?\{(?:array|matrix)\}(?:\{[lcr|]*\})?(.*?)\\end ?\{(?:array|matrix)\} ?[\])]"
)
SPELLINGS = {
    "dollar": "$, dollars, usd, us dollars",
    "cent": "cents, ¢",
    "euro": "€, euros, eur",
    "degree": "°, deg, degrees, circ",
    "mm": "millimeter, millimeters, millimetre, millimetres",
    "cm": "centimeter, centimeters, centimetre, centimetres",
    "m": "meter, meters, metre, metres",
    "km": "kilometer, kilometers, kilometre, kilometres",
    "in": "inch, inches",
    "ft": "foot, feet",
    "mi": "mile, miles",
    "yd": "yard, yards, yds",
    "s": "sec, secs, second, seconds",
    "min": "mins, minute, minutes",
    "h": "hr, hrs, hour, hours",
    "kg": "kilogram, kilograms",
    "g": "gram, grams",
    "lb": "lbs, pound, pounds",
    "l": "liter, liters, litre, litres",
    "ml": "milliliter, milliliters",
    "mi/h": "mph, miles per hour",
    "km/h": "kmh, kph, kilometers per hour",
    "m/s": "meters per second",
}
# what is no text and no unit, though it is written as one
WRAPPED = re.compile(
    r"\\(?:text(?:bf|it|rm)?|mathrm|mathbf|mbox) ?\{ ?"
    r"([-\d.,/]+%?|\(?[A-Z]\)|\d{1,2}:\d\d[^{}]*) ?\}"
)
UNITS = {
    spelling: unit for unit, others in SPELLINGS.items() for spelling in (unit, *others.split(", "))
}
GENERIC = re.compile(r"(?:sq(?:uare)?|cubic|cu)? ?units?(?: ?\^? ?\{?[23]\}?)?")
SQUARE = re.compile(r"^(?:sq(?:uare)?|(cu(?:bic)?)) (.*)$")


def normalise(answer: str) -> str:
    r"""One spelling for what only looks different: `\dfrac`, `\left(`, spaces, `10{,}000`."""
    if not answer.isascii():
        answer = SUPERSCRIPT.sub(r"^{\g<0>}", answer).translate(UNICODE)
        answer = unicodedata.normalize("NFKC", answer).replace("⁄", "/")
    if "\\\\" in answer and "\\begin" not in answer:
        answer = COMMAND_BACKSLASHES.sub(r"\\", answer)
    answer = DELIMITERS.sub(lambda m: f" {m[1] or m[2] or m[3] or ''} ", answer)
    for pattern, replacement in REWRITES:
        answer = pattern.sub(replacement, answer)
    answer = ARRAY.sub(r"\\begin{pmatrix}\1\\end{pmatrix}", answer)
    answer = answer.strip().rstrip(".,;: ").strip()
    if wrapped := WRAPPED.fullmatch(answer):
        answer = wrapped[1].strip()
    if re.fullmatch(r"0,\d{3,}", answer):  # a decimal comma: a thousand does not start with 0
        return answer.replace(",", ".")
    return re.sub("[, ]", "", answer) if THOUSANDS.fullmatch(answer) else answer


def unit_of(words: str) -> str:
    """One spelling for a unit: `square centimeters`, `cm^{2}` and `sq cm` are `cm^2`."""
    if not words:
        return ""
    words = re.sub(r"[\s{}.]+", " ", words.replace("\\", "")).strip().casefold()
    words = re.sub(r"\s*\^\s*", "^", words).strip()
    if GENERIC.fullmatch(words):
        return ""
    if words in UNITS:
        return UNITS[words]
    power = ""
    if square := SQUARE.match(words):
        words, power = square[2], "^3" if square[1] else "^2"
    name, _, exponent = words.partition("^")
    if not exponent and name[-1:] in ("2", "3"):
        name, exponent = name[:-1], name[-1]
    power = f"^{exponent}" if exponent else power
    parts = (part.strip() for part in name.split("/"))
    return "/".join(UNITS.get(part) or part.removesuffix("s") for part in parts) + power

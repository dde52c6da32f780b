r"""Takes off what only dresses an answer: colours, fonts, invisible characters, `\text{(2,-1)}`.

`undressed` leaves the mathematics and the words: with a comma where it said "and" or 和, with
`\lor` where it said "or" or 或.
"""

from __future__ import annotations

import re

TEXTUAL = r"\\(?:text(?:bf|it|rm|sf|tt|normal|up|sc)?|mbox|hbox|mathrm)\s*"
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe0e\ufe0f]")
PUNCTUATION = str.maketrans({"、": ",", "。": ".", "∶": ":"})
END = r"(?![A-Za-z])"  # of a command
DRESS = re.compile(
    r"\\(?:text)?color(?:box)?\s*(?:\[[^][{}]*\])?\s*\{[^{}]*\}|\\(?:tag\*?|label)\s*\{[^{}]*\}"
    r"|\\(?:bm|pmb|boldsymbol|mathbf|mathit|mathsf|mathnormal|emph|underline|boldmath|bfseries"
    r"|(?:foot|small|normal)size|[Ll]arge|LARGE|[Hh]uge|m?a?t?h?strut|hline|notag|nonumber|therefore"
    rf"|hfill|newline){END}|\\hspace\*?\s*\{{[^{{}}]*\}}|\\vec(?=\s*\{{?[a-z])|\\+\s*$"
)
CHECKED = re.compile(r"(?<=\S)\s*(?:\\checkmark|[✓✔✅☑])\s*$")
MARKDOWN = re.compile(r"\s*(\*\*|__|`+|[\"'])(?![*_`])(.*?)(?<![*_`])\1[\s.]*", re.DOTALL)
LABELLED = re.compile(
    rf"(?:(?<![\\A-Za-z])\{{\s*\(([A-J])\)\s*\}}|\(\s*(?:{TEXTUAL})?\{{\s*([A-J])\s*\}}\s*\))"
)
LABEL = re.compile(r"\s*(?:\((?=.\))|(?=.[.:]))([A-J])[).:](?:\\ |~|\s)*")
WRAPPED = re.compile(rf"({TEXTUAL}\{{)([^{{}}]*)\}}")
FORMULA = re.compile(rf"{TEXTUAL}\{{\s*\$([^$]*)\$\s*\}}")
NAME = re.compile(r"([^:：]*[^\W\d_])\s*[:：]\s*")  # \text{Total: }5
LETTER = re.compile(r"[^\W\d_]")
MATHEMATICAL = re.compile(r"[=+_<>\\]|\^(?!\s*\{?-?[1-9])")  # m^2 is a unit

HAN = "(?:以及|和|与|及|且|(?P<{}>或者?))"
ALONE = re.compile(rf"[\s,]*{HAN.format('a')}[\s,]*")
CONJUNCTION = re.compile(
    r"\s*,?\s*(?<![A-Za-z\\])(?:and\s*/\s*or|and|(?P<a>or))(?![A-Za-z])\s*"
    rf"|(?<=\S)\s*,?\s*{HAN.format('b')}\s*(?=\S)"
    rf"|\s*\\(?:land|wedge|(?P<d>lor|vee)){END}\s*|\s*\\&\s*"
)
SAYING = (
    r"(?:(?i:(?:the\s+)?(?:final\s+)?(?:answer|ans)\.?\s*(?:is\b\s*:?|[:=]))|答案?\s*[:是为]+)\s*"
)
ANNOUNCED = re.compile(rf"\s*(?:{TEXTUAL}\{{\s*{SAYING}\}}|{SAYING})\s*(?=.)")
SUPPOSED = re.compile(
    rf"\s*(?:{TEXTUAL}\{{\s*)?(?:[当若]|(?:[Ww]hen|[Ii]f|[Ff]or(?!\s+all))\s+)\s*\}}?\s*(.+?)"
    rf"(?:,?\s*(?:{TEXTUAL}\{{)?\s*时\s*\}}?)?\s*"
)


JOINT = re.compile(rf"{CONJUNCTION.pattern}|,\s*(?=[^\s\d])")


def undressed(answer: str) -> str:
    answer = CHECKED.sub("", INVISIBLE.sub("", answer)).translate(PUNCTUATION)
    if marked := MARKDOWN.fullmatch(answer):
        answer = marked[2]
    answer = unannounced(answer)
    if "\\" in answer:
        answer = FORMULA.sub(r"\1", answer)
        answer = LABELLED.sub(r"(\1\2):", DRESS.sub("", answer))
        answer = WRAPPED.sub(bared, answer)
    answer = unannounced(unbraced(answer))
    if supposed := SUPPOSED.fullmatch(answer):
        answer = supposed[1]
    return unbraced(CONJUNCTION.sub(conjunction, answer))


def bared(text: re.Match[str]) -> str:
    r"""Of a `\text{..}` the words alone: labels, signs and conjunctions stand outside."""
    command, content = text[1], unannounced(text[2])
    if not LETTER.search(content) or MATHEMATICAL.search(content):
        return content
    if alone := ALONE.fullmatch(content):
        return conjunction(alone)
    if (name := NAME.fullmatch(content)) and text.end() < len(text.string):
        return f"{command}{name[1]}}}="
    label = LABEL.match(content) if not JOINT.search(content) else None
    before, rest = (f"({label[1]}):", content[label.end() :]) if label else ("", content)
    parts, start = [before], 0
    for joint in JOINT.finditer(rest):
        parts += [worded(command, rest[start : joint.start()]), conjunction(joint)]
        start = joint.end()
    return "".join([*parts, worded(command, rest[start:])])


def unannounced(answer: str) -> str:
    """Without the words that say that an answer follows."""
    return ANNOUNCED.sub("", answer, count=1) if ANNOUNCED.match(answer) else answer


def worded(command: str, words: str) -> str:
    r"""In a `\text{..}`, but for the bracket that the first or the last of a tuple has."""
    if not LETTER.search(words):
        return words
    opening = "(" if words.strip().startswith("(") and ")" not in words else ""
    closing = ")" if words.strip().endswith(")") and "(" not in words else ""
    core = (
        words.strip().removeprefix(opening).removesuffix(closing) if opening or closing else words
    )
    return f"{opening}{command}{core}}}{closing}"


def conjunction(joint: re.Match[str]) -> str:
    return r" \lor " if any(joint.groups()) else ", "


def unbraced(text: str) -> str:
    """Without braces that go around the whole."""
    while (inner := text.strip()).startswith("{"):
        depth = 0
        for brace in re.finditer(r"\\.|[{}]", inner):
            depth += {"{": 1, "}": -1}.get(brace[0], 0)
            if depth == 0:
                break
        if depth or brace.end() < len(inner):
            break
        text = inner[1:-1]
    return text

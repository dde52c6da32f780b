r"""Text with formulas as a page shows it: LaTeX becomes MathML, which browsers render themselves.

A text becomes a list of parts, from which it can be put together again:

    "plain text"            as it is
    7                       formula number 7 of the book
    ["code", "text"]        code in the line, or a formula that could not be read
    ["block", "text"]       a block of code

Formulas stand between $..$, $$..$$, \(..\) and \[..\], or are an environment such as align.
What goes in is untrusted: from the converter's tree only known elements and attributes with plain
values are written, and all text is escaped.
"""

from __future__ import annotations

import html
import re
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element

Part = str | int | list[str]

LONGEST = 2000
"""Characters of a formula, so that a stray delimiter in a long text costs little."""
PIECE = re.compile(
    r"(?P<block>```.*?(?:```|\Z))"
    r"|(?P<code>`[^`\n]+`)"
    r"|\$\$(?P<dollars>.{1,2000}?)\$\$"
    r"|\\\[(?P<bracket>.{1,2000}?)\\\]"
    r"|\\\((?P<paren>.{1,2000}?)\\\)"
    r"|\\begin\{(?P<name>(?:align|aligned|gather|equation|eqnarray|multline)\*?)\}"
    r".{1,2000}?\\end\{(?P=name)\}"
    r"|\\boxed\{(?P<boxed>(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\}){1,500})\}"
    r"|(?<![\\$])\$(?P<dollar>(?=\S)(?:\\.|(?!\n\s*\n)[^$\\]){1,2000}?(?<=\S))\$(?!\d)",
    re.DOTALL,
)
DISPLAYED = ("dollars", "bracket", "name")
BARE = re.compile(r"\\[a-zA-Z]|[\^{}]|\\[%$#&]")
"""What makes an answer without dollars a formula."""
WORD = re.compile(r"[^\W\d_]{2}")
ELEMENTS = re.compile(
    "math|mrow|mi|mn|mo|ms|mtext|mspace|mfrac|msqrt|mroot|mstyle|merror|mpadded|mphantom|menclose"
    "|msub|msup|msubsup|munder|mover|munderover|mmultiscripts|mprescripts|none|mtable|mtr|mtd"
)
ATTRIBUTES = re.compile(
    "accent|accentunder|column(align|lines|spacing)|depth|display|displaystyle|fence|form|height"
    "|largeop|linebreak|linethickness|[lr]space|math(color|size|variant)|maxsize|minsize"
    "|movablelimits|notation|row(lines|spacing)|scriptlevel|separator|stretchy|symmetric|voffset"
    "|width"
)
PLAIN_VALUE = re.compile(r"[\w #%.+-]*")


class FormulaBook:
    """Formulas by number, each converted once; after `most` the rest stay source."""

    def __init__(self, most: int = 60_000) -> None:
        self.most = most
        self.entries: list[tuple[str, str]] = []
        """LaTeX with its delimiters, MathML."""
        self._numbers: dict[str, int | None] = {}

    def parts(self, text: str) -> list[Part]:
        """A text with its formulas and code told apart."""
        found: list[Part] = []
        end = 0
        for match in PIECE.finditer(text):
            if plain := text[end : match.start()]:
                found.append(plain)
            found.append(self._part(match))
            end = match.end()
        if rest := text[end:]:
            found.append(rest)
        return found

    def answer(self, text: str) -> list[Part]:
        """The parts of an answer, which may be a formula without delimiters."""
        if PIECE.search(text) or not BARE.search(text):
            return self.parts(text)
        return [self._formula(text, text, displayed=False)]

    def _part(self, match: re.Match[str]) -> Part:
        kind = match.lastgroup or ""
        if kind in ("block", "code"):
            return [kind, match.group()]
        if kind == "boxed" and WORD.search(match[kind]) and not BARE.search(match[kind]):
            return match.group()
        whole = kind in ("name", "boxed")
        latex = match.group() if whole else match[kind]
        return self._formula(match.group(), latex, displayed=kind in DISPLAYED)

    def _formula(self, source: str, latex: str, *, displayed: bool) -> Part:
        """The number of a formula, or its source as code."""
        if source not in self._numbers:
            if len(self.entries) >= self.most:
                return ["code", source]
            mathml = to_mathml(latex, displayed=displayed)
            self._numbers[source] = None if mathml is None else len(self.entries)
            if mathml is not None:
                self.entries.append((source, mathml))
        number = self._numbers[source]
        return ["code", source] if number is None else number


def to_mathml(latex: str, *, displayed: bool = False) -> str | None:
    """LaTeX as MathML; None if it is too long or the converter does not know what stands in it."""
    if len(latex) > LONGEST:
        return None
    try:
        tree = convert_to_element(latex, display="block" if displayed else "inline")
        return write(tree)
    except Exception:  # any formula a model may write: what cannot be read is shown as source
        return None


def write(element: Element) -> str:
    """An element as text; raises ValueError for one that is not known, or a leftover command."""
    if not ELEMENTS.fullmatch(element.tag):
        raise ValueError(f"no MathML element {element.tag!r}")
    text = html.unescape(element.text or "")
    if "\\" in text:
        raise ValueError(f"unknown command {text!r}")
    attributes = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if ATTRIBUTES.fullmatch(name) and PLAIN_VALUE.fullmatch(value)
    )
    inside = html.escape(text) + "".join(write(child) for child in element)
    return f"<{element.tag}{attributes}>{inside}</{element.tag}>"

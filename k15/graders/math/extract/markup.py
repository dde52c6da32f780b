"""Text as a reader sees it: without Markdown, HTML and special tokens; mathematics is left alone.

Lines stay lines, so that "the rest of the line" means the same before and after.
"""

from __future__ import annotations

import re

SPECIAL = re.compile(r"<\|[^<>|\n]{1,40}\|>|</?s>")
CALCULATOR = re.compile(r"<<[^<>\n]*>>")  # GSM8K's: 9 * 2 = <<9*2=18>>18
FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w+-]*[ \t]*$", re.MULTILINE)
OPENING = r"(?:(?<=[\s(\[{\"'“‘:：，。、=→>])|(?<=[^\x00-\x7f])|^)"
CLOSING = r"(?=[\s)\]}\"'”’.,;:!?]|[^\x00-\x7f]|$)"
EMPHASIS = re.compile(
    OPENING
    + r"(?:(\*{1,3})(?=[^\s*])((?:[^*\n]|(?<=[\w)])\*(?=[\w(]))+)(?<=[^\s*])\1"
    + r"|(_{1,3})(?=[^\s_])([^_\n]+|[^_\n]+_[^_\n]+)(?<=[^\s_])\3)"
    + CLOSING,
    re.MULTILINE,
)
CODE = re.compile(r"(`{1,3})([^`\n]+)\1")
HEADING = re.compile(r"^[ \t]*(?:#{1,3}|#{5,6})[ \t]+", re.MULTILINE)
BULLET = re.compile(
    r"^[ \t]*(?:[*+>][ \t]+|[•·▪◦✅✔☑]️?[ \t]*|-[ \t]+(?=[^\s\d.$\\(]))", re.MULTILINE
)
HTML = re.compile(r"</?(?:b|i|em|strong|u|p|div|span|sup|code|center|h[1-6]|br)[ \t]*/?>", re.I)
ROW = re.compile(r"^[ \t]*\|[ \t](.*[^\s\\|])[ \t]*\|[ \t]*$", re.MULTILINE)
RULE = re.compile(r"^[ \t]*(?:[-*_=][ \t]*){3,}$", re.MULTILINE)


def plain(text: str) -> str:
    """`**18**`, `` `18` ``, `## 18`, `| total | 18 |`, a fenced 18, and `<b>18</b>` as 18."""
    text = CALCULATOR.sub("", text)
    if "<" in text:
        text = HTML.sub("", text)
    text = RULE.sub("", FENCE.sub("", text))
    text = ROW.sub(last_cell, text)
    text = HEADING.sub("", text)
    text = BULLET.sub("", text)
    for _ in range(2):  # a code span in bold, bold in italics
        text = EMPHASIS.sub(lambda match: match[2] or match[4], CODE.sub(r"\2", text))
    return text


def last_cell(row: re.Match[str]) -> str:
    """The last cell of a table's row that holds something; a row of bars is no table."""
    cells = [cell.strip() for cell in row[1].split("|")]
    return (
        next((cell for cell in reversed(cells) if cell.strip("-: ")), "") if cells[1:] else row[0]
    )


def without_tokens(text: str) -> str:
    """What stands before the first special token, such as `<|im_end|>`, that follows some text."""
    for token in SPECIAL.finditer(text):
        if text[: token.start()].strip():
            return SPECIAL.sub("", text[: token.start()])
    return text

"""Multiple choice: how options are shown, and which one a response chooses.

The rules, in this order; the first that finds something decides:

1. the last `\\boxed{}` holds a letter (`B`, `(B)`, `B. text`) or the text of an option,
2. so does what follows the last "answer is", "answer:" or "答案是",
3. the response is a letter, or a single line that begins with one (`B. text`),
4. the last `(B)` in the response,
5. the only option whose text occurs in the response.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from k15.graders.math.extract.answers import extract

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WINDOW = 50_000  # characters at the end of a response in which its answer is looked for
MARKUP = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}|[*_`$]+")
STATED = re.compile(r"(?:answer|option|choice)\W{0,4}(?:is|:|=)|答案(?:是|为|：|:)", re.IGNORECASE)
BARE = re.compile(r"\(?([A-Z])(?![A-Za-z'’])\)?")
LEADING = re.compile(r"\(?([A-Z])(?:[.:)]|$)")
BRACKETED = re.compile(r"\(([A-Za-z])\)")
OPTION = re.compile(r"\(([A-Za-z])\)|\b[Oo]ption ([A-Z])\b")


def listed(options: Sequence[str]) -> str:
    """`(A) first`, `(B) second`, one per line."""
    return "\n".join(f"({LETTERS[i]}) {option}" for i, option in enumerate(options))


def chosen(response: str, options: Sequence[str]) -> tuple[str | None, str]:
    """The letter of the option that a response chooses, None if there is none, and the rule."""
    response = conclusion(response)[-WINDOW:]
    box = extract(response)
    if box is not None:
        return named(box, options), "box"
    if (statement := stated(response)) and (letter := named(statement, options)):
        return letter, "stated"
    match = None if "\n" in response.strip() else LEADING.match(plain(response))
    if match and within(match[1], options):
        return match[1], "leading letter"
    letters = [(a or b).upper() for a, b in OPTION.findall(response) if within(a or b, options)]
    if letters:
        return letters[-1], "last (letter)"
    found = [i for i, option in enumerate(options) if _mentioned(plain(option), plain(response))]
    if len(found) == 1:
        return LETTERS[found[0]], "only option named"
    return None, "no option found"


def named(text: str, options: Sequence[str]) -> str | None:
    """The letter of the option that `text` is or begins with, by letter or by its own text."""
    text = plain(text)
    if text in options:
        return LETTERS[options.index(text)]
    match = BARE.match(text)
    if match and within(match[1], options):
        return match[1]
    starts = [i for i, option in enumerate(options) if _begins(text.lower(), plain(option).lower())]
    return LETTERS[max(starts, key=lambda i: len(options[i]))] if starts else None


def stated(response: str) -> str | None:
    """What follows the last "answer is", to the end of its line; None if nothing is stated."""
    marks = list(STATED.finditer(response))
    if not marks:
        return None
    rest = response[marks[-1].end() :].lstrip(" *:\n\t")
    return rest.split("\n")[0].strip() or None


def conclusion(response: str) -> str:
    """What stands behind the reasoning of a model that marks its end."""
    return response.rpartition("</think>")[2]


def within(letter: str, options: Sequence[str]) -> bool:
    """Whether there is an option of this letter."""
    return letter.upper() in LETTERS[: len(options)]


def plain(text: str) -> str:
    """Without Markdown and LaTeX text commands, white space made single."""
    return " ".join(MARKUP.sub(lambda m: m[1] or "", text).split())


def _begins(text: str, option: str) -> bool:
    return bool(option) and text.startswith(option) and not text[len(option) :][:1].isalnum()


def _mentioned(option: str, text: str) -> bool:
    """Whether an option's text occurs as words of its own; a lone letter would be any "a"."""
    if re.fullmatch("[A-Za-z]?", option):
        return False
    pattern = rf"(?<!\w){re.escape(option)}(?!\w)"
    return re.search(pattern, text, re.IGNORECASE) is not None

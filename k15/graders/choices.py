"""Multiple choice: how options are shown, and which one a response chooses.

The rules, in this order; the first that finds something decides:

1. what is claimed last, in a `\\boxed{}`, in `<answer>` or in a closing phrase ("the answer is",
   "选"): a letter (`B`, `(B)`, `B. text`) or the text of an option,
2. the response, its last or its first line, if it is a letter or the text of an option,
3. the letter that the response begins with (`B. text`),
4. the last `(B)` or "option B", or a letter at the very end,
5. the only option whose text occurs in the response, as words of its own that are not denied.

What is denied ("not C but D"), taken back, or copied from the question counts nowhere; two letters
at once ("A or B", "both A and C") choose none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from k15.graders.math.extract.claims import NONE, Extraction, Part
from k15.graders.math.extract.letters import choose, clean, named, prepared
from k15.tasks.thoughts import conclusion

LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
WINDOW = 50_000  # characters at the end of a response in which its answer is looked for

GOES_ON = r"(?!\w|[.,:/]\d|\s*[-+*/^=<>×÷]|\s+(?:or|nor|and|to)\b)"
DENIED = re.compile(
    r"(?i)(?:\b(?:not|neither|nor|never|rather than|instead of)|n['’]t)\s+(?:an? |the )?$|不是\s*$"
)
LONE = re.compile("[A-Za-z]?")


def listed(options: Sequence[str]) -> str:
    """`(A) first`, `(B) second`, one per line."""
    return "\n".join(f"({LETTERS[i]}) {option}" for i, option in enumerate(options))


def chosen(response: str, options: Sequence[str]) -> Extraction:
    """The letter of the option that a response chooses, None if there is none, and the rule."""
    response = conclusion(response)[-WINDOW:]
    texts = [plain(option) for option in options]
    choice = choose(prepared(response), lambda text, part: option_named(text, part, texts))
    if choice.how != "none":
        return choice if choice.text in LETTERS else Extraction(None, choice.how)
    found = mentioned(plain(response), texts)
    return Extraction(LETTERS[found.pop()], "only option") if len(found) == 1 else NONE


def option_named(text: str, part: Part, options: Sequence[str]) -> str | None:
    """The letters that `part` of a text names, by themselves or by the text of an option."""
    allowed = "".join(LETTERS[: len(options)])
    text = " ".join(text.split()) if part != "end" else text
    if text in options:
        return LETTERS[options.index(text)]
    letters = named(text, "all" if part == "start" else part, allowed)
    if letters is not None or part in ("line", "end"):
        return letters
    starts = [i for i, option in enumerate(options) if _begins(text.lower(), option.lower())]
    if starts:
        return LETTERS[max(starts, key=lambda i: len(options[i]))]
    return named(text, part, allowed)


def plain(text: str) -> str:
    """Without Markdown and LaTeX text commands, white space made single."""
    return " ".join(clean(text).split())


def mentioned(text: str, options: Sequence[str]) -> set[int]:
    """The options whose texts occur: of "dark red" the longest one; a lone letter would be any "a".

    An option that two have the same text of is the first.
    """
    texts = [option.lower() for option in options]
    longest_first = sorted({t for t in texts if not LONE.fullmatch(t)}, key=len, reverse=True)
    if not longest_first:
        return set()
    names = "|".join(map(re.escape, longest_first))
    text = text.lower()
    found = re.finditer(rf"(?<![\w.,/^-])(?:{names})(?!\w|[.,]\d)", text)
    return {
        texts.index(match[0])
        for match in found
        if not DENIED.search(text, max(0, match.start() - 20), match.start())
    }


def _begins(text: str, option: str) -> bool:
    return not LONE.fullmatch(option) and bool(re.match(re.escape(option) + GOES_ON, text))

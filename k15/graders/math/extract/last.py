"""The answer of a text that does not announce one: what its last sentence comes to."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import groupby

from k15.graders.math.extract.expressions import Expression, expression_at, expressions
from k15.graders.math.extract.phrases import BOUND, CHANGED, END, REFERRED, SENTENCE, START, any_of
from k15.graders.math.extract.statements import leading, sentence_end

NEAR = 40  # characters before an expression
WINDOW = 3000  # characters at the end of a text whose expressions are looked at
ASIDE = re.compile(
    START + any_of("i[.]?e", "that is", "since", "because", "where") + END + "|因为|即",
    re.IGNORECASE,
)
ADJUNCT = re.compile(rf"(?i){START}{any_of('at', 'for', 'when', 'with')}\s+\$?$")  # at x = 3
SET = re.compile(r"[A-Za-z]\s*=")
PARENTHESIS = re.compile(
    r"[(（](?:[^()（）\n]{0,200}[\s\d])?(?:[A-Za-z]{3,}|[一-鿿]{2})[^()（）\n]{0,200}[)）]"
)
REMARK = re.compile(
    r"(?i)[\W_]*(?:note|remark|check|verif\w+|see|hint|p\.?s|注意?|检验|验证)(?![A-Za-z])"
)


def last_expression(text: str) -> Expression | None:
    """The last line if it is one, else of the last sentence with any the last one before an aside.

    Remarks, such as "Note that it took 2 steps", count only where there is nothing else, and
    questions never, nor what only refers to something: "step 5", "divided by 5".
    """
    if line := whole(text.rstrip().rpartition("\n")[2]):
        return line
    text = PARENTHESIS.sub("", text[-WINDOW:])
    found = list(expressions(text))
    starts = sentence_starts(text, found)
    named = [e for e in found if not REFERRED.search(text, max(0, e.start - NEAR), e.start)]
    groups = [list(group) for _, group in groupby(named, key=lambda e: begin(starts, e.start))]
    groups = [group for group in groups if not asked(text, starts, group[0].start)]
    said = [group for group in groups if not REMARK.match(text, begin(starts, group[0].start))]
    if not groups:
        return None
    chosen = before_asides(text, (said or groups)[-1])
    return in_full(text, expression_at(text, chosen.start) or chosen)


def in_full(text: str, found: Expression) -> Expression:
    """With the words beside it that make something else of it: `at least 5`, `5 or more`."""
    start, end = found.start, found.end
    if bound := BOUND.search(text, max(0, start - NEAR), start):
        start = bound.start()
    if CHANGED.match(text, end):
        end = sentence_end(text, end)
    changed = (start, end) != (found.start, found.end)
    return Expression(text[start:end].strip(), start, end, False) if changed else found


def whole(text: str) -> Expression | None:
    """The expression that a text is, maybe behind a sign of equality or an arrow."""
    found = expression_at(text, leading(text, 0))
    return found if found and not text[found.end :].strip(" .。\n") else None


def sentence_starts(text: str, found: list[Expression]) -> list[int]:
    """Where sentences begin; a stop in the middle of an expression ends none."""
    covered = {place for e in found for place in range(e.start, e.end)}
    return [0, *(m.end() for m in SENTENCE.finditer(text) if m.start() not in covered)]


def begin(starts: list[int], place: int) -> int:
    """The start of the sentence that holds `place`."""
    return starts[bisect_right(starts, place) - 1]


def asked(text: str, starts: list[int], place: int) -> bool:
    """Whether the sentence that holds `place` is a question."""
    following = bisect_right(starts, place)
    return following < len(starts) and text[starts[following] - 1] in "?？"


def before_asides(text: str, sentence: list[Expression]) -> Expression:
    """The last expression of a sentence that no aside separates from the first one."""
    chosen = sentence[0]
    for following in sentence[1:]:
        between = text[chosen.end : following.start]
        if ASIDE.search(between) or (SET.match(following.text) and ADJUNCT.search(between)):
            break
        chosen = following
    return chosen

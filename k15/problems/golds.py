r"""The reference answer of a record and its worked solution, also where one holds the other.

GSM8K writes the answer behind `####` at the end of the solution, MATH in the solution's last
`\boxed{}`. Training and evaluation read both here.
"""

from __future__ import annotations

import re

from k15.graders.math.extract.boxes import last_box
from k15.problems.rows import Row
from k15.problems.values import as_text

MARK = "####"
UNBRACED = re.compile(r"\\boxed\s+([^\s{}$\\]+)")  # \boxed 2, as MATH has it here and there
CALCULATIONS = re.compile("<<[^<>\n]*>>")  # GSM8K's calls of a calculator: 48/2 = <<48/2=24>>24


def gold(row: Row) -> str:
    """The answer that responses are compared with.

    Raises ValueError with place and field if the record has none, or one that cannot be used.
    """
    if row.get("answer") is not None:
        answer = row.answer()
        return behind_mark(row, "answer", answer) if MARK in answer else answer
    solution = as_text(row.get("solution")) or ""
    if MARK in solution:
        return behind_mark(row, "solution", solution)
    boxed = (last_box(solution) or "").strip() or "".join(UNBRACED.findall(solution)[-1:])
    return row.clean("solution", boxed) if boxed else row.answer()  # which says what is missing


def behind_mark(row: Row, part: str, text: str) -> str:
    """What stands behind the last mark of a part, without thousands separators.

    Raises ValueError if there is no mark or nothing behind it.
    """
    _, mark, answer = text.rpartition(MARK)
    if not mark or not answer.strip():
        raise row.fault(part, f'must end in "{MARK} " and the final answer')
    return answer.strip().replace(",", "")


def solution(row: Row) -> str | None:
    r"""The worked solution as a response shows it; None where there is none.

    One that ends in a mark ends in a `\boxed{}` instead, and loses its calls of a calculator.
    """
    if row.get("solution"):
        written, part = row.text("solution"), "solution"
    else:
        written, part = as_text(row.get("answer")) or "", "answer"
        if MARK not in written:
            return None
    if MARK not in written:
        return written
    steps = CALCULATIONS.sub("", written.rpartition(MARK)[0]).strip()
    return f"{steps}\n\\boxed{{{behind_mark(row, part, written)}}}"

"""Problems with several right outputs, which only a program of their own can judge."""

from __future__ import annotations

import re

from k15.problems.curation.forms import asked, either
from k15.types import Problem

SEVERAL: re.Pattern[str] = either(
    r"\b(?:print|output|return|find|give)\b[^.]{0,40}\bany\b(?! of the (?:words|numbers|elements))"
    r"(?: (?:one|of them|of these|valid|such|possible|correct|suitable|answer|order))",
    r"\bif there (?:are|is) (?:multiple|several|many|more than one)\b[^.]{0,60}"
    r"\b(?:any|print|output|return)\b",
    r"\b(?:multiple|several) (?:correct |valid |possible )?(?:answers|solutions|outputs) "
    r"(?:are|exist|may|is)\b",
    r"\bin any order\b|\byou may (?:print|output|return) any\b|\bspecial judge\b",
    r"输出任意|任意一[种个组]|任何一[种个组]|多[种个组](?:解|答案|方案)|特殊评测",
)


def needs_special_judge(problem: Problem) -> str | None:
    """What in the statement, or in the tests that there are, says so; None if nothing does."""
    if any(test.get("checker") for test in problem.tests):
        return "its tests have a checker"
    found = SEVERAL.search(asked(problem))
    return found[0] if found else None

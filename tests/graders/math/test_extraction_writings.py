"""Real reference answers, each in all the ways in which models write a final answer.

In every writing the right answer is right, and the same with another last digit is wrong. The
table is in docs/rewards.md; `python tests/graders/math/test_extraction_writings.py` measures it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from k15.graders.math.verifier import MathVerifier

DATA = Path(__file__).parents[4] / "shared" / "data"
FILES = (
    *("gsm8k/test.jsonl", "math/cmath_test.jsonl", "math/math500.jsonl", "math/amc23.jsonl"),
    *("math/aime2024.jsonl", "math/aime2025.jsonl", "math/math_train.jsonl"),
    "math/math_test_rest.jsonl",
)
WRITINGS = {
    "bold": "**Final Answer: @**",
    "bold answer": "Final Answer: **@**",
    "bold, sentence": "Adding 2 and 3.\n\nThe final answer is **@**.",
    "bold, two lines": "**Final Answer**\n\n**@**",
    "bold label, formula": "**Answer:** $@$",
    "italics": "We add 3 numbers.\n\n*@*",
    "code span": "Final answer: `@`",
    "code block": "The result of the 3 steps:\n```\n@\n```",
    "heading": "### Final Answer\n@",
    "heading, formula": "Step 1: add 2.\n\n## Answer\n\n$@$\n",
    "bullet": "- **Answer**: @",
    "table": "| step | value |\n|---|---|\n| 1 | 2 |\n| total | @ |",
    "hashes": "So we add them up: 1 + 2.\n#### @",
    "tag": "Some thoughts with 3 steps.\n<answer>@</answer>",
    "long tag": "<final_answer> @ </final_answer>",
    "arrow": "Final answer → @",
    "arrow alone": "We computed 4 things.\n=> @",
    "equals": "The answer = @",
    "A:": "A: @",
    "sentence": "The answer is @.",
    "should be": "The correct answer should be $@$.",
    "to the question": "The answer to the question in part two is $@$.",
    "is the answer": "From 3 cases: therefore, $@$ is the answer.",
    "hope": "Final Answer: The final answer is $@$. I hope it is correct.",
    "trailing prose": "The answer is @. See step 2 for the 3 cases.",
    "trailing note": "The final answer is $@$.\n\nNote: this used 2 steps, and 3 checks.",
    "reason": "The answer is $@$, since $3+4=7$.",
    "parenthesis": "The answer is $@$ (from 2 boxes of 9).",
    "no phrase": "We have 2 equations. So we get $@$.",
    "display": "Hence\n\\[\n@\n\\]",
    "Chinese, formula": "最终答案是：$@$。",
    "Chinese": "先算3步。答案：@。",
    "Chinese, bold": "故答案为：**@**",
    "Chinese, sentence": "所以，最终答案是@。",
    "Chinese, 答": "答：@",
    "box": "Hence \\boxed{@}.",
    "box, then an empty one": "\\boxed{@}\n\nI used \\boxed{} as asked.",
    "taken back": "The answer is 123456. Wait, that is wrong. Let me see. The answer is @.",
    "revised": "Final answer: **7919**\n\nHmm, one case is missing.\n\nFinal answer: **@**",
    "denied": "The answer is not $424242$ but $@$.",
    "thoughts": "<think>The answer is 11. Or 12?</think>\n\nThe answer is **@**.",
}


def golds(name: str) -> Iterator[str]:
    for line in (DATA / name).read_text().splitlines():
        answer = json.loads(line)["answer"]
        if isinstance(answer, float):
            answer = int(answer)
        yield str(answer).rpartition("####")[2].strip().replace(",\\!", "{,}")


def another(answer: str) -> str | None:
    """The answer with its last digit one higher; None without a digit."""
    digits = list(re.finditer(r"\d", answer))
    if not digits:
        return None
    place = digits[-1].start()
    return f"{answer[:place]}{(int(answer[place]) + 1) % 10}{answer[place + 1 :]}"


def counted(answers: list[str]) -> tuple[Counter[str], Counter[str], list[tuple[str, str]]]:
    """Writings tried and right by name, and the wrong answers called right.

    Answers that are not read in a box, or read alike with another digit, say nothing of writings.
    """
    boxed, free = (MathVerifier(workers=1, extraction=kind) for kind in ("boxed", "free"))
    tried: Counter[str] = Counter()
    right: Counter[str] = Counter()
    false: list[tuple[str, str]] = []
    for gold in answers:
        wrong = another(gold)
        if wrong and boxed.verify(f"\\boxed{{{wrong}}}", gold).correct:
            wrong = None
        for name, writing in WRITINGS.items():
            if "$" in gold and "$@$" in writing:
                continue
            tried[name] += 1
            reference = f"\\boxed{{{gold}}}"
            right[name] += free.verify(writing.replace("@", gold), reference).correct
            if wrong and free.verify(writing.replace("@", wrong), reference).correct:
                false.append((name, wrong))
    boxed.close()
    free.close()
    return tried, right, false


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not here")
@pytest.mark.parametrize(
    ("file", "every"),
    [(name, 60) for name in FILES]
    + [pytest.param(name, 6, marks=pytest.mark.slow) for name in FILES],
)
def test_an_answer_is_found_however_it_is_written(file: str, every: int) -> None:
    answers = list(dict.fromkeys(golds(file)))[::every]
    tried, right, false = counted(answers)
    assert false == []
    assert right.total() >= 0.995 * tried.total(), [n for n in tried if right[n] < tried[n]]


if __name__ == "__main__":
    tried, right, false = counted([gold for name in FILES for gold in dict.fromkeys(golds(name))])
    for name in WRITINGS:
        print(f"{name:<24} {right[name]:>5} of {tried[name]}")
    print(f"{right.total()} of {tried.total()}; wrong answers called right: {len(false)}")

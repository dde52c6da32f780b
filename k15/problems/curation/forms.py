"""Questions whose form makes a right answer cheap, or none checkable, in English and Chinese.

Multiple choice and true/false are answered right by chance; a proof has no answer to compare with
(k1.5 §2.1). Each is found by how such questions are worded, and by their answer where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from k15.problems.curation.rules import Removal
from k15.problems.curation.words import words_of
from k15.questions import text_of
from k15.types import Problem


def either(*patterns: str) -> re.Pattern[str]:
    """One of the patterns, in small or capital letters."""
    return re.compile("(?i)" + "|".join(patterns))


STYLE = r"\\(?:text|textbf|mathrm|mathbf)\s*"
OPTION = re.compile(
    rf"(?:^|[\s,;，；。?？!！$}}])(?:(?:{STYLE}|\\q?quad))?[{{\s]*[(（]?\s*(?:{STYLE}\{{)?"
    r"([A-Ha-h])\}?\s*(?:[)）．、：]|[.:](?!\d))\}?"
)
"""A letter as it stands before an option: `(A)`, `B.`, `C)`, `\\textbf{(D)}`, `（A）`, `A、`."""
LETTERS = re.compile(
    rf"[\s(（{{]*(?:{STYLE}\{{)?[(（]?[A-H](?:\s*[,、和]?\s*[A-H])*[)）]?\}}?[\s)）}}.]*"
)
"""Letters as an answer: `B`, `\\text{(B)}`, `A, C`."""
ASKS_FOR_ONE = either(
    r"\bwhich (?:one )?of the (?:following|above|options|choices|statements)\b",
    r"\b(?:choose|select|pick|circle) (?:the|all|one|an?) "
    r".{0,40}\b(?:option|choice|answer|statement|letter)s?\b",
    r"(?:下列|以下|下面)[^。？?]{0,30}(?:正确|错误|成立|符合|属于|是)[^。？?]{0,12}"
    r"的(?:是|有|为|选项|一项)",
    r"(?:选择|选出)[^。？?]{0,12}(?:选项|答案|一项)",
)
LABELLED = either(r"^\W*multiple[- ]choice\b[^.?]{0,30}:", r"^.{0,6}(?:单选题|多选题|选择题)")
"""Where the question says so itself."""
FEWEST = 3  # options in a row that make a question multiple choice, whatever it says
FEWEST_ASKED = 2  # the same, where it asks for one of them or the answer is a letter

TRUE_OR_FALSE = either(
    r"\b(?:true|false)\s*(?:or|/|and)\s*(?:true|false)\b",
    r"\bT\s*/\s*F\b|\byes\s*(?:or|/)\s*no\b",
    r"\b(?:is|are) (?:this|it|the (?:following|above|statement|claim)[^?]{0,60}) "
    r"(?:true|false|correct)\b",
    r"\bdetermine (?:whether|if) (?:the (?:following|statement|claim)|it is)\b"
    r"[^.?]*\b(?:true|false|correct)\b",
    r"判断(?:题|正误|对错|真假|下列|以下)",
    r"(?:是否|对不对|是不是)(?:正确|成立)|(?:对|正确)(?:还是|或)(?:错|错误)",
)
VERDICTS = {
    *("true", "false", "yes", "no", "correct", "incorrect", "right", "wrong"),
    *("对", "错", "是", "否", "正确", "错误", "不正确", "真", "假"),
    *("√", "×", "不是", "成立", "不成立"),
}
WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|boxed)\s*\{([^{}]*)\}")

PROOF = either(
    r"(?:^|[.?!:;,\n]\s*|\)\s*|\b(?:then|and|please|to)\s+)(?:prove|disprove|show)"
    r"(?:,?\s+(?:that|the|by|or|using|if|for)\b|\s*:)",
    r"\b(?:give|write|provide|find) (?:a|the|an) (?:[a-z]+ )?proof\b|\bprove or disprove\b",
    r"求证|(?:试|请)?证明(?!过|了|书)",
)
SHOWS = either(
    r"\bshow (?:your|all|the) (?:work|steps|working)|\bproved that\b",
    r"(?:用来|可以|已经|被|学生|身份)证明",
)
"""What speaks of proofs, or of showing, and asks for none."""
ASKS = either(
    r"\b(?:find|compute|calculate|evaluate|determine|express|what)\b",
    r"\bhow (?:many|much|long|far|old)\b",
    r"[求计]算|求(?!证)|多少|几",
)
"""A question beside the proof: "Prove that x > 0 and find its least value" has an answer."""
FEWEST_WORDS = 3


def multiple_choice(problem: Problem) -> Removal | None:
    """Options with letters, or a letter as the answer where one of several is asked for."""
    text = asked(problem)
    options = in_a_row(OPTION.findall(text))
    wants = ASKS_FOR_ONE.search(text) is not None
    letter = problem.answer is not None and LETTERS.fullmatch(problem.answer) is not None
    if LABELLED.search(text):
        return Removal("multiple choice", "says so itself")
    if options >= FEWEST or (options >= FEWEST_ASKED and (wants or letter)) or (wants and letter):
        return Removal("multiple choice", f"{options} options" if options else "asks for a letter")
    return None


def true_or_false(problem: Problem) -> Removal | None:
    """A yes or no as the answer, or a question that asks for one."""
    answer = plain(problem.answer)
    if answer in VERDICTS:
        return Removal("true or false", f"the answer is {answer}")
    found = TRUE_OR_FALSE.search(asked(problem))
    if found and (problem.answer is None or (len(answer) == 1 and answer in "tfyn")):
        return Removal("true or false", f"asks {found[0]!r}")
    return None


def proof(problem: Problem) -> Removal | None:
    """A question that asks for a proof and for nothing besides."""
    if problem.domain == "code":
        return None
    text = SHOWS.sub(" ", asked(problem))
    found = PROOF.search(text)
    if found is None or ASKS.search(text[found.end() :]):
        return None
    if problem.answer is not None and ASKS.search(text[: found.start()]):
        return None
    return Removal("proof", f"asks {found[0].strip()!r}")


def empty(problem: Problem) -> Removal | None:
    """Too few words to be a question, and no picture that could be one."""
    if problem.images or len(words_of(problem)) >= FEWEST_WORDS:
        return None
    return Removal("empty", f"{len(words_of(problem))} words")


FORMS = {
    "multiple choice": multiple_choice,
    "true or false": true_or_false,
    "proof": proof,
    "empty": empty,
}


def asked(problem: Problem) -> str:
    """What the user says."""
    return text_of([turn for turn in problem.prompt if turn["role"] == "user"])


def plain(answer: str | None) -> str:
    """An answer without what dresses it, in small letters."""
    return WRAPPED.sub(r"\1", answer or "").strip(" .。$\"'").lower()


def in_a_row(letters: Iterable[str]) -> int:
    """How far letters that stand before something count up from A, in their order."""
    wanted = "abcdefgh"
    count = 0
    for letter in letters:
        if count < len(wanted) and letter.lower() == wanted[count]:
            count += 1
    return count

r"""Where the answer stands in a response.

`boxed`: in the last `\boxed{}` outside of the thoughts, and nowhere else. `free`: what a careful
reader takes for the final answer of a text. `choice`: the letter of a multiple-choice question.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from k15.graders.math.extract.boxes import EMPTY_BOX, last_box, last_boxes
from k15.graders.math.extract.claims import NONE, Extraction, claims
from k15.graders.math.extract.expressions import expression_at
from k15.graders.math.extract.last import in_full, last_expression, whole
from k15.graders.math.extract.letters import letters
from k15.graders.math.extract.markup import plain, without_tokens
from k15.graders.math.extract.statements import leading, sentence_end, undenied, upheld
from k15.tasks.thoughts import conclusion, parted

WINDOW = 50_000  # characters at the end of a response in which its answer is looked for
LONGEST_WORDS = 200  # characters of a text that is an answer as it stands
SAID = re.compile(r"[^\W_]")
CODE = re.compile(r"[A-Za-z]{2}\d")  # AZYUK2A
QUESTION = ("?", "？")
WORDS = re.compile(  # an answer in words; "the answer is correct" and "this is it" name none
    r"(?!(?:a|an|the|correct|right|wrong|clear|below|above|as|in|within|shown"
    r"|this|that|these|those|it|which|what|here)\b)"
    r"[^\W\d_][\w'’-]*(?: [\w'’-]+){0,3}",
    re.IGNORECASE,
)


def extract(response: str) -> Extraction:
    r"""What the last `\boxed{...}` behind the thoughts holds, and nothing else."""
    text = last_box(conclusion(response))
    return NONE if text is None or not text.strip() else Extraction(text, "boxed")


def extract_free(response: str) -> Extraction:
    """The final answer of a text that may have no box.

    What is boxed, tagged or stated in a closing phrase counts, and of several the last one; without
    any, the text itself if it is an expression, else what its last sentence comes to. Thoughts are
    read only where nothing follows them, and then only for what they state.
    """
    thoughts, text = parted(response[-WINDOW:])
    if text.strip():
        return concluded(prepared(text))
    return claimed(prepared(thoughts)) or NONE


def extract_choice(response: str) -> Extraction:
    """The letters of the options that a response chooses, in alphabetical order."""
    return letters(conclusion(response[-WINDOW:]))


def prepared(text: str) -> str:
    """Without markup, and without what the text denies or takes back."""
    return upheld(undenied(plain(EMPTY_BOX.sub("", without_tokens(text)))))


def concluded(text: str) -> Extraction:
    """The answer of a text without thoughts."""
    if claim := claimed(text):
        return claim
    if found := whole(text):
        return Extraction(found.text, "whole")
    if found := last_expression(text):
        return Extraction(found.text, "last formula" if found.formula else "last number")
    words = text.strip()
    said = len(words) <= LONGEST_WORDS and SAID.search(words) and not CODE.search(words)
    return Extraction(words, "whole") if said else NONE


def claimed(text: str) -> Extraction | None:
    """The last claim that holds an answer."""
    for claim in claims(text):
        if answer := claim.text if claim.how == "boxed" else READ[claim.part](claim.text):
            return Extraction(answer, claim.how)
    return None


def content(text: str) -> str:
    """The expression that a tag holds, or all of it."""
    box = last_boxes(text)
    return box.text if box else (starting(text[leading(text, 0) :]) or text)


def starting(text: str) -> str | None:
    """What a text starts with, else what its first sentence comes to, else its few words."""
    if found := expression_at(text, 0):
        asked = text[found.end :].lstrip(")*\"' ")[:1] in QUESTION
        return None if asked else in_full(text, found).text
    end = sentence_end(text, 0)
    if text[end : end + 1] in QUESTION:
        return None
    sentence = text[:end].strip()
    if found := last_expression(sentence):
        return found.text
    return sentence if WORDS.fullmatch(sentence) else None


def ending(text: str) -> str | None:
    """What the sentence comes to that goes on with "is the answer", else its last few words."""
    found = last_expression(text)
    words = text.rpartition(",")[2].strip()
    return found.text if found else words if WORDS.fullmatch(words) else None


READ: dict[str, Callable[[str], str | None]] = {"all": content, "start": starting, "end": ending}

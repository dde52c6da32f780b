"""Which options of a multiple-choice question a response chooses, by their letters.

The closing phrases are those of every other answer (`phrases`); what is denied, or only copied
from the question, is no choice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from k15.graders.math.extract.claims import NONE, Extraction, Part, claims
from k15.graders.math.extract.markup import plain, without_tokens
from k15.graders.math.extract.phrases import END, GAP, POSTFIX, START, STATED, VERB, any_of
from k15.graders.math.extract.statements import sentence_end, undenied, upheld

LATIN = "ABCDEFGHIJ"
OTHERS = "АБВГДЕΑΒΓΔΕأبجدهאבגדהกขคงจकखगघङ"
CHOSEN = (
    rf"{START}(?:{any_of('choose', 'pick', 'select', 'say', 'go (?:with|for)', 'opt for')}"
    rf"|{any_of('options?', 'choice', 'opción', 'opção', 'opzione', 'вариант', 'seçenek')}"
    rf"(?:{GAP}{VERB})?){END}|{any_of('trả lời', '选项', '应选', '應選', '故?选择?')}"
)
CLOSING = re.compile(f"{STATED.pattern}|{CHOSEN}", re.IGNORECASE)
CORRECT = re.compile(
    f"{POSTFIX.pattern}|{GAP}(?:is|are){GAP}(?:correct|right){END}|正确", re.IGNORECASE
)
WRAPPED = re.compile(r"\\(?:text[a-z]*|math[a-z]+|mbox)\s*\{([^{}]*)\}|\\[ ,;:!]|(?<!\\)\$")
ONE = re.compile(
    rf"[(\[]?{GAP}(?P<letter>[A-Z]|[a-z](?=[)\]]|\s*(?:$|[.,\n]))|[{OTHERS}](?![^\W\d_]))"
    r"(?:[)\]]|(?![A-Za-z0-9'’^_]))(?!\s?[-+*/^_=<>])"
    # an article or a pronoun: A good one, I think
    rf"(?!(?<=[AI])[ ](?!{any_of('is', 'was', 'because', 'since', 'as', 'and', 'or')}\b)[a-z])"
)
RUN = re.compile(r"[(\[]?([A-J]{2,10})(?![A-Za-z0-9])")
NEXT = r"(?=[(\[]?[A-Z](?![A-Za-z]))"
AND = re.compile(rf"{GAP}(?:[,、和与及&]|and\b){GAP}(?:and )?{NEXT}")
OR = re.compile(rf"{GAP}(?:or\b|或者?|还是|/){GAP}{NEXT}")
LABEL = re.compile(r"\s*[(\[]?[A-J][)\].:、](?![A-Za-z0-9])")
LISTED = re.compile(r"(?<![A-Za-z])[(\[]?([A-J])[)\].:、](?![A-Za-z0-9])")
OPTION = re.compile(r"\b(?:options?|choices?)[ \t]*$|选项[ \t]*$", re.IGNORECASE)
CANDIDATE = re.compile(rf"[(\[]?(?<![A-Za-z0-9_\\])(?:[A-Za-z]|[{OTHERS}])(?![A-Za-z0-9_])")


Reader = Callable[[str, Part], str | None]
"""The letters that a part of a text names: "" if it leaves open which, None if it names none."""


def letters(response: str) -> Extraction:
    """The options that a conclusion chooses, in alphabetical order."""
    found = choose(prepared(response), lambda text, part: named(text, part, LATIN + OTHERS))
    return found if found.text else NONE


def choose(text: str, read: Reader) -> Extraction:
    """What a text claims; else the letter that it is, or its last or first line; else the one that
    it begins with, else the last one in brackets or at the very end.
    """
    for claim in claims(text, CLOSING, CORRECT):
        chosen = read(claim.text, claim.part)
        if chosen is not None or claim.how == "boxed":
            return Extraction(chosen or "", claim.how)
    lines = text.strip().split("\n")
    for line in (text.strip(), lines[-1], lines[0]):
        if (chosen := read(line.strip(), "line")) is not None:
            return Extraction(chosen, "whole")
    if LABEL.match(lines[0]) and (chosen := read(lines[0], "start")):
        return Extraction(chosen, "whole")
    chosen = read(text, "end")
    return NONE if chosen is None else Extraction(chosen, "last letter")


def prepared(response: str) -> str:
    """Without markup, copied options, and what is denied or taken back; letters of one width."""
    return upheld(undenied(uncopied(clean(without_tokens(response)))))


def clean(text: str) -> str:
    """Without Markdown and LaTeX's commands for text, in characters of one width."""
    text = unicodedata.normalize("NFKC", plain(text))
    return WRAPPED.sub(lambda match: match[1] or " ", text)


def uncopied(text: str) -> str:
    """Without the lines in which the options of the question are copied: A, B and so on."""
    lines = text.split("\n")
    labels = ["".join(LISTED.findall(line)) for line in lines]
    kept, place = [], 0
    while place < len(lines):
        end = place
        while end < len(lines) and labels[end][:1] == LATIN[end - place : end - place + 1] != "":
            end += 1
        if end - place < 2:
            end = place + 1
            kept += [] if labels[place][:3] == "ABC" else [lines[place]]
        place = end
    return "\n".join(kept)


def named(text: str, part: Part, allowed: str) -> str | None:
    """The letters at the start, at the end or as all of a text."""
    if part == "end":
        return last_group(text, allowed)
    found, end = group_at(text, 0, allowed)
    if part == "line" and text[end:].strip(" .。!*"):
        return None
    if found is None and part == "start":
        return last_group(text[: sentence_end(text, 0)], allowed)
    return found


def group_at(text: str, start: int, allowed: str) -> tuple[str | None, int]:
    """The letters of one choice, `B` or `A, C and D` or `ACD`, and where they end."""
    if (run := RUN.match(text, start)) and list(run[1]) == sorted(set(run[1])):
        return (run[1], run.end()) if within(run[1], allowed) else (None, start)
    found, end, undecided = "", start, False
    while (one := ONE.match(text, end)) and within(one["letter"].upper(), allowed):
        found, end = found + one["letter"].upper(), one.end()
        undecided |= bool(OR.match(text, end))
        if not (tie := AND.match(text, end) or OR.match(text, end)):
            break
        end = tie.end()
    return ("" if undecided else "".join(sorted(set(found))) or None), end


def last_group(text: str, allowed: str) -> str | None:
    """The last letters in brackets, behind "option", or at the very end."""
    chosen, place = None, 0
    while candidate := CANDIDATE.search(text, place):
        found, end = group_at(text, candidate.start(), allowed)
        place = max(candidate.end(), end)
        before = text[max(0, candidate.start() - 20) : candidate.start()]
        marked = candidate[0][0] in "([" or OPTION.search(before)
        if found is not None and (marked or not re.search(r"\w", text[end : end + 20])):
            chosen = found
    return chosen


def within(chosen: str, allowed: str) -> bool:
    return all(letter in allowed for letter in chosen)

r"""Where the answer stands in a response.

`boxed`: in the last `\boxed{}`, and nowhere else. `free`: also after "the final answer is", in the
last formula, or it is the last number. `choice`: the letter of a multiple-choice question.
"""

from __future__ import annotations

import re

WINDOW = 50_000  # characters at the end of a response in which its answer is looked for
BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
JOINED = re.compile(
    r"[^A-Za-z0-9]*|.{0,60}?(?:\b(?:and|or)|[,;])\s*(?:[A-Za-z](?:_\{?\w+\}?)?\s*=\s*)?", re.S
)
DELIMITER = re.compile(r"\$\$?|\\[()\[\]]|\\q?quad|\\text\s*\{\s*(and|or)\s*\}|[{}]")
NOTE = re.compile(r"<\|[a-z_]+\|>")
STATEMENT = re.compile(r"(?i)final answer(?: is)?[\s:*\"]*")
HOPE = re.compile(r"\.?\s*I hope it is correct.*", re.DOTALL)
SPAN = re.compile(
    r"(?<!\\)\$\$(.+?)(?<!\\)\$\$|(?<!\\)\$((?:\\\$|[^$\n])+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]",
    re.DOTALL,
)
FIGURE = re.compile(
    r"(?<![\w.^/])-?[$€£]?(?:\d{1,3}(?:[ ,]\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?(?:\s?/\s?\d+)?|\.\d+)"
    r"(?![A-Za-z]*\d)(?:\s*%)?".replace(r"\w", "A-Za-z0-9_")
)
BETWEEN = re.compile(r"[\s,;\"']*(?:and|or|,)?[\s,;\"']*")
PERCENT = re.compile(r"[\s$}]*(?:\\?%|percent|pct)")

ANSWER = (
    r"(?:answer|solution|réponse|reponse|respuesta|resposta|risposta|antwort|ответ|答案|答え|正解"
    r"|正确(?:选项|答案)|정답|답|الإجابة|الجواب|उत्तर|คำตอบ|đáp án|câu trả lời|cevap|odpowied[źz])"
)
CHOOSE = r"(?:option|choice|choose|选项|选择|选|應選|opción|opção|opzione|вариант|trả lời|seçenek)"
LETTER = (
    r"(?:(?<![A-Za-z])([A-H])(?![A-Za-z'’])"
    r"|(?<![^\W\d_])([А-ЕΑ-Εأبجدهאבגדהกขคงจकखगघङ])(?![^\W\d_]))"
)
CHOICES = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rf"^\W*{LETTER}\W*$",
        rf"(?i:{ANSWER}).{{0,50}}?{LETTER}",
        rf"(?i:{CHOOSE}).{{0,20}}?{LETTER}",
        rf"^\W*{LETTER}(?:[.):,\n]|\*\*|$)",
        rf"\({LETTER}\)",
        LETTER,
    )
]


def extract(response: str) -> str | None:
    r"""Content of the last `\boxed{...}`, the inner one of two nested; None if it is not closed."""
    start = max(response.rfind("\\boxed"), response.rfind("\\fbox"))
    match = BOX.match(response, start) if start >= 0 else None
    return content(response, match.end()) if match else None


def content(text: str, start: int) -> str | None:
    """What stands from `start` to the brace that closes there."""
    depth = 1
    for token in BRACE.finditer(text, start, start + WINDOW):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return text[start : token.start()]
    return None


def extract_free(response: str) -> str | None:
    """The final answer of a text that may have no box; None if there is nothing like one.

    A box and a sentence with "final answer": the later one counts. Boxes that are joined by "and",
    "or" or a comma are one list.
    """
    text = response[-WINDOW:].rpartition("</think>")[2]
    while (note := NOTE.search(text)) and text[: note.start()].strip():
        text = text[: note.start()]
    boxed, place = last_boxes(text)
    for match in reversed(list(STATEMENT.finditer(text))[-3:]):
        if match.start() > place:
            statement = HOPE.sub("", text[match.end() :])
            if (found := last_expression(statement.strip())) is not None:
                return found
    return boxed if boxed is not None else last_expression(text.strip())


def last_boxes(text: str) -> tuple[str | None, int]:
    """The last box, or the list that the last boxes make; and where the last one starts."""
    boxes = list(BOX.finditer(text))[-20:]
    found: list[str] = []
    after = last = -1
    for box in reversed(boxes):
        inner = content(text, box.end())
        if inner is None or box.end() + len(inner) > after >= 0:  # open, or around the last one
            continue
        end = box.end() + len(inner) + 1
        if found and not JOINED.fullmatch(DELIMITER.sub(r"\1", text[end:after])):
            break
        if not found:
            last = box.start()
            inner += "%" if PERCENT.match(text, end) else ""
        found.insert(0, inner)
        after = box.start()
    return (", ".join(dict.fromkeys(found)) if found else None), last


def last_expression(text: str) -> str | None:
    """The text itself if it is short, else the last formula or number in it."""
    spans = [(m.start(), m.end(), next(g for g in m.groups() if g)) for m in SPAN.finditer(text)]
    if not spans and (len(text) < 40 and not re.search(r"[A-Za-z]{4,}\s|[^\x00-\x7f]{2}", text)):
        return text if re.search(r"\d|\\|^[A-Za-z]\W*$|^[^\d\s]+$", text) and plain(text) else None
    figures = [
        (m.start(), m.end(), m[0])
        for m in FIGURE.finditer(text)
        if not any(start <= m.start() < end for start, end, _ in spans)
    ]
    if not spans and not figures:
        return text if 0 < len(text) < 200 and plain(text) else None
    if not spans or (figures and figures[-1][0] > spans[-1][1]):
        return figures[-1][2]
    start, end, last = spans[-1]
    last += "%" if PERCENT.match(text, end) else ""
    for before, stop, inner in reversed(spans[:-1]):
        if not BETWEEN.fullmatch(text, stop, start):
            break
        last, start = f"{inner}, {last}", before
    return last


def plain(text: str) -> bool:
    """Whether no digit stands in the middle of a word, as in AZYUK2A."""
    return not re.search(r"[A-Za-z]{2,}\d", text) or "\\" in text


def extract_choice(response: str) -> str | None:
    """The letter that a response to a multiple-choice question chooses, None if it names none."""
    text = response[-WINDOW:].rpartition("</think>")[2].strip()
    boxed = extract(text)
    for part in (boxed, text):
        for pattern in CHOICES if part else ():
            found = [match.group(1) or match.group(2) for match in pattern.finditer(part or "")]
            if found:
                return found[0] if pattern is CHOICES[3] else found[-1]
    return None

"""The program in a model's response."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from k15.sandbox.protocol import Language

FENCE = re.compile(r"( *)(`{3,}|~{3,}) *([^\s`:{,]*)")
TAGS: dict[Language, tuple[str, ...]] = {
    "python": ("python", "py"),
    "cpp": ("cpp", "c++", "cc"),
    "java": ("java",),
    "csharp": ("csharp", "c#", "cs"),
    "javascript": ("javascript", "js"),
    "typescript": ("typescript", "ts"),
    "php": ("php",),
    "bash": ("bash", "sh", "shell"),
}
"""What a fenced block of the language is called, its version aside."""
VERSION = "0123456789."


@dataclass(frozen=True, slots=True)
class Block:
    """The text between two fences."""

    tag: str
    """The first word behind the opening fence, in small letters."""
    text: str
    closed: bool
    """False where the response ends before the block does."""


def blocks(response: str) -> Iterator[Block]:
    """The fenced blocks of a response, in order (commonmark.org, "Fenced code blocks").

    An indented block loses its fence's indentation. Beyond CommonMark, a fence with a tag ends an
    open block and begins another: models forget to close one, and do not nest them.
    """
    opening, lines = None, list[str]()
    for line in response.split("\n"):
        fence = fence_of(line)
        if opening and not (fence and fence[2].startswith(opening[2])):
            indent = len(opening[1])
            lines.append(line[indent:] if line[:indent].isspace() else line)
        elif fence:
            bare = not line[fence.end(2) :].strip()
            if opening:
                yield Block(opening[3].lower(), "\n".join(lines) + "\n", closed=bare)
            opening, lines = None if opening and bare else fence, []
    if opening:
        yield Block(opening[3].lower(), "\n".join(lines).rstrip() + "\n", closed=False)


def fence_of(line: str) -> re.Match[str] | None:
    """The line as a fence; three backticks and more of them behind it are code within a line."""
    fence = FENCE.match(line)
    return fence if fence and "`" not in line[fence.end(2) :] else None


def programs(response: str, language: Language = "python") -> list[str]:
    """The blocks that may be a program in the language, the likeliest last.

    Those that name the language go before those that name none (such as an example of the output),
    closed ones before one that the response's end cuts off, later ones before earlier ones.
    """
    likely = [
        block
        for block in blocks(response)
        if block.tag.rstrip(VERSION) in ("", *TAGS[language]) and block.text.strip()
    ]
    return [block.text for block in sorted(likely, key=lambda b: (b.tag != "", b.closed))]


def code_block(
    response: str,
    language: Language = "python",
    *,
    require_fence: bool = True,
    names: Collection[str] = (),
) -> str | None:
    """The likeliest of `programs`; None if there is none.

    Args:
        require_fence: if not, a response without any fence is a program as a whole.
        names: of Python functions or classes. What defines one goes before what does not: an
            example of its use.
    """
    found = programs(response, language)
    if found:
        return next((text for text in reversed(found) if defines(text, names)), found[-1])
    return None if require_fence or any(blocks(response)) else response


def defines(program: str, names: Collection[str]) -> bool:
    """Whether a Python program defines one of the names, in a class perhaps."""
    either = "|".join(map(re.escape, names)) or r"\b\B"  # of no names there is none
    definition = rf"^[ \t]*(?:async\s+)?(?:def|class)\s+(?:{either})\b|^(?:{either})\s*[:=]"
    return re.search(definition, program, re.MULTILINE) is not None

"""The program in a model's response."""

from __future__ import annotations

import re

from k15.sandbox.protocol import Language

FENCE = re.compile(r"( *)(`{3,}|~{3,}) *([^\s`]*)")
TAGS: dict[Language, tuple[str, ...]] = {
    "python": ("python", "python3", "py"),
    "cpp": ("cpp", "c++", "cc"),
    "java": ("java",),
    "csharp": ("csharp", "c#", "cs"),
    "javascript": ("javascript", "js"),
    "typescript": ("typescript", "ts"),
    "php": ("php",),
    "bash": ("bash", "sh", "shell"),
}
"""What a fenced block of the language is called."""


def code_block(
    response: str, language: Language = "python", *, require_fence: bool = True
) -> str | None:
    """The last closed fenced block that names `language` or nothing; None if there is none.

    With `require_fence` False, a response without any fence is a program as a whole.
    """
    program, opening, fences = None, None, 0
    lines: list[str] = []
    for line in response.split("\n"):
        fence = FENCE.match(line)
        fences += fence is not None
        if opening is None:
            if fence:
                opening, lines = fence, []
        elif fence and fence[2].startswith(opening[2]) and not line[fence.end() :].strip():
            if not fence[3] and opening[3].lower() in ("", *TAGS[language]):
                program = "\n".join(lines) + "\n"
            opening = None
        else:
            indent = len(opening[1])
            lines.append(line[indent:] if line[:indent].isspace() else line)
    return response if not fences and not require_fence else program

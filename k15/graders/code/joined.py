"""Tests that form one program with the judged one: in every language, for evaluation alone."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from k15.graders.base import Verdict
from k15.graders.code.trial import PASSED, Case, Checkers, Trial, failed, wrong
from k15.sandbox.protocol import Input, Language, Outcome, Program

PRINTS: Mapping[Language, tuple[str, int]] = {
    "python": ("print({!r})", 0),
    "cpp": ("std::cout << {} << std::endl;", 1),
    "java": ("System.out.println({});", 2),
    "csharp": ("Console.WriteLine({});", 2),
    "javascript": ("console.log({})", 0),
    "typescript": ("console.log({})", 0),
    "php": ("echo {};", 0),
    "bash": ("echo {}", 0),
}
"""How a language prints, and how many closing braces of the tests come after the last assert."""


@dataclass(frozen=True, kw_only=True)
class ProgramCase(Case):
    """`head`, the program and `code` form one program, which runs to the end of `code`.

    The program could forge this: it shares the process with the tests.
    """

    type: ClassVar[str] = "program"
    forgeable: ClassVar[bool] = True
    code: str
    head: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def trial(self, source: str, language: Language) -> Trial:
        nonce = secrets.token_hex(16)
        text = f"{self.head}{source}\n{printing_at_the_end(self.code, nonce, language)}\n"
        files = {name: content.encode() for name, content in self.files.items()}

        def verdict(outcome: Outcome, checkers: Checkers) -> Verdict:
            if outcome.cause != "ok":
                return failed(outcome)
            ended = nonce.encode() in outcome.stdout  # behind whatever the program has printed
            return PASSED if ended else wrong("ended before its tests did")

        return Trial(Program(source=text, language=language, files=files), Input(), verdict)


def printing_at_the_end(code: str, nonce: str, language: Language) -> str:
    """`code`, with one statement more: it prints `nonce` once every assert has held."""
    template, braces = PRINTS[language]
    statement = template.format(f'"{nonce}"' if language != "python" else nonce)
    if not braces:
        return f"{code}\n{statement}"
    cut = len(code)
    for _ in range(braces):
        cut = code.rindex("}", 0, cut)
    return f"{code[:cut]}{statement}\n{code[cut:]}"

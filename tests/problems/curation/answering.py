"""A model whose answers are known: right on every other sample, and lucky where it is told so."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from k15.engines.protocol import Request
from k15.engines.scripted import ScriptedEngine
from k15.models.policy import Policy

COT = "Please reason step by step, and put your final answer within \\boxed{}."
"""What `data=math` writes behind the questions that are answered, and no guess is told."""


class Answering(ScriptedEngine):
    """Knows `answers`, a file of {question: answer}; guesses those in `lucky` right.

    Call number `dies_at` ends the process, as `kill -9` does.
    """

    def __init__(self, policy: Policy, answers: str, lucky: list[str], dies_at: int = -1) -> None:
        self.policy, self.lucky, self.dies_at = policy, set(lucky), dies_at
        self.answers = json.loads(Path(answers).read_text())
        self.calls = 0
        self.told = COT
        super().__init__(self._response)

    def generate(self, requests, sampling):
        self.calls += 1
        if self.calls == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().generate(requests, sampling)

    def _response(self, request: Request, index: int) -> tuple[int, ...]:
        text = self.policy.decode(request.tokens)
        question, begun, _ = text.rpartition("\\boxed{") if text.endswith("{") else (text, "", "")
        question = question.strip().removesuffix(self.told).strip()
        assert request.seed is not None
        right = question in self.lucky if begun else request.seed % 2 == 0
        answer = self.answers[question] if right else "no idea"
        return self.policy.encode_response(answer + "}" if begun else f"\\boxed{{{answer}}}")

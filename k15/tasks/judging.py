"""Judging: is a response right, given the question and the reference answer? (k1.5 §2.3.5)

    prompt   "<question>\\nReference answer: +a-b+c-d\\nResponse: \\boxed{+a-b-c-d}\\nVerdict:"
    classic  a value head reads the prompt and gives the probability of being correct
    CoT      "<think>+a 27-b 26-c 25-d 22 no</think>{\\"correct\\": false}"

The judgements of a procedural task are endless, half of them of correct responses. On Make 24 any
sign pattern with the right total is correct, so a judge has to find the running totals: the CoT
model writes them down, the value head has one forward pass for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from k15.questions import Split
from k15.tasks.base import Task
from k15.tasks.make24 import ANSWER, LABELS, TARGET, Make24
from k15.tasks.thoughts import conclusion
from k15.types import Problem

REFERENCE, RESPONSE, VERDICT = "\nReference answer: ", "\nResponse: ", "\nVerdict:"
WORDS = (REFERENCE, RESPONSE, VERDICT, '{"correct": ', "true", "false")
FIELDS = r'(?:[^{}"]|"(?:[^"\\]|\\.)*")'  # what an object holds: in quotes also braces
VERDICTS = re.compile(
    rf"""\{{{FIELDS}*?["']correct["']\s*:\s*["']?(true|false)["']?\s*(?:,{FIELDS}*)?\}}""",
    re.IGNORECASE | re.DOTALL,
)
TRIES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A response with its label."""

    question: str
    reference: str
    response: str
    correct: bool
    reasoning: str = ""
    """How a judge gets to the label, without the verdict; empty if nobody wrote it down."""

    @property
    def text(self) -> str:
        """What a chain-of-thought judge is to write."""
        return f"<think>{self.reasoning}</think>{json.dumps({'correct': self.correct})}"


def judging_problem(question: str, reference: str, response: str) -> Problem:
    """What a judge reads, with the thoughts of the response left out."""
    content = f"{question}{REFERENCE}{reference}{RESPONSE}{conclusion(response)}{VERDICT}"
    return Problem(id="", prompt=({"role": "user", "content": content},), answer=None)


def question_of(problem: Problem) -> str:
    """The text of a problem's messages; raises ValueError if it has pictures or no answer."""
    if problem.images or not all(isinstance(turn["content"], str) for turn in problem.prompt):
        raise ValueError(f"problem {problem.id!r} has a picture, and a reward model reads text")
    if problem.answer is None:
        raise ValueError(f"problem {problem.id!r} has no answer to compare with")
    return "\n".join(turn["content"] for turn in problem.prompt)


def read_verdict(text: str) -> bool | None:
    """What a text says behind its thoughts, in an object like `{"correct": true}`.

    None if it does not say it, or says both. JSON's `true`, Python's `True` and a quoted one are
    the same; what stands around the object does not matter.
    """
    found = {word.lower() for word in VERDICTS.findall(conclusion(text))}
    return found == {"true"} if len(found) == 1 else None


class Judging:
    """Judgements of a task's responses: to each question a correct and a wrong one.

    `unreadable` is the share of the wrong ones that are not just wrong but broken: a word left
    out, repeated or misplaced, the end cut off. RL would soon find out if a judge liked those.
    """

    def __init__(self, task: Task, *, unreadable: float = 0.2) -> None:
        if task.modality != "text":
            raise ValueError(f"task.modality={task.modality}: a reward model reads text; use text")
        self.task = task
        self.unreadable = unreadable
        self.words = (*task.words, *(word for word in WORDS if word not in task.words))
        longest_first = sorted(task.words, key=len, reverse=True)
        self._word = re.compile("|".join(re.escape(word) for word in longest_first))

    def judgements(self, index: int, split: Split = "train") -> Sequence[Judgement]:
        """The two judgements of question number `index` (endless) of a split."""
        problem = self.task.problem(index, split)
        rng = Random(f"judging {problem.id}")
        right = self.task.demonstrate(problem, rng, max_trials=TRIES, give_up=0.0)
        return [self._judge(problem, response) for response in (right, self.wrong(problem, rng))]

    def wrong(self, problem: Problem, rng: Random) -> str:
        """A response that the task's check refuses."""
        broken = rng.random() < self.unreadable
        for _ in range(TRIES):
            response = self.task.demonstrate(problem, rng, max_trials=1, give_up=1.0)
            response = self.broken(response, rng) if broken else response
            if not self.task.check(problem, response):
                return response
        raise ValueError(f"problem {problem.id!r}: {TRIES} responses and none is wrong")

    def broken(self, response: str, rng: Random) -> str:
        """The response with one word of its final part left out, repeated, moved or replaced, or
        with its end cut off.
        """
        answer = conclusion(response)
        words, thoughts = self._word.findall(answer), response.removesuffix(answer)
        place, other = rng.randrange(len(words)), rng.randrange(len(words))
        changes = (
            [*words[:place], *words[place + 1 :]],
            [*words[: place + 1], *words[place:]],
            [*words[:place], words[other], *words[place + 1 :]],
            [*words[:place], rng.choice(self.task.words), *words[place + 1 :]],
            words[:place],
        )
        return thoughts + "".join(rng.choice(changes))

    def reasoning(self, problem: Problem, response: str) -> str:
        """How to see whether a response is right; nothing where nobody has written it down."""
        return ""

    def _judge(self, problem: Problem, response: str) -> Judgement:
        return Judgement(
            question=question_of(problem),
            reference=problem.answer or "",
            response=response,
            correct=bool(self.task.check(problem, response)),
            reasoning=self.reasoning(problem, response),
        )


class Make24Judging(Judging):
    """Make 24: the reasoning writes the running totals of the boxed signs, then yes or no."""

    def __init__(self, task: Task, *, unreadable: float = 0.2) -> None:
        if not isinstance(task, Make24):
            raise ValueError(
                f"data.judging: no reasoning is written for the task {task.name!r}; give "
                "data.judging._target_ a class of your own with `reasoning`, or, for the classic "
                "reward model, k15.tasks.judging.Judging"
            )
        super().__init__(task, unreadable=unreadable)

    def reasoning(self, problem: Problem, response: str) -> str:
        """Stops with " no" where the box does not name every operand once and in order."""
        boxed = ANSWER.search(f"</think>{conclusion(response)}")
        signed = re.findall("[+-][a-f]", boxed[1]) if boxed else []
        values = problem.meta["values"]
        total, steps = problem.meta["start"], ""
        for (sign, label), expected, value in zip(signed, LABELS, values, strict=False):
            if label != expected:
                return f"{steps} no"
            total += value if sign == "+" else -value
            steps += f"{sign}{label} {total}"
        return steps + (" yes" if len(signed) == len(values) and total == TARGET else " no")

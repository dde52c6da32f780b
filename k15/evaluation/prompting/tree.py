"""Tree of Thoughts, breadth first (Yao et al. 2023, arXiv 2305.10601, Algorithm 1).

    states ──► each proposes next steps ──► the model values every new state ──► the best are kept

A baseline to long chains of thought: k1.5 lets one long response plan, try and take back, and so
search in its context instead of outside of it (§2.3.1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from k15.evaluation.benchmark import Benchmark
from k15.evaluation.prompting.base import COT, Ask, Prompting, Reply, Solving
from k15.types import Problem

PROPOSE = (
    "{question}\n\nSteps so far:\n{steps}\n\n"
    "Write the next step of a solution, one step only. If the steps are a complete solution, "
    "write the final answer within \\boxed{{}}."
)
VALUE = (
    "{question}\n\nSteps so far:\n{steps}\n\n"
    "Can these steps lead to a right solution? End with one word: sure, likely or impossible."
)
FINISH = "{question}\n\nSteps so far:\n{steps}\n\n" + COT.replace("{}", "{{}}")
WORTH = {"sure": 20.0, "likely": 1.0, "impossible": 0.001}  # as in the paper's Game of 24
VERDICT = re.compile("|".join(WORTH), re.IGNORECASE)

State = tuple[str, ...]
"""The steps of a partial solution."""


class TreePrompting(Prompting):
    """Breadth-first search over steps that the model proposes and values itself."""

    def __init__(
        self,
        *,
        name: str = "tree",
        depth: int = 3,
        proposals: int = 3,
        valuations: int = 1,
        breadth: int = 2,
        tokens_per_step: int = 128,
        tokens_per_value: int = 64,
    ) -> None:
        """Say how wide and how deep.

        Args:
            name: as it stands in tables.
            depth: steps before the answer is asked for (T in the paper).
            proposals: next steps per state (k).
            valuations: votes per state, added up.
            breadth: states that are kept (b).
            tokens_per_step: longest step.
            tokens_per_value: longest valuation.
        """
        sizes = {"depth": depth, "proposals": proposals, "breadth": breadth}
        for field, value in {**sizes, "valuations": valuations}.items():
            if value < 1:
                raise ValueError(f"prompting.{name}.{field}={value}: must be at least 1")
        self.name, self.depth = name, depth
        self.proposals, self.valuations, self.breadth = proposals, valuations, breadth
        self.tokens_per_step, self.tokens_per_value = tokens_per_step, tokens_per_value

    def solve(self, problem: Problem, benchmark: Benchmark) -> Solving:
        """Search, then ask for the answer of the best state; all tokens are counted."""
        states: list[State] = [()]
        spent = 0
        for _ in range(self.depth):
            replies = yield self._asks(problem, PROPOSE, states, self.proposals)
            spent += sum(reply.tokens for reply in replies)
            parents = [state for state in states for _ in range(self.proposals)]
            grown = [
                (*state, reply.text.strip()) for state, reply in zip(parents, replies, strict=True)
            ]
            grown = list(dict.fromkeys(grown))
            votes = yield self._asks(problem, VALUE, grown, self.valuations)
            spent += sum(reply.tokens for reply in votes)
            states = best(grown, votes, self.breadth)
            if "\\boxed" in states[0][-1]:
                return Reply(text="\n".join(states[0]), tokens=spent)
        (reply,) = yield [Ask(problem=asked(problem, FINISH, states[0]))]
        text = "\n".join((*states[0], reply.text))
        return Reply(text=text, tokens=spent + reply.tokens, finish=reply.finish)

    def _asks(
        self, problem: Problem, template: str, states: Sequence[State], times: int
    ) -> list[Ask]:
        longest = self.tokens_per_step if template is PROPOSE else self.tokens_per_value
        return [
            Ask(problem=asked(problem, template, state), max_tokens=longest)
            for state in states
            for _ in range(times)
        ]


def best(states: Sequence[State], votes: Sequence[Reply], breadth: int) -> list[State]:
    """The `breadth` states with the largest sum of votes; of equal ones, the earlier."""
    each = len(votes) // len(states)
    sums = [
        sum(worth(vote.text) for vote in votes[i * each : (i + 1) * each])
        for i in range(len(states))
    ]
    order = sorted(range(len(states)), key=lambda i: -sums[i])
    return [states[i] for i in order[:breadth]]


def worth(text: str) -> float:
    """Of the last verdict in a valuation; 0 if there is none."""
    verdicts = VERDICT.findall(text)
    return WORTH[verdicts[-1].lower()] if verdicts else 0.0


def asked(problem: Problem, template: str, state: State) -> Problem:
    """The problem with its question inside a template; pictures stay in front."""
    *before, last = problem.prompt
    steps = "\n".join(state) or "(none)"
    if isinstance(last["content"], str):
        content: object = template.format(question=last["content"], steps=steps)
    else:
        texts = [item["text"] for item in last["content"] if item["type"] == "text"]
        pictures = [item for item in last["content"] if item["type"] != "text"]
        text = template.format(question="\n".join(texts).strip(), steps=steps)
        content = [*pictures, {"type": "text", "text": text}]
    return replace(problem, prompt=(*before, {**last, "content": content}))

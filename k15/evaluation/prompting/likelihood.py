"""Multiple choice without a word: the choice that the model finds most likely."""

from __future__ import annotations

from k15.config.errors import ConfigError
from k15.evaluation.benchmark import Benchmark
from k15.evaluation.prompting.base import Prompting, Reply, Solving, Weigh
from k15.graders.choices import LETTERS
from k15.types import Problem


class Likelihood(Prompting):
    """Compares the log-likelihoods of a question's choices, as lm-eval does for its `acc`; with
    `per_character` those divided by the choices' lengths, its `acc_norm`.

    Nothing is generated: a sample has no tokens. The question is not in a chat, and has no
    instruction behind it.
    """

    def __init__(self, *, name: str = "likelihood", per_character: bool = False) -> None:
        self.name, self.per_character = name, per_character

    def solve(self, problem: Problem, benchmark: Benchmark) -> Solving:
        """Raises ConfigError for a problem without choices."""
        texts, choices = (problem.meta.get(name) for name in ("continuations", "choices"))
        if not texts or not choices:
            raise ConfigError(
                f"prompting={self.name}: problem {problem.id} of benchmark {benchmark.name} has no "
                "choices to compare; take it for mmlu, ceval or another multiple-choice task of "
                "lm-eval, or another prompting"
            )
        found = yield Weigh(beginning=str(problem.prompt[-1]["content"]), texts=texts)
        totals = [sum(scored.logps) for scored in found]
        if self.per_character:
            lengths = [len(choice) for choice in choices]
            totals = [total / length for total, length in zip(totals, lengths, strict=True)]
        return Reply(text=LETTERS[totals.index(max(totals))])

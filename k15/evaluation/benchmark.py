"""What a benchmark is: a grader that brings its problems, and says how they are asked.

A benchmark of your own needs `problems` and `grade`:

    class Sums(Benchmark):
        name = "sums"

        def problems(self):
            return [Problem(id="1", prompt=({"role": "user", "content": "1+1?"},), answer="2")]

        def grade(self, problem, response):
            answer = response.strip()
            return Verdict(correct=answer == problem.answer, extracted=answer, how="equal")

and its import path in a YAML (`_target_: my_package.Sums`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

from k15.graders.base import Grader
from k15.types import Problem


class Benchmark(Grader):
    """Problems with their official rule of grading, and how often and how they are asked."""

    name: str
    groups: ClassVar[tuple[str, ...]] = ()
    """Keys of `Problem.meta` by which scores are shown apart, such as ("task", "type")."""
    instructions: ClassVar[dict[str, str]] = {}
    """What is written behind a question, by prompting mode, where it is not the mode's own."""

    def __init__(
        self,
        *,
        limit: int | None = None,
        samples: int = 1,
        temperature: float = 0.0,
        top_p: float = 1.0,
        max_response_tokens: int = 1024,
        pass_at: Sequence[int] = (),
        majority_at: Sequence[int] = (),
    ) -> None:
        """Say how to ask.

        Args:
            limit: the first so many problems only.
            samples: responses per problem.
            temperature: 0 is greedy.
            top_p: nucleus of the sampling.
            max_response_tokens: a response is cut here.
            pass_at: k of the pass@k that are reported; each at most `samples`.
            majority_at: k of the maj@k.
        """
        for k in (*pass_at, *majority_at):
            if not 1 <= k <= samples:
                raise ValueError(
                    f"benchmark {self.name}: @{k} of samples={samples}; take 1 <= k <= samples"
                )
        if samples > 1 and temperature == 0:
            raise ValueError(
                f"benchmark {self.name}: samples={samples} at temperature=0 are all the same; "
                "raise temperature or take samples=1"
            )
        self.limit, self.samples = limit, samples
        self.temperature, self.top_p = temperature, top_p
        self.max_response_tokens = max_response_tokens
        self.pass_at, self.majority_at = tuple(pass_at), tuple(majority_at)

    @abstractmethod
    def problems(self) -> Sequence[Problem]:
        """All problems, in a fixed order; `limit` is applied by the caller.

        Raises ValueError for a source that cannot be read, with file, line and field.
        """

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

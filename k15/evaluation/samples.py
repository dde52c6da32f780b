"""What an evaluation writes: one line per response, then one line per graded sample.

    <run_dir>/problems.jsonl    what was asked, pictures under images/
    <run_dir>/responses.jsonl   each response as it arrives, before it is graded
    <run_dir>/samples.jsonl     the same, graded
    <run_dir>/results.json      scores (k15.evaluation.results)

What stands in the files (`k15.journal`) is never generated or graded again.
"""

from __future__ import annotations

from dataclasses import dataclass

Key = tuple[str, str, str, int]
"""benchmark, prompting, id, index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer of a model to one problem."""

    benchmark: str
    prompting: str
    id: str
    """The problem's."""
    index: int
    """Which of the problem's samples, from 0."""
    response: str
    tokens: int
    """Output tokens spent on it, those of a search's side branches included."""
    finish: str
    """"stop", "length" (truncated) or "repetition"; "given" for responses made elsewhere."""

    @staticmethod
    def at(key: Key, text: str, tokens: int, finish: str) -> Response:
        """The response to the sample with this key."""
        benchmark, prompting, problem, index = key
        return Response(
            benchmark=benchmark,
            prompting=prompting,
            id=problem,
            index=index,
            response=text,
            tokens=tokens,
            finish=finish,
        )

    @property
    def key(self) -> Key:
        """What tells samples apart."""
        return self.benchmark, self.prompting, self.id, self.index


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Response):
    """A response and what its grader found."""

    extracted: str | None
    """The answer read out of the response; None if there is none."""
    correct: float
    """1 right, 0 wrong."""
    how: str
    """How the verdict was reached, for a person."""
    found: str = ""
    """Where the answer was found, such as "boxed"; "" where nothing has to be found."""

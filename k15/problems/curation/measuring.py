"""How difficult problems are for a model: answers, and guesses without a chain of thought.

    batch of problems ─► 10 answers each, 8 guesses each ─► graded ─► one line per problem, at once

The file of lines is all the state there is: another run measures what is not in it, and a killed
one loses one batch at most. Every sample has a seed of its own, so that neither batches nor
interruptions change what is measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from k15.config.errors import ConfigError
from k15.engines.protocol import RolloutEngine
from k15.journal import Journal, read
from k15.models.codec import BeginningCodec
from k15.problems.curation.asking import Asked, Asking, responses, written
from k15.problems.curation.rules import Removal, Step
from k15.problems.curation.verifiable import Verifiers
from k15.progress import phase
from k15.questions import fingerprint_of
from k15.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One line of the file."""

    id: str
    mark: str
    """Of question, answer, model and settings: a line with another mark is measured again."""
    correct: Sequence[float] = ()
    """[10] outcome of each answer."""
    guessed: Sequence[float] = ()
    """[8] outcome of each guess."""
    tokens: float = 0.0
    """Mean length of the answers."""
    refused: str = ""
    """Why the problem could not be asked; nothing was measured then."""

    @property
    def pass_rate(self) -> float:
        """Share of right answers, from 0 (hard) to 1 (easy)."""
        return sum(self.correct) / max(1, len(self.correct))


class Measuring:
    """Measures problems with an engine, and remembers all in a file."""

    def __init__(
        self,
        path: Path,
        *,
        engine: RolloutEngine,
        make_codec: Callable[[], BeginningCodec],
        verifiers: Verifiers,
        answers: Asking,
        guesses: Asking,
        model: str,
        batch: int = 32,
        seed: int = 0,
    ) -> None:
        """Load nothing before something has to be measured.

        Args:
            path: of the file.
            engine: samples.
            make_codec: makes what turns problems into tokens.
            verifiers: grade.
            answers: for pass rates; 10 samples at a high temperature in the report.
            guesses: without a chain of thought; 8 samples.
            model: what tells its weights from others.
            batch: problems that are measured together.
            seed: of the samples.
        """
        self.path, self.engine, self.make_codec = path, engine, make_codec
        self.verifiers, self.answers, self.guesses = verifiers, answers, guesses
        self.model, self.batch, self.seed = model, batch, seed

    @cached_property
    def codec(self) -> BeginningCodec:
        return self.make_codec()

    def measured(self, problems: Sequence[Problem]) -> dict[str, Measured]:
        """Of each problem, by id; those whose grader broke are missing, and asked again by the
        next call.

        Raises GraderFailure if that happens too often, and whatever the engine raises.
        """
        known = self.known(problems)
        todo = [problem for problem in problems if problem.id not in known]
        stale = {line.id for line in read(self.path, Measured)} & {one.id for one in todo}
        if stale:
            print(f"{self.path}: {len(stale)} problems were measured in another way: once more")
        return known | {line.id: line for line in self._measure(todo)}

    def known(self, problems: Sequence[Problem]) -> dict[str, Measured]:
        """What the file says of the problems, as they are and are asked now."""
        marks = {problem.id: self.mark(problem) for problem in problems}
        lines = read(self.path, Measured)
        return {line.id: line for line in lines if marks.get(line.id) == line.mark}

    def mark(self, problem: Problem) -> str:
        """16 hex digits of all that a line depends on."""
        asked = (fingerprint_of(problem), problem.prompt, problem.answer, problem.tests)
        setting = (self.model, self.answers, self.guesses, self.seed)
        return hashlib.sha256(ascii((asked, setting)).encode()).hexdigest()[:16]

    def _measure(self, problems: Sequence[Problem]) -> Iterator[Measured]:
        if not problems:
            return
        progress = phase("measure", len(problems), " problems")
        with closing(Journal(self.path)) as journal, progress:
            for start in range(0, len(problems), self.batch):
                some = problems[start : start + self.batch]
                lines = list(self._batch(some))
                journal.append(*lines)
                progress.update(len(some))
                yield from lines

    def _batch(self, problems: Sequence[Problem]) -> Iterator[Measured]:
        prompts: list[tuple[Asked, Asked]] = []
        for problem in problems:
            try:
                asked, begun = self._written(problem)
                prompts.append((asked, begun))
            except ConfigError as error:
                yield Measured(id=problem.id, mark=self.mark(problem), refused=str(error))
        if not prompts:
            return
        plain, hasty = zip(*prompts, strict=True)
        answered = responses(self.engine, self.codec, plain, self.answers, (self.seed, "answer"))
        guessed = responses(self.engine, self.codec, hasty, self.guesses, (self.seed, "guess"))
        for answers, guesses in zip(list(answered), list(guessed), strict=True):
            right, lucky = self.verifiers.score(answers), self.verifiers.score(guesses)
            if right is not None and lucky is not None:
                yield Measured(
                    id=answers.problem.id,
                    mark=self.mark(answers.problem),
                    correct=right.outcome,
                    guessed=lucky.outcome,
                    tokens=sum(one.length for one in answers.rollouts) / self.answers.samples,
                )

    def _written(self, problem: Problem) -> tuple[Asked, Asked]:
        """As it is asked for answers, and for guesses."""
        ways = (self.answers, self.guesses)
        answer, guess = (written(self.codec, problem, asking) for asking in ways)
        return answer, guess


def difficult(
    measured: Callable[[Sequence[Problem]], Mapping[str, Measured]],
    *,
    easiest: float = 0.95,
    hardest: float = 0.0,
) -> Step:
    """The step that removes problems by what was measured of them.

    Args:
        measured: such as `Measuring.measured`.
        easiest: highest pass rate of a problem that stays; above it, it is trivial.
        hardest: lowest pass rate of one; 0 keeps those that were never solved.
    """

    def step(problems: Sequence[Problem]) -> Mapping[str, Removal]:
        found = measured(problems)
        said = {one.id: removal(found.get(one.id), easiest, hardest) for one in problems}
        return {id: removal for id, removal in said.items() if removal is not None}

    return step


def removal(line: Measured | None, easiest: float, hardest: float) -> Removal | None:
    """Why a problem that was measured so has to go."""
    if line is None:
        return Removal("not graded", "the grader broke")
    if line.refused:
        return Removal("not asked", line.refused)
    if lucky := sum(guess == 1 for guess in line.guessed):
        return Removal("guessable", f"{lucky} of {len(line.guessed)} guesses are right")
    if line.pass_rate > easiest:
        return Removal("trivial", f"pass rate {line.pass_rate:g}")
    if line.pass_rate < hardest:
        return Removal("too hard", f"pass rate {line.pass_rate:g}")
    return None

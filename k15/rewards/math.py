"""Mathematical equivalence of a boxed answer and the reference answer.

    response ─ extract ─► answer ─ exact ─► decided: equal strings, integers, fractions
                                     └─► else math-verify, in a process that can be killed

math-verify's own limits are alarms in wall-clock time, which only the main thread may set and which
make a grade depend on the load of the machine; without them an answer such as 9^{9^{9^9}} never
ends. Hence the processes, limited in CPU time and memory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from k15.rewards.base import GraderFailure, RewardCallback
from k15.rewards.workers import LimitExceeded, WorkerPool

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from k15.types import Problem, RolloutGroup

LONGEST = 1000  # characters of an answer; MATH's longest has 159
WORKER = Path(__file__).with_name("math_worker.py")

BOX = re.compile(r"\\boxed\s*\{")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # thousands, as LaTeX writes them: 10,\!000 10{,}000 10\,000 10\ 000
        (r"(?<=\d)(?:,\\!|\{,\}|\\[, ])\s*(?=\d{3}(?!\d))", ""),
        (r"(?<!\\)\\!", ""),
        (r"(?<!\\)\\[,;: ]|~|\\q?quad(?![A-Za-z])", " "),
        (r"\\(?:left|right)(?![A-Za-z])\.?", ""),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\?\$", ""),
        (r"\s+", " "),
        # a space that separates neither words nor the items of a list
        (r"(?<![\w,]) | (?!\w)", ""),
    )
]
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:[, ]\d{3})+(?:\.\d+)?")
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*|/\d+)?|\.\d+)")
FRACTION = re.compile(r"([+-]?)\\frac(?:\{([+-]?\d+)\}|(\d))(?:\{(\d+)\}|(\d))")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a response is right, and how that was found."""

    correct: bool
    extracted: str | None
    """What stands in the box; None if there is none."""
    how: Literal["no answer", "too long", "exact", "math-verify", "limit"]
    """"limit": the comparison took too much CPU time or memory, so the answer counts as wrong."""


def extract(response: str) -> str | None:
    r"""Content of the last `\boxed{...}`, the inner one of two nested; None if it is not closed."""
    boxes = list(BOX.finditer(response))
    if not boxes:
        return None
    start, depth = boxes[-1].end(), 1
    for token in BRACE.finditer(response, start):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return response[start : token.start()]
    return None


def normalise(answer: str) -> str:
    r"""One spelling for what only looks different: `\dfrac`, `\left(`, spaces, `10{,}000`."""
    for pattern, replacement in REWRITES:
        answer = pattern.sub(replacement, answer)
    answer = answer.strip().rstrip(".,;: ")
    return re.sub("[, ]", "", answer) if THOUSANDS.fullmatch(answer) else answer


def exact(answer: str, gold: str) -> bool | None:
    """Whether two normalised answers are equal, as strings or as rational numbers; None if that
    does not decide it.

    A decimal that differs from a fraction is left open: it may be the fraction, rounded.
    """
    if answer == gold:
        return True
    left, right = rational(answer), rational(gold)
    if left is None or right is None:
        return None
    if left != right and "." in answer + gold and 1 not in (left.denominator, right.denominator):
        return None
    return left == right


def rational(answer: str) -> Fraction | None:
    r"""`5`, `-0.5`, `1/2`, `-\frac{1}{2}` or `\frac12` as a number; None for anything else."""
    if len(answer) > LONGEST:
        return None
    if match := FRACTION.fullmatch(answer):
        sign, *digits = match.groups()
        top, bottom = (int(number) for number in digits if number)
        return Fraction(-top if sign == "-" else top, bottom) if bottom else None
    if NUMBER.fullmatch(answer) and not re.search(r"/0+$", answer):
        return Fraction(answer)
    return None


class MathVerifier:
    """Verifies responses; callable from any thread. Starts its processes when it needs them."""

    def __init__(
        self, *, workers: int = 2, cpu_seconds: float = 5.0, memory_mib: int = 1024
    ) -> None:
        """Start nothing yet.

        Args:
            workers: processes, and so comparisons at the same time.
            cpu_seconds: CPU time of one comparison. On MATH the slowest takes 0.2.
            memory_mib: what one process may take on top of the 60 MiB it starts with.
        """
        limits = (str(cpu_seconds), str(memory_mib * 2**20))
        self._pool = WorkerPool((sys.executable, "-P", str(WORKER), *limits), size=workers)
        self._judge = lru_cache(maxsize=2**16)(self._ask)

    def start(self) -> None:
        """Start a process now; raises GraderFailure if it does not start or grades wrong."""
        self._pool.start()

    def close(self) -> None:
        """End the processes; a later call starts new ones."""
        self._pool.close()

    def verify(self, response: str, gold: str) -> Verdict:
        """Whether the last box of `response` holds an answer equivalent to `gold`.

        Raises GraderFailure if `gold` cannot be parsed or a process died again and again.
        """
        extracted = extract(response)
        if not extracted or not extracted.strip():
            return Verdict(False, extracted, "no answer")
        if len(extracted) > LONGEST:
            return Verdict(False, extracted, "too long")
        answer, gold = normalise(extracted), normalise(gold)
        correct = exact(answer, gold)
        if correct is not None:
            return Verdict(correct, extracted, "exact")
        correct, how = self._judge(answer, gold)
        return Verdict(correct, extracted, how)

    def verify_all(self, responses: Sequence[str], gold: str) -> list[Verdict]:
        """`verify` on each response, as many at a time as there are processes."""
        with ThreadPoolExecutor(self._pool.size) as threads:
            return list(threads.map(lambda response: self.verify(response, gold), responses))

    def check(self, gold: str) -> None:
        """Raise ValueError if `gold` cannot serve as a reference answer."""
        if len(gold) > LONGEST:
            raise ValueError(f"the answer has {len(gold)} characters, at most {LONGEST} are graded")
        text = normalise(gold)
        if not text:
            raise ValueError("the answer is empty")
        if rational(text) is None and not self._parses(text):
            raise ValueError(f"math-verify cannot parse the answer {gold!r}")

    def _parses(self, gold: str) -> bool:
        try:
            return self._pool.call({"gold": gold})["parsed"]
        except LimitExceeded:
            return False

    def _ask(self, answer: str, gold: str) -> tuple[bool, Literal["math-verify", "limit"]]:
        try:
            equal = self._pool.call({"answer": answer, "gold": gold})["equal"]
        except LimitExceeded:
            return False, "limit"
        if equal is None:
            raise GraderFailure(f"math-verify cannot parse the reference answer {gold!r}")
        return equal, "math-verify"


class MathReward(RewardCallback):
    """1.0 for a response whose boxed answer is equivalent to `problem.answer`, else 0.0."""

    outcome = True

    def __init__(
        self,
        *,
        workers: int = 2,
        cpu_seconds: float = 5.0,
        weight: float = 1.0,
        domains: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight=weight, domains=domains)
        self.verifier = MathVerifier(workers=workers, cpu_seconds=cpu_seconds)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self.verifier.start()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.verifier.close()
        super().teardown(trainer, pl_module, stage)

    def check(self, problem: Problem) -> None:
        if problem.answer is None:
            raise ValueError(f"problem {problem.id!r} has no answer to compare with")
        self.verifier.check(problem.answer)

    def score(self, group: RolloutGroup) -> list[float]:
        gold = group.problem.answer
        if gold is None:
            raise ValueError(f"problem {group.problem.id!r} has no answer to compare with")
        texts = [rollout.text for rollout in group.rollouts]
        return [float(verdict.correct) for verdict in self.verifier.verify_all(texts, gold)]

r"""Mathematical equivalence of the answer in a response and the reference answer.

The way of an answer is drawn in `k15.graders.math`.

Nine answers in ten are decided by exact arithmetic in this process. math-verify's own limits are
alarms in wall-clock time, which only the main thread may set and which make a grade depend on the
load of the machine; without them an answer such as 9^{9^{9^9}} never ends. Hence the processes,
limited in CPU time and memory, and the answers that are refused before they get there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from k15.graders.base import Verdict
from k15.graders.math.algebra.values import Rational, TooLarge
from k15.graders.math.compare.exact import LONGEST, exact, quietly_read, rational, refused
from k15.graders.math.compare.quantities import Percent, Policy, Rounding
from k15.graders.math.extract.answers import extract, extract_choice, extract_free
from k15.graders.math.extract.claims import Extraction as Found
from k15.graders.math.normalise import normalise
from k15.graders.math.read.answers import read
from k15.graders.math.read.kinds import Quantity
from k15.graders.workers import LimitExceeded, WorkerPool

WORKER = Path(__file__).with_name("worker.py")
SURROGATE = re.compile("[\ud800-\udfff]")

Extraction = Literal["boxed", "free", "choice"]
EXTRACT: dict[str, Callable[[str], Found]] = {
    "boxed": extract,
    "free": extract_free,
    "choice": extract_choice,
}


class MathVerifier:
    """Verifies responses; callable from any thread. Starts its processes when it needs them."""

    def __init__(
        self,
        *,
        workers: int = 2,
        cpu_seconds: float = 2.0,
        memory_mib: int = 1024,
        extraction: Extraction = "boxed",
        percent: Percent = "either",
        rounding: Rounding = "repeating",
        integer_range: Sequence[int] | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            workers: processes, and so comparisons by math-verify at the same time.
            cpu_seconds: CPU time of one such comparison. On MATH the slowest takes 0.2.
            memory_mib: what one process may take on top of the 60 MiB it starts with.
            extraction: "boxed" takes the last box alone, as RL should; "free" also what follows
                "the final answer is", else the last formula or number, as for an evaluation of
                models that do not box, and it reads the gold answer in the same way; "choice" the
                letter of a multiple-choice question.
            percent: see `compare.quantities.Policy`.
            rounding: see `compare.quantities.Policy`.
            integer_range: the lowest and the highest answer there can be, such as [0, 999] for
                AIME: answers are then compared as whole numbers, and nothing else is right.
        """
        if extraction not in get_args(Extraction):
            raise ValueError(
                f"extraction={extraction!r}: choose one of {', '.join(get_args(Extraction))}"
            )
        if integer_range is not None and len(integer_range) != 2:
            raise ValueError(f"integer_range={integer_range}: give the lowest and the highest")
        self._policy = Policy(percent, rounding)
        self._extraction = extraction
        self._integers = None if integer_range is None else tuple(integer_range)
        limits = (str(cpu_seconds), str(memory_mib * 2**20))
        self._pool = WorkerPool((sys.executable, "-P", str(WORKER), *limits), size=workers)
        self._judge = lru_cache(maxsize=2**16)(self._ask)
        self._spelled = lru_cache(maxsize=2**14)(self._read_gold)

    def start(self) -> None:
        """Start a process now; raises GraderFailure if it does not start or grades wrong."""
        self._pool.start()

    def close(self) -> None:
        """End the processes; a later call starts new ones."""
        self._pool.close()

    def verify(self, response: str, gold: str) -> Verdict:
        """Whether the answer in `response` is equivalent to `gold`.

        `how` is "exact", "math-verify" or, always wrong, "no answer", "too long", "limit" (the
        comparison takes too much CPU time or memory), "unreadable" (neither reader knows it).

        Raises:
            ValueError: `check` refuses the gold. With any other one, every response is right or
                wrong.
            GraderFailure: a process died.
        """
        reference = self.reference(gold)
        found = EXTRACT[self._extraction](response)
        correct, how = self._judged(found.text, reference)
        return Verdict(correct=correct, extracted=found.text, how=how, found=found.how)

    def equal(self, answer: str, gold: str) -> bool:
        """Whether two bare answers are equivalent, whatever the extraction; see `verify`."""
        if max(len(answer), len(gold)) > LONGEST:
            return answer == gold
        answer, gold = normalise(answer), normalise(gold)
        return not refused(gold) and self._compare(answer, gold)[0]

    def check(self, gold: str) -> None:
        """Raise ValueError if `gold` cannot serve as a reference answer."""
        self.reference(gold)

    def reference(self, gold: object) -> str:
        """The gold answer in its one spelling. Raises ValueError if it cannot serve as one."""
        if not isinstance(gold, str):
            raise ValueError(
                f"the answer {gold!r} is no text but {type(gold).__name__}: write it in quotes"
            )
        return self._spelled(gold)

    def _read_gold(self, gold: str) -> str:
        if len(text := self._gold(gold)) > LONGEST:
            raise ValueError(f"the answer has {len(text)} characters, at most {LONGEST} are graded")
        if SURROGATE.search(text):
            raise ValueError(f"the answer {gold!r} has half of a UTF-16 pair: decode it again")
        text = normalise(text)
        if not text:
            raise ValueError("the answer is empty")
        if self._integers is not None and self._integer(text) is None:
            raise ValueError(f"the answer {gold!r} is no whole number in {list(self._integers)}")
        if rational(text) is None and not self._readable(text):
            raise ValueError(f"math-verify cannot parse the answer {gold!r}")
        return text

    def _judged(self, extracted: str | None, gold: str) -> tuple[bool, str]:
        """Whether an extracted answer is equivalent to the spelled gold, and how that was seen."""
        if not extracted or not extracted.strip():
            return False, "no answer"
        if len(extracted) > LONGEST:
            return False, "too long"
        answer = normalise(extracted)
        if self._extraction == "choice":
            return answer.upper() == gold.upper(), "letter"
        if self._integers is not None:
            value = self._integer(answer)
            return value is not None and value == self._integer(gold), "exact"
        return self._compare(answer, gold)

    def _gold(self, gold: str) -> str:
        """The answer in the gold text, which only the lenient extractions look for."""
        if self._extraction == "boxed":
            return gold
        return EXTRACT[self._extraction](gold).text or gold

    def _integer(self, text: str) -> int | None:
        assert self._integers is not None
        value: Rational | None = rational(text)
        if value is None and isinstance(reading := quietly_read(text), Quantity):
            value = reading.value.rational
        low, high = self._integers
        return (
            int(value)
            if value is not None and value.denominator == 1 and low <= value <= high
            else None
        )

    def _compare(
        self, answer: str, gold: str
    ) -> tuple[bool, Literal["exact", "math-verify", "limit", "unreadable"]]:
        try:
            correct = exact(answer, gold, self._policy)
        except TooLarge:
            return False, "limit"
        if correct is not None:
            return correct, "exact"
        if reason := refused(answer):
            return False, reason
        return self._judge(answer, gold)

    def _readable(self, gold: str) -> bool:
        try:
            if read(gold) is not None:
                return True
            return self._pool.call({"gold": gold})["parsed"]
        except TooLarge:
            return True  # equal to itself
        except LimitExceeded:
            return False

    def _ask(self, answer: str, gold: str) -> tuple[bool, Literal["math-verify", "limit"]]:
        """A gold that math-verify cannot parse, though k15 can, is not equal to what k15 cannot."""
        try:
            equal = self._pool.call({"answer": answer, "gold": gold})["equal"]
        except LimitExceeded:
            return False, "limit"
        return bool(equal), "math-verify"

"""The same question as text and as picture should get the same answer (k1.5 §2.3.5, text-rendered
data).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from k15.graders.math.compare.exact import LONGEST
from k15.graders.math.extract.answers import extract
from k15.graders.math.normalise import normalise
from k15.rewards.base import RewardCallback

if TYPE_CHECKING:
    from k15.types import RolloutGroup


class ConsistencyReward(RewardCallback):
    """1.0 for an answer that the question's other form got most often when it was last asked.

    `problem.meta["twin"]` is the same for both forms, which differ in having pictures. Without it,
    or before the other form has been answered, all get 0.0: a constant changes no advantage. It
    shapes and verifies nothing: both forms can agree on a wrong answer, and a question with several
    right answers can be answered rightly in two ways.
    """

    def __init__(self, *, weight: float = 1.0, domains: Sequence[str] | None = None) -> None:
        super().__init__(weight=weight, domains=domains)
        self.answers: dict[str, dict[str, str | None]] = {"text": {}, "image": {}}
        """Plurality answer of the newest group, by form and twin."""

    def score(self, group: RolloutGroup) -> list[float]:
        """Compare with the other form's answer, and remember this form's."""
        twin = group.problem.meta.get("twin")
        if twin is None:
            return [0.0] * len(group.rollouts)
        form, other = ("image", "text") if group.problem.images else ("text", "image")
        answers = [boxed(rollout.text) for rollout in group.rollouts]
        self.answers[form][twin] = plurality(answers)
        expected = self.answers[other].get(twin)
        return [float(answer is not None and answer == expected) for answer in answers]

    def state_dict(self) -> dict[str, Any]:
        """The answers, which a resumed run compares with."""
        return {"answers": {form: dict(answers) for form, answers in self.answers.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with these answers."""
        self.answers = {form: dict(answers) for form, answers in state_dict["answers"].items()}


def boxed(response: str) -> str | None:
    r"""The content of the last `\boxed{}` in one spelling; None if there is none, or one that is
    longer than what is graded.
    """
    found = extract(response).text
    return None if found is None or len(found) > LONGEST else normalise(found) or None


def plurality(answers: Iterable[str | None]) -> str | None:
    """The most frequent answer, of equally frequent ones the first; None without any."""
    counts = Counter(answer for answer in answers if answer is not None)
    return max(counts, key=lambda answer: counts[answer], default=None)

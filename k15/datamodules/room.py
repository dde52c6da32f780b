"""The model's context, which every training sequence has to fit into."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from k15.models.batching import expanded_length
from k15.models.policy import Policy
from k15.types import Example

AnyExample = TypeVar("AnyExample", bound=Example)
LISTED = 10
IN_A_ROW = 1000  # examples that do not fit, after which none is expected to


class Room:
    """Lets examples in that fit, and remembers the names of the others.

    With `cut`, a response that is too long is cut where the context ends. At most a share of
    `max_refused` may be left out.
    """

    def __init__(self, policy: Policy, what: str, *, max_refused: float, cut: bool = False) -> None:
        if not 0 <= max_refused <= 1:
            raise ValueError(f"datamodule.max_refused={max_refused}: a share is from 0 to 1")
        self.policy = policy
        self.what = what
        self.max_refused = max_refused
        self.cut = cut
        self._names: set[str] = set()
        self._cut: set[str] = set()
        self._refused: dict[str, str] = {}
        self._in_a_row = 0

    def fit(self, name: str, example: AnyExample) -> AnyExample | None:
        """The example, cut where that is asked for; None if it does not fit.

        Raises ValueError when nothing has fitted for long.
        """
        self._names.add(name)
        excess = expanded_length(self.policy, example) - self.policy.context
        kept = len(example.response_tokens) - excess
        if excess <= 0 or (self.cut and kept > 0):
            self._in_a_row = 0
            return example if excess <= 0 else self._shortened(name, example, kept)
        response = len(example.response_tokens)
        prompt = excess + self.policy.context - response
        self._refused[name] = f"{prompt} tokens of prompt, {response} of response"
        self._in_a_row += 1
        if self._in_a_row == IN_A_ROW:
            raise ValueError(f"{self._message()}\n{IN_A_ROW} came in a row; {self._way_out()}")
        return None

    def report(self) -> None:
        """Print what was cut and left out; raises ValueError if that is more than the share."""
        if self._cut:
            where = f"cut at the model's context of {self.policy.context} tokens"
            print(f"{len(self._cut)} of {len(self._names)} {self.what} are {where}", flush=True)
        if len(self._refused) > self.max_refused * len(self._names):
            share = f"more than datamodule.max_refused={self.max_refused} of them"
            raise ValueError(f"{self._message()}\n{share}; {self._way_out()}")
        if self._refused:
            print(f"{self._message()}\nthey are left out", flush=True)

    def _shortened(self, name: str, example: AnyExample, kept: int) -> AnyExample:
        self._cut.add(name)
        return replace(
            example,
            response_tokens=example.response_tokens[:kept],
            loss_mask=example.loss_mask[:kept],
        )

    def _message(self) -> str:
        first = list(self._refused.items())[:LISTED]
        listed = "\n".join(f"  {name}: {reason}" for name, reason in first)
        return (
            f"{len(self._refused)} of {len(self._names)} {self.what} do not fit into the model's "
            f"context of {self.policy.context} tokens:\n{listed}"
        )

    def _way_out(self) -> str:
        cut = "" if self.cut else "cut responses with datamodule.cut_to_context=true, "
        return f"{cut}raise the share to leave them out, or take a model with a longer context"

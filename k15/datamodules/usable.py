"""Which training sequences can be used; the others are named."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from k15.models.layouts.base import expanded_length
from k15.models.policy import Policy
from k15.types import Example

AnyExample = TypeVar("AnyExample", bound=Example)
LISTED = 10
IN_A_ROW = 1000  # sequences that cannot be used, after which none is expected that can


class Usable:
    """Lets sequences in that fit into the model's context, and remembers why others cannot be used.

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
        self._reasons: dict[str, str] = {}
        self._in_a_row = 0

    def fit(self, name: str, example: AnyExample) -> AnyExample | None:
        """The example, cut where that is asked for; None if it does not fit.

        Raises ValueError as `refuse` does.
        """
        response = len(example.response_tokens)
        prompt = expanded_length(self.policy, example) - response
        room = self.policy.context - prompt
        if response > room and not (self.cut and room > 0):
            self.refuse(
                name,
                f"{prompt} tokens of prompt and {response} of response exceed the model's context "
                f"of {self.policy.context}: datamodule.cut_to_context=true cuts responses",
            )
            return None
        self.seen(name)
        return example if response <= room else self._shortened(name, example, room)

    def seen(self, name: str) -> None:
        """One that can be used."""
        self._names.add(name)
        self._in_a_row = 0

    def refuse(self, name: str, reason: str) -> None:
        """One that cannot be used; raises ValueError when none could for long."""
        self._names.add(name)
        self._reasons[name] = reason
        self._in_a_row += 1
        if self._in_a_row == IN_A_ROW:
            raise ValueError(f"{self._message()}\n{IN_A_ROW} came in a row")

    def report(self) -> None:
        """Print what was cut and left out; raises ValueError if that is more than the share."""
        if self._cut:
            where = f"cut at the model's context of {self.policy.context} tokens"
            print(f"{len(self._cut)} of {len(self._names)} {self.what} are {where}", flush=True)
        if len(self._reasons) > self.max_refused * len(self._names):
            raise ValueError(
                f"{self._message()}\nmore than datamodule.max_refused={self.max_refused} of them; "
                "mend the data, or raise the share to leave them out"
            )
        if self._reasons:
            print(f"{self._message()}\nthey are left out", flush=True)

    def _shortened(self, name: str, example: AnyExample, room: int) -> AnyExample:
        self._cut.add(name)
        response, mask = example.response_tokens[:room], example.loss_mask[:room]
        return replace(example, response_tokens=response, loss_mask=mask)

    def _message(self) -> str:
        first = list(self._reasons.items())[:LISTED]
        listed = "\n".join(f"  {name}: {reason}" for name, reason in first)
        count = f"{len(self._reasons)} of {len(self._names)} {self.what}"
        return f"{count} cannot be used:\n{listed}"

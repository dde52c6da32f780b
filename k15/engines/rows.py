"""The responses that are being decoded, side by side: one per row of the slot cache.

The first `count` rows are active. A row that ends is overwritten by one of the last active rows,
so that the active ones stay together; new responses join behind them.

Legend: S slots, B active rows, N new tokens, F fields.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FIELDS = ("request", "seed", "token", "position", "rotary", "length", "budget", "way")


class Rows:
    """What is known of each row, in tensors that stay where they are."""

    def __init__(self, slots: int, device: torch.device) -> None:
        self.slots, self.count = slots, 0
        self.limit = 0
        """Positions of the longest active row, the next input token included."""
        self.state_FS = torch.zeros(len(FIELDS), slots, dtype=torch.long, device=device)
        self.tokens_SN = torch.zeros(slots, 0, dtype=torch.long, device=device)
        self.logps_SN = torch.zeros(slots, 0, dtype=torch.float32, device=device)
        self.row_S = torch.arange(slots, device=device)

    def __getitem__(self, field: str) -> Tensor:
        """[B] a view of one field: the index of the request in its call and its seed, the token to
        be fed next, its position in the slot and its rotary position, new tokens so far, new tokens
        allowed, and the number of the way in which its tokens are drawn.
        """
        return self.state_FS[FIELDS.index(field), : self.count]

    @property
    def indices(self) -> Tensor:
        """[B] 0, 1, 2, ..."""
        return self.row_S[: self.count]

    def widen(self, longest: int) -> None:
        """Make room for responses of so many new tokens."""
        more = longest - self.tokens_SN.shape[1]
        if more > 0:
            self.tokens_SN = torch.nn.functional.pad(self.tokens_SN, (0, more))
            self.logps_SN = torch.nn.functional.pad(self.logps_SN, (0, more))

    def join(self, rows: Sequence[tuple[int, ...]]) -> None:
        """Add responses, their fields in the order of `FIELDS`."""
        new_FB = torch.tensor(rows, device=self.state_FS.device).T
        self.state_FS[:, self.count : self.count + len(rows)] = new_FB
        self.count += len(rows)
        self.limit = max(self.limit, 1 + max(row[FIELDS.index("position")] for row in rows))

    def append(self, token_B: Tensor, logp_B: Tensor) -> None:
        """One more token for each row, which is also its next input."""
        place = (self.indices, self["length"])
        self.tokens_SN[place], self.logps_SN[place] = token_B, logp_B
        self["token"].copy_(token_B)
        for field in ("position", "rotary", "length"):
            self[field].add_(1)
        self.limit += 1

    def tails(self, size: int) -> Tensor:
        """[B, size] the last new tokens of each row; in front of the first ones, negative numbers
        that are all different.
        """
        back = torch.arange(-size, 0, device=self.row_S.device)
        place = self["length"][:, None] + back
        tokens = self.tokens_SN[: self.count].gather(1, place.clamp(min=0))
        return torch.where(place >= 0, tokens, back)

    def responses(self, ended_B: Tensor) -> list[tuple[int, list[int], list[float]]]:
        """Request, new tokens and their log-probabilities of the rows that ended."""
        row_B = ended_B.nonzero()[:, 0]
        requests, lengths = self["request"][row_B].tolist(), self["length"][row_B].tolist()
        tokens = self.tokens_SN[row_B, : max(lengths)].tolist()
        logps = self.logps_SN[row_B, : max(lengths)].tolist()
        return [
            (request, new[:length], logp[:length])
            for request, length, new, logp in zip(requests, lengths, tokens, logps, strict=True)
        ]

    def remove(self, ended_B: Tensor) -> tuple[Tensor, Tensor]:
        """Close the gaps; returns the rows that moved, from where and to where."""
        staying = (~ended_B).nonzero()[:, 0]
        self.count = len(staying)
        source, target = staying[staying >= self.count], ended_B[: self.count].nonzero()[:, 0]
        self.state_FS[:, target] = self.state_FS[:, source]
        longest = int(self["length"].max()) if self.count else 0
        for new_SN in (self.tokens_SN, self.logps_SN):
            new_SN[target, :longest] = new_SN[source, :longest]
        self.limit = 1 + int(self["position"].max()) if self.count else 0
        return source, target

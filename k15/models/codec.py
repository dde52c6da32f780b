"""What stands between problems and the token ids of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from k15.types import Problem


class Codec(Protocol):
    """Between problems and token ids; `k15.models.policy.Policy` is one."""

    @property
    def context(self) -> int: ...

    def encode(self, problem: Problem) -> tuple[int, ...]: ...

    def decode(self, tokens: Sequence[int]) -> str: ...

    def length(self, tokens: Sequence[int], images: Sequence[Any] = ()) -> int: ...


class TextCodec(Codec, Protocol):
    """One that takes text as it stands, outside of any chat."""

    def encode_text(self, text: str) -> tuple[int, ...]: ...


class BeginningCodec(Codec, Protocol):
    """One that can put the beginning of a response into its mouth."""

    def encode_beginning(self, text: str) -> tuple[int, ...]: ...

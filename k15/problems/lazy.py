"""Problems that are made when they are asked for, so that thousands of pictures need no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import overload

from k15.types import Problem


class LazyProblems(Sequence[Problem]):
    """As many problems as `makers`; each is called whenever its problem is asked for."""

    def __init__(self, makers: Iterable[Callable[[], Problem]]) -> None:
        self.makers = list(makers)

    def __len__(self) -> int:
        return len(self.makers)

    @overload
    def __getitem__(self, index: int) -> Problem: ...

    @overload
    def __getitem__(self, index: slice) -> LazyProblems: ...

    def __getitem__(self, index: int | slice) -> Problem | LazyProblems:
        if isinstance(index, slice):
            return LazyProblems(self.makers[index])
        return self.makers[index]()


def chosen(problems: Sequence[Problem], indices: Iterable[int]) -> LazyProblems:
    """Some of the problems."""
    return LazyProblems(partial(problems.__getitem__, index) for index in indices)

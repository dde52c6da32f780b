"""Problems with an answer, for RL and for the warm-up that leads to it."""

from __future__ import annotations

from typing import Any, ClassVar

from k15.config.errors import ConfigError
from k15.problems.golds import gold, solution
from k15.problems.pictures import Picture, in_order, placed
from k15.problems.pools import Entry, RecordPools, listed
from k15.problems.rows import Names, Row
from k15.problems.sources import NoDemonstration
from k15.questions import Split, fingerprint
from k15.types import Problem


class RecordSource(RecordPools):
    """Problems of a file or data set (`RecordPools`), each with an answer that can be graded.

    GSM8K's and MATH's own records will do, whose answer stands in a solution.
    """

    FIELDS: ClassVar[Names] = {
        "id": ("id", "unique_id"),
        "problem": ("problem", "question", "prompt"),
        "difficulty": ("level",),
        "images": (),
    }

    def __init__(
        self, path: str, *, instruction: str = "", demonstrate: str = "solution", **pools: Any
    ) -> None:
        r"""Read all records.

        Args:
            path: of the file, or the name of the data set.
            instruction: appended to every question.
            demonstrate: "solution", or "answer": the boxed answer alone.
            pools: of `RecordPools`.
        """
        if demonstrate not in ("solution", "answer"):
            raise ValueError(f"data.demonstrate={demonstrate!r}: choose solution or answer")
        self.instruction = instruction
        self.demonstrate = demonstrate
        super().__init__(path, **pools)

    def demonstration(self, index: int, split: Split = "train") -> tuple[Problem, str]:
        """The written solution, or the boxed answer alone, of a problem.

        Raises NoDemonstration if a solution is to be shown and the problem has none.
        """
        problem = self.drawn(index, split)
        if self.demonstrate == "answer":
            return problem, f"\\boxed{{{problem.answer}}}"
        if "solution" not in problem.meta:
            raise NoDemonstration(
                problem,
                f"{problem.meta['place']} has no solution: data.fields.solution=... names its "
                "field, data.demonstrate=answer does without",
            )
        return problem, problem.meta["solution"]

    def entry(self, row: Row) -> Entry:
        """Question, answer, and what else the record tells."""
        own = row.text("problem")
        id, meta = row.identity(row.place), {"place": row.place}
        if worked := solution(row):
            meta["solution"] = worked
        content, pictures = self._placed(row, f"{own}\n{self.instruction}".strip(), id)
        meta["question"] = fingerprint(own, [one.digest() for one in pictures])
        problem = Problem(
            id=id,
            prompt=self.messages({"role": "user", "content": content}),
            answer=gold(row),
            domain=self.domain,
            difficulty=row.level("difficulty"),
            meta=meta,
        )
        return Entry(problem, pictures, meta["question"])

    def _placed(self, row: Row, text: str, id: str) -> tuple[Any, list[Picture]]:
        """What the message holds, and the pictures in its order."""
        if row.get("images") is None:
            return text, []
        label = f"problem {id}"
        try:
            names = in_order(text, listed(row.get("images")))
            content = placed(text, len(names))
        except ConfigError as error:
            raise ConfigError(f"{row.place}: {label}: {error}") from error
        return content, self.pictures(names, row, label)

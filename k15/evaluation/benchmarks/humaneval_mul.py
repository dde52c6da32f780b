"""HumanEval in eight languages, as MultiPL-E translates it and DeepSeek-Coder publishes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from k15.config.errors import ConfigError
from k15.evaluation.benchmarks.code import FUNCTION, CodeBenchmark, python_function, with_meta
from k15.graders.code import suites
from k15.markdown import code_block
from k15.problems.records import read_records
from k15.problems.rows import Row
from k15.sandbox.protocol import Language
from k15.types import Problem

CODES: Mapping[Language, str] = {
    "python": "python",
    "java": "java",
    "cpp": "cpp",
    "csharp": "cs",
    "javascript": "js",
    "typescript": "ts",
    "php": "php",
    "bash": "sh",
}
"""What the files and the configurations of the data set call the languages."""
CLASS = re.compile(r"(?:^|\n)[ \t]*(?:public |static |abstract )*class\s+\w+[^{]{0,500}\{")


class HumanEvalMul(CodeBenchmark):
    """About 160 functions in each of eight languages."""

    name = "humaneval_mul"
    groups = ("language",)
    instructions: ClassVar[dict[str, str]] = {
        mode: text.format(tag="") + " Write no tests and no main function."
        for mode, text in FUNCTION.items()
    }
    NEEDED = (
        "humaneval-<language>.jsonl for each language (give the folder; DeepSeek-Coder's "
        "Evaluation/HumanEval/data)"
    )

    def __init__(
        self,
        path: str,
        *,
        python_path: str = "openai/openai_humaneval",
        chosen: Sequence[Language] = tuple(CODES),
        **code: Any,
    ) -> None:
        """Read nothing yet.

        Args:
            path: the data set on the hub, or a folder with humaneval-<language>.jsonl.
            python_path: where Python's come from if `path` is a data set: MultiPL-E has none.
            chosen: the languages.
            code: of `CodeBenchmark`.
        """
        super().__init__(path, **code)
        if unknown := set(chosen) - set(CODES):
            raise ConfigError(
                f"benchmark {self.name}: chosen={list(chosen)}: there is no {', '.join(unknown)}; "
                f"choose from {', '.join(CODES)}"
            )
        self.python_path, self.chosen = python_path, tuple(chosen)

    def languages(self) -> Sequence[Language]:
        """The chosen ones."""
        return self.chosen

    def rows(self) -> Iterator[Row]:
        """Language after language."""
        for language in self.chosen:
            for row in self._records(language):
                named = {"task_id": row.record.get("name"), **row.record, "language": language}
                yield replace(row, record=named)

    def problem(self, row: Row) -> Problem:
        """The signature with its comment."""
        language: Language = row.record["language"]
        prompt = row.text("prompt")
        if language == "python":
            problem = self.converted(row, suites.humaneval, ("task_id", "test"))
        else:
            row.texts("stop_tokens")
            problem = self.converted(
                row, lambda record: suites.humaneval_mul(record, language), ("task_id", "tests")
            )
        problem = replace(problem, id=f"{language}/{problem.id}")
        asked = ({"role": "user", "content": f"```{language}\n{prompt}\n```"},)
        return with_meta(replace(problem, prompt=asked), language=language, row=row.record)

    def program(self, problem: Problem, response: str) -> str:
        """The function without what the tests bring along: class, shebang, opening tag."""
        row, language = problem.meta["row"], problem.meta["language"]
        if language == "python":
            return python_function(row["prompt"], problem.tests[0]["entry_point"], response)
        block = code_block(response, language)
        if block is None:
            return suites.complete(row, response, language)
        return bare(block, language)

    def _records(self, language: Language) -> list[Row]:
        code, setting = CODES[language], f"benchmark.{self.name}.path"
        if Path(self.path).is_dir():
            file = Path(self.path, f"humaneval-{code}.jsonl")
            return read_records(str(file), self.split, self.fields, setting=setting)
        python = language == "python"
        return read_records(
            self.python_path if python else self.path,
            self.split,
            self.fields,
            config=None if python else f"humaneval-{code}",
            setting=setting,
            wanted=self.NEEDED,
        )


def bare(block: str, language: Language) -> str:
    """A fenced block without the class around its functions, or the opening tag."""
    if language == "php":
        return re.sub(r"^\s*<\?(?:php)?|\?>\s*$", "", block)
    if language in ("java", "csharp") and (match := CLASS.search(block)):
        return block[match.end() :].rpartition("}")[0] or block[match.end() :]
    return block

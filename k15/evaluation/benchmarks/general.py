"""General knowledge and instructions: tasks of lm-eval (MMLU, C-Eval, IF-Eval, CLUEWSC).

Questions, references and the checks of instructions are lm-eval's. Responses are generated like
those of any other benchmark, so a multiple-choice question is answered by writing a letter; under
`prompting=likelihood` by comparing the log-likelihoods of its choices, as lm-eval does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from k15.config.errors import ConfigError
from k15.evaluation.benchmark import Benchmark
from k15.graders.base import Verdict
from k15.graders.choices import LETTERS, chosen
from k15.tasks.thoughts import conclusion
from k15.types import Problem

OURS = Path(__file__).with_name("lm_eval_tasks")
SPLITS = ("train", "validation", "val", "test", "dev")


class LmEval(Benchmark):
    """Tasks or groups of lm-eval, as one benchmark."""

    groups = ("task",)

    def __init__(
        self,
        *,
        name: str,
        tasks: Sequence[str],
        folder: str | None = None,
        metric: str = "prompt_level_strict_acc",
        path: str | None = None,
        instructions: Mapping[str, str] | None = None,
        **asking: Any,
    ) -> None:
        """Read nothing yet.

        Args:
            name: as it stands in tables.
            tasks: names of tasks or groups.
            folder: of lm_eval/tasks, in which they are looked for; None: ours.
            metric: of tasks that are not multiple choice: which of their figures counts.
            path: a .jsonl file with the task's records, or a folder with <task>.jsonl for each;
                None: the hub.
            instructions: what is written behind a question, by prompting mode.
            asking: of `Benchmark`.
        """
        self.name = name
        super().__init__(**asking)
        self.tasks, self.folder, self.metric, self.path = tuple(tasks), folder, metric, path
        self.instructions = dict(instructions or {})  # type: ignore[misc]
        self._checking = Lock()

    def problems(self) -> Sequence[Problem]:
        """Every record of every task.

        Raises ValueError if lm-eval is not installed or its data cannot be loaded.
        """
        return [
            self._problem(name, task, number, record)
            for name, task in self._loaded.items()
            for number, record in enumerate(task.eval_docs)
        ]

    def grade(self, problem: Problem, response: str) -> Verdict:
        """By letter, or by the task's own metric."""
        if options := problem.meta["choices"]:
            found = chosen(response, options)
            correct = found.text == problem.answer
            return Verdict(correct=correct, extracted=found.text, how="letter", found=found.how)
        task, response = self._loaded[problem.meta["task"]], conclusion(response).strip()
        with self._checking:  # langdetect and nltk, which the checks use, keep global state
            found = task.process_results(problem.meta["record"], [response])
        if self.metric not in found:
            raise ConfigError(
                f"benchmark {self.name}: metric={self.metric!r}: the task has {', '.join(found)}"
            )
        return Verdict(correct=float(found[self.metric]), extracted=response, how=self.metric)

    @cached_property
    def _loaded(self) -> Mapping[str, Any]:
        try:
            import lm_eval.tasks
        except ImportError as error:
            raise ConfigError(
                f"benchmark {self.name} needs lm-eval: pip install 'k15[lm-eval]'"
            ) from error
        tasks = Path(lm_eval.tasks.__file__).parent
        where = tasks / self.folder if self.folder else OURS
        # not all of its thousands of files, which takes seconds
        manager = lm_eval.tasks.TaskManager(include_path=str(where), include_defaults=False)
        try:
            members = [self._spec(name) for name in self.tasks]
            return manager.load({"group": f"k15_{self.name}", "task": members})["tasks"]
        except (OSError, KeyError) as error:
            reason = str(error).strip().split("\n")[0]
            raise ConfigError(
                f"benchmark {self.name}: lm-eval cannot load {', '.join(self.tasks)} ({reason}); "
                f"without the Hugging Face hub give benchmark.{self.name}.path=<file>, a .jsonl "
                "file with the records of the task, or a folder with <task>.jsonl for each"
            ) from error

    def _spec(self, name: str) -> str | dict[str, Any]:
        if self.path is None:
            return name
        path = Path(self.path)
        file = path / f"{name}.jsonl" if path.is_dir() else path
        if not file.is_file():
            raise ConfigError(
                f"benchmark.{self.name}.path={self.path!r}: no such file: {file}; give the records "
                f"of the task {name} as .jsonl"
            )
        files = {"data_files": {split: str(file) for split in SPLITS}}
        return {
            "task": name,
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": files,
        }

    def _problem(self, name: str, task: Any, number: int, record: Any) -> Problem:
        description = task.config.description or ""
        choices = task.doc_to_choice(record) if task.OUTPUT_TYPE == "multiple_choice" else []
        delimiter = task.config.target_delimiter
        target = str(task.doc_to_target(record)) if choices else None
        answer = LETTERS[int(target)] if target and target.isdigit() else target
        return Problem(
            id=f"{name}/{number}",
            prompt=({"role": "user", "content": f"{description}{task.doc_to_text(record)}"},),
            answer=answer,
            domain="open",
            meta={
                "task": name,
                "choices": choices,
                "continuations": [f"{delimiter}{choice}" for choice in choices],
                "record": record,
            },
        )

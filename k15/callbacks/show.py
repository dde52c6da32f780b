"""What the model is given, for eyes: the first batches or prompts as text, and no training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Any, Protocol

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.models.layouts.base import unpacked
from k15.models.policy import Policy
from k15.types import Example, Problem

OPEN, CLOSE = "⟦", "⟧"


class TrainingData(Protocol):
    """What is shown: problems, or batches of examples."""

    @property
    def train(self) -> Sequence[Any]:
        """Everything, once the data is set up; empty where it is streamed."""

    def train_dataloader(self) -> Any:
        """Sized, of lists of examples; nobody asks for it where `train` are problems."""


class Show(Callback):
    """Prints of the first `batches` so many `sequences`, with the tokens in the loss between ⟦ and
    ⟧, or where problems are trained on, as in RL, the first `problems` as prompts; then ends the
    program.
    """

    def __init__(
        self,
        policy: Policy,
        datamodule: TrainingData,
        batches: int = 2,
        sequences: int = 8,
        problems: int = 4,
    ) -> None:
        numbers = {"batches": batches, "sequences": sequences, "problems": problems}
        for name, value in numbers.items():
            if value < 1:
                raise ValueError(f"callbacks.show.{name}={value}: must be at least 1")
        self.policy = policy
        self.datamodule = datamodule
        self.batches = batches
        self.sequences = sequences
        self.problems = problems

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Behind that of the data."""
        if trainer.is_global_zero:
            print("\n".join(self.lines()), flush=True)
        raise SystemExit(0)

    def lines(self) -> Iterator[str]:
        """What there is to see."""
        train = self.datamodule.train
        if train and isinstance(train[0], Problem):
            yield from self._of_problems(islice(train, self.problems), len(train))
            return
        batches = self.datamodule.train_dataloader()
        for number, batch in enumerate(islice(batches, self.batches), 1):
            examples = unpacked(batch)
            yield f"batch {number} of {len(batches)}: {len(examples)} sequences"
            for place, example in enumerate(examples[: self.sequences], 1):
                yield from self._of_example(f"batch {number}, sequence {place}", example)

    def _of_problems(self, problems: Iterator[Problem], number: int) -> Iterator[str]:
        for problem in problems:
            tokens = self.policy.encode(problem)
            length = self.policy.length(tokens, problem.images)
            yield (
                f"problem {problem.id}, one of {number}: {length} tokens, "
                f"{len(problem.images)} pictures, answer {problem.answer!r}"
            )
            yield marked(self.policy, tokens, (False,) * len(tokens))

    def _of_example(self, name: str, example: Example) -> Iterator[str]:
        tokens = (*example.prompt_tokens, *example.response_tokens)
        response = example.loss_mask or (True,) * len(example.response_tokens)
        mask = (*(False for _ in example.prompt_tokens), *response)
        length = self.policy.length(tokens, example.images)
        yield f"{name}: {length} tokens, {sum(mask)} in the loss, {len(example.images)} pictures"
        yield marked(self.policy, tokens, mask)


def marked(policy: Policy, tokens: Sequence[int], mask: Sequence[bool]) -> str:
    """Tokens as text, special ones by their names, those in the mask between ⟦ and ⟧."""
    text, end = "", 0
    for inside, run in groupby(mask):
        before, end = end, end + len([*run])
        piece = policy.tokenizer.decode(tokens[:end]).removeprefix(
            policy.tokenizer.decode(tokens[:before])
        )
        text += f"{OPEN}{piece}{CLOSE}" if inside else piece
    return text

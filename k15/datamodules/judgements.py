"""Labelled responses for the reward models: from a procedural task, or from a file of records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import ClassVar, Protocol

from torch.utils.data import DataLoader

from k15.datamodules.demonstrations import LengthBuckets
from k15.datamodules.loader import ResumableData, ResumableLoader, SharedLoader
from k15.datamodules.usable import Usable
from k15.models.policy import Policy
from k15.problems.records import read_records
from k15.problems.rows import Names, Row, renamed
from k15.questions import Split, fingerprint
from k15.shard import shard_of
from k15.tasks.judging import Judgement, Judging, judging_problem
from k15.types import JudgedExample


class JudgementSource(Protocol):
    """What `JudgementData` needs of a source."""

    words: tuple[str, ...]
    """The tiny tokenizer's whole vocabulary; empty for free text."""

    def questions(self, split: Split) -> Iterator[Sequence[Judgement]]:
        """The judgements of one question after the other; those to train on have no end."""
        ...


class TaskJudgements:
    """Judgements of a procedural task.

    Raises ValueError for more held-out problems than it has questions.
    """

    def __init__(
        self, judging: Judging, *, held_out_problems: int = 1000, max_response_tokens: int = 64
    ) -> None:
        self.task = judging.task
        self.words = judging.words
        self.judging = judging
        self.max_response_tokens = max_response_tokens
        self.held_out = judging.task.held_out(held_out_problems)

    def questions(self, split: Split) -> Iterator[Sequence[Judgement]]:
        """Two judgements each, of a correct and of a wrong response; no held-out question twice."""
        for index in count() if split == "train" else self.held_out:
            yield self.judging.judgements(index, split)


class RecordJudgements:
    """Judgements of a JSON-lines file, or of a Hugging Face data set by name.

    `fields` says under which name the records hold each part. Where a record has no reasoning it
    is written from the label: what stands behind the last `answer_after` is the answer, and it
    agrees with the reference or does not. `held_out_problems` questions are held out; which ones
    goes by what they ask, not by their order.
    """

    FIELDS: ClassVar[Names] = {"reference": ("reference_answer",)}

    def __init__(
        self,
        path: str,
        *,
        split: str = "train",
        fields: Mapping[str, str] | None = None,
        answer_after: str = "A: ",
        held_out_problems: int = 250,
        max_response_tokens: int = 96,
    ) -> None:
        self.words: tuple[str, ...] = ()
        self.fields = renamed(self.FIELDS, fields)
        self.answer_after = answer_after
        self.max_response_tokens = max_response_tokens
        by_question: dict[str, list[Judgement]] = {}
        for row in read_records(path, split, self.fields):
            judgement = self.judgement(row)
            by_question.setdefault(fingerprint(judgement.question), []).append(judgement)
        if not 0 < held_out_problems < len(by_question):
            raise ValueError(
                f"data.held_out_problems={held_out_problems}: {path} has {len(by_question)} "
                "questions, and some must be left on both sides"
            )
        first = set(sorted(by_question)[:held_out_problems])
        self.held_out = [group for asked, group in by_question.items() if asked in first]
        self.train = [group for asked, group in by_question.items() if asked not in first]

    def questions(self, split: Split) -> Iterator[Sequence[Judgement]]:
        """All judgements of a question; those to train on start again when they are used up."""
        yield from self.held_out if split == "held_out" else self.train
        while split == "train":
            yield from self.train

    def judgement(self, row: Row) -> Judgement:
        """One record; raises ValueError with the place, the field and what is there."""
        correct = row.get("correct")
        if not isinstance(correct, bool):
            raise row.fault("correct", "must be true or false")
        reference = row.answer("reference")
        response = row.clean("response", row.verbatim("response"))
        if row.get("reasoning"):
            reasoning = row.text("reasoning")
        else:
            reasoning = self.reasoning(reference, response, correct)
        return Judgement(
            question=row.text("question"),
            reference=reference,
            response=response,
            correct=correct,
            reasoning=reasoning,
        )

    def reasoning(self, reference: str, response: str, correct: bool) -> str:
        """In words: the answer, the reference, and whether they agree."""
        _, found, answer = response.rpartition(self.answer_after)
        answer = answer.strip() if found else "nothing"
        relation = "is" if correct else "is not"
        return f"The response ends in {answer}. {answer} {relation} {reference}."


class JudgementData(ResumableData):
    """`judgements` to train on, one epoch; the held-out ones are those the source has.

    With `reasoning` the examples carry the judge's text, for a chain-of-thought reward model;
    without, they are what a value head reads. The judgements of a question stay in one batch.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        source: JudgementSource,
        judgements: int,
        reasoning: bool,
        tokens_per_batch: int = 1024,
        max_refused: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if judgements < 1:
            raise ValueError(f"datamodule.judgements={judgements}: at least one is needed")
        self.policy = policy
        self.source = source
        self.judgements = judgements
        self.reasoning = reasoning
        self.tokens_per_batch = tokens_per_batch
        self.usable = Usable(policy, "judgements", max_refused=max_refused)
        self.seed = seed
        self.train: list[list[JudgedExample]] = []
        self.held_out: list[JudgedExample] = []
        self._held_out_questions: list[list[JudgedExample]] = []

    def setup(self, stage: str) -> None:
        """Write the judgements as tokens; runs once.

        Raises ValueError if one has no reasoning to learn from, or if more than `max_refused` of
        them cannot be used.
        """
        if self.train:
            return
        self._held_out_questions = list(self._examples("held_out"))
        self.held_out = [example for group in self._held_out_questions for example in group]
        counted = 0
        for group in self._examples("train"):
            self.train.append(group)
            counted += len(group)
            if counted >= self.judgements:
                break
        self.usable.report()

    def train_dataloader(self) -> DataLoader:
        """Batches of `JudgedExample`s, each under the token budget."""
        batches = self._batches(self.train)
        return ResumableLoader(self.train, batches, shard_of(self.trainer), flat, within=self)

    def val_dataloader(self) -> DataLoader:
        """Judgements of questions that are not trained on."""
        questions = self._held_out_questions
        batches = self._batches(questions)
        return SharedLoader(questions, batches, shard_of(self.trainer), flat)

    def _examples(self, split: Split) -> Iterator[list[JudgedExample]]:
        for number, group in enumerate(self.source.questions(split)):
            fitting = [
                self.usable.fit(shown(judgement), self._example(judgement, number))
                for judgement in group
            ]
            if kept := [example for example in fitting if example is not None]:
                yield kept

    def _example(self, judgement: Judgement, number: int) -> JudgedExample:
        if self.reasoning and not judgement.reasoning:
            raise ValueError(
                "stage=cot_reward_model learns from labelled reasoning, and there is none for "
                f"{judgement.question!r}; give data.judging._target_ a class with `reasoning`, or "
                "train stage=reward_model"
            )
        asked = judging_problem(judgement.question, judgement.reference, judgement.response)
        return JudgedExample(
            prompt_tokens=self.policy.encode(asked),
            response_tokens=self.policy.encode_response(judgement.text) if self.reasoning else (),
            correct=judgement.correct,
            question=number,
        )

    def _batches(self, groups: list[list[JudgedExample]]) -> LengthBuckets:
        lengths = [len(group) * max(example.length for example in group) for group in groups]
        return LengthBuckets(lengths, self.tokens_per_batch, self.seed)


def shown(judgement: Judgement) -> str:
    """Enough of a judgement to find it by."""
    return f"{judgement.question[:60]!r}, answered {judgement.response[-40:]!r}"


def flat(groups: Sequence[Sequence[JudgedExample]]) -> list[JudgedExample]:
    """The judgements of several questions."""
    return [example for group in groups for example in group]

"""Demonstrations are cut under the token budget, and none of the held-out questions is trained
on.
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from k15.datamodules.demonstrations import DemonstrationData, LengthBuckets
from k15.datamodules.pictures import PictureData
from k15.models.layouts.base import expanded_length
from k15.models.tiny import tiny_policy
from k15.problems.record_source import RecordSource
from k15.problems.sources import Demonstrator, TaskSource
from k15.tasks.make24 import Make24


def data(source: Demonstrator | None = None, modality: str = "text", **settings):
    task = Make24(modality=modality)
    source = source or TaskSource(task)
    defaults = {"tokens": 4000, "tokens_per_batch": 256, "held_out_examples": 50}
    made = DemonstrationData(
        policy=tiny_policy(words=source.words, modality=modality),
        source=source,
        **(defaults | settings),
    )
    made.setup("fit")
    return made


@pytest.mark.parametrize("modality", ["text", "image"])
def test_every_batch_keeps_to_the_budget_and_no_example_is_lost(modality: str) -> None:
    """A batch costs rows x longest row, with a picture's 16 patches counted."""
    made = data(modality=modality)
    length = {id(e): expanded_length(made.policy, e) for e in made.train}
    batches = list(made.train_dataloader())
    costs = [len(batch) * max(length[id(example)] for example in batch) for batch in batches]
    assert max(costs) <= 256
    assert sum(costs) < 1.5 * sum(length.values())  # little of it is padding
    assert Counter(id(e) for batch in batches for e in batch) == Counter(length.keys())
    if modality == "image":
        example = made.train[0]
        assert length[id(example)] == example.length + 16 - 1


def test_there_are_as_many_tokens_as_asked_for() -> None:
    """The last example is the one that reaches the number."""
    made = data(tokens=4000)
    lengths = [example.length for example in made.train]
    assert sum(lengths) >= 4000 > sum(lengths[:-1])
    assert len(made.held_out) == 50


def test_batches_are_mixed_and_the_same_for_the_same_seed() -> None:
    """Batches are cut longest first; in that order they would be a curriculum."""
    lengths = list(range(1, 101))
    one, same, other = (LengthBuckets(lengths, 200, seed).batches for seed in (1, 1, 2))
    assert one == same != other
    longest = [max(lengths[i] for i in batch) for batch in one]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)


def test_held_out_questions_are_not_trained_on() -> None:
    """There are 33 questions of level 1: all of them are drawn, each on its side."""
    made = data(TaskSource(Make24(levels=[1]), held_out_problems=7), tokens=20_000)
    trained = {example.prompt_tokens for example in made.train}
    held_out = {example.prompt_tokens for example in made.held_out}
    assert (len(trained), len(held_out)) == (26, 7)
    assert not trained & held_out


def test_records_that_are_fewer_than_the_demonstrations_stay_on_their_side(tmp_path: Path) -> None:
    """100 records are gone through again and again."""
    rows = [{"problem": f"What is {i}+{i}?", "answer": 2 * i} for i in range(100)]
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = RecordSource(str(file), demonstrate="answer")
    made = data(source, tokens=8000)
    trained = {example.prompt_tokens for example in made.train}
    held_out = {example.prompt_tokens for example in made.held_out}
    assert len(made.train) > 100 and len(trained) == len(source.train)
    assert len(held_out) == len(source.held_out)
    assert not trained & held_out


def test_patience_decides_how_long_demonstrations_are() -> None:
    """Never giving up ends in a right answer unless the trials run out; always, after one trial."""
    tokens_of_a_trial = {level: 2 * (level + 1) + 1 for level in range(1, 6)}
    hasty, patient = (
        data(TaskSource(Make24(), demonstrations={"give_up": [chance], "max_trials": 10}))
        for chance in (1.0, 0.0)
    )
    for index in range(20):
        problem, response = hasty.source.demonstration(index)
        thought = hasty.policy.encode_response(response.partition("</think>")[0])
        # <think>, sign and total per operand, the verdict, <eos>
        assert len(thought) == 1 + tokens_of_a_trial[problem.difficulty] + 1
    lengths = [[len(e.response_tokens) for e in made.train[:50]] for made in (hasty, patient)]
    assert sum(lengths[1]) > 2 * sum(lengths[0])


def test_less_than_one_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tokens=200 is less than tokens_per_batch=256"):
        data(tokens=200)


def test_pictures_say_what_stands_where_and_keep_their_side() -> None:
    source = TaskSource(Make24(levels=[1], modality="image"), held_out_problems=5)
    made = PictureData(source=source, pictures=200, pictures_per_batch=64, held_out_pictures=20)
    made.setup("fit")
    assert [len(batch) for batch in made.train_dataloader()] == [64, 64, 64, 8]
    sides = [
        {tuple(p.meta["patch_words"].values()) for p in side}
        for side in (made.train, made.held_out)
    ]
    assert len(sides[0]) > 20 and not sides[0] & sides[1]


def test_problems_without_pictures_are_refused() -> None:
    made = PictureData(source=TaskSource(Make24()), pictures=3)
    with pytest.raises(ValueError, match=r"problem make24-held_out-0-999, have no picture; .*=im"):
        made.setup("fit")


def test_pictures_without_labelled_patches_are_refused() -> None:
    class Unlabelled(TaskSource):
        def demonstration(self, index, split="train"):
            problem, response = super().demonstration(index, split)
            return replace(problem, meta={}), response

    made = PictureData(source=Unlabelled(Make24(modality="image")), pictures=3)
    with pytest.raises(ValueError, match=r"problem make24-held_out-0-0 does not say .* patch"):
        made.setup("fit")

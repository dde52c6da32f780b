"""Demonstrations are cut under the token budget, and none of the held-out questions is trained
on.
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from k15.config.errors import ConfigError
from k15.datamodules.demonstrations import DemonstrationData, LengthBuckets
from k15.datamodules.pictures import PictureData
from k15.models.layouts.base import expanded_length
from k15.models.layouts.packed import end_to_end
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.problems.conversations import ConversationSource
from k15.problems.record_source import RecordSource
from k15.problems.sources import Demonstrator, TaskSource
from k15.tasks.make24 import Make24
from k15.types import Pack


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


def pairs(path: Path, number: int) -> ConversationSource:
    rows = [{"prompt": f"{n}?", "response": "x" * (1 + n % 3)} for n in range(10, 10 + number)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ConversationSource(str(path))


def test_without_a_number_of_tokens_every_row_comes_once(tmp_path: Path) -> None:
    """Fewer than one batch of tokens are no fault then."""
    source = pairs(tmp_path / "a.jsonl", 40)
    made = DemonstrationData(
        policy=tiny_policy(context=64), source=source, tokens=None, tokens_per_batch=4096
    )
    made.setup("fit")
    for examples, problems in ((made.train, source.train), (made.held_out, source.held_out)):
        prompts = sorted(made.policy.encode(problem) for problem in problems)
        assert sorted(example.prompt_tokens for example in examples) == prompts
    [batch] = made.train_dataloader()
    assert len(batch) == len(source.train)


def test_every_epoch_has_all_sequences_in_as_many_batches_and_another_order() -> None:
    """Also other neighbours: of each length there are several."""
    lengths = [5 + n % 7 for n in range(200)]
    made = LengthBuckets(lengths, 60, seed=1, pool_batches=5)
    again = LengthBuckets(lengths, 60, seed=1, pool_batches=5)
    epochs = []
    for epoch in (0, 1, 2):
        made.set_epoch(epoch)
        again.set_epoch(epoch)
        batches = list(made)
        assert batches == list(again) and len(batches) == len(made)
        assert sorted(index for batch in batches for index in batch) == list(range(200))
        assert max(len(batch) * max(lengths[i] for i in batch) for batch in batches) <= 60
        epochs.append({frozenset(batch) for batch in batches})
    assert len(epochs[1] & epochs[2]) < 5 and len(epochs[0] & epochs[1]) < 5


def test_the_trainer_says_which_epoch_it_is(tmp_path: Path) -> None:
    """Three epochs over one file: each row three times, in three orders."""
    seen: list[list[tuple[int, ...]]] = []

    class Remember(Callback):
        def on_train_epoch_start(self, *_) -> None:
            seen.append([])

        def on_train_batch_start(self, trainer, module, batch, index) -> None:
            seen[-1].extend(example.prompt_tokens for example in batch)

    policy = tiny_policy(context=64, hidden_size=32, layers=1)
    made = DemonstrationData(
        policy=policy,
        source=pairs(tmp_path / "a.jsonl", 30),
        tokens=None,
        tokens_per_batch=40,
    )
    trainer = Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Remember()],
    )
    trainer.fit(LanguageModule(policy, learning_rate=1e-3), made)
    assert len(seen) == 3 and len({tuple(epoch) for epoch in seen}) == 3
    assert {tuple(sorted(epoch)) for epoch in seen} == {tuple(sorted(seen[0]))}
    assert len(set(seen[0])) == len(seen[0]) == len(made.train)


def test_packed_batches_are_filled_and_nothing_is_lost() -> None:
    """A batch is one pack of whole sequences; every example once."""
    made = data(tokens=8000, packed=True)
    loader = made.train_dataloader()
    batches = list(loader)
    assert len(batches) == len(loader)
    packs = [pack for batch in batches for pack in batch]
    assert all(sum(pack.lengths) <= 256 for pack in packs)
    assert Counter(id(e) for pack in packs for e in pack.examples) == Counter(map(id, made.train))
    assert 1 - sum(sum(pack.lengths) for pack in packs) / (256 * len(packs)) < 0.03


def test_a_pass_for_each_length() -> None:
    """First the sequences of up to 30 tokens, then all; each epoch in another order."""
    made = data(tokens=8000, packed=True, longest=[30, 256])
    loader = made.train_dataloader()
    batches = [pack for (pack,) in loader]
    short = [e for e in made.train if expanded_length(made.policy, e) <= 30]
    assert 0 < len(short) < len(made.train)
    seen = Counter(id(e) for pack in batches for e in pack.examples)
    assert seen == Counter(map(id, short)) + Counter(map(id, made.train))
    first = len(end_to_end([expanded_length(made.policy, e) for e in short], 256))
    assert all(max(pack.lengths) <= 30 for pack in batches[:first])
    loader.batch_sampler.set_epoch(1)
    again = [*loader.batch_sampler]
    loader.batch_sampler.set_epoch(0)
    assert [*loader.batch_sampler] != again and len(again) == len(loader)


def test_a_packed_step_is_that_of_buckets() -> None:
    """One batch of everything: the same mean over the same tokens, whichever way it is laid out."""
    torch.manual_seed(0)
    made = data(tokens=1000, tokens_per_batch=1000)
    module = LanguageModule(made.policy, learning_rate=1e-3)
    bucketed = module.terms(made.train)[0]
    lengths = tuple(expanded_length(made.policy, e) for e in made.train)
    pack = Pack(examples=tuple(made.train), lengths=lengths, names=(), capacity=2000)
    packed = module.terms([pack])[0]
    assert packed.count == bucketed.count
    assert float(packed.loss.detach()) == pytest.approx(float(bucketed.loss.detach()), rel=1e-5)


def test_lengths_are_for_packs_and_fit_into_a_batch() -> None:
    with pytest.raises(ConfigError, match=r"datamodule\.longest=64.*datamodule\.packed=true"):
        data(longest=64)
    with pytest.raises(ConfigError, match=r"datamodule\.longest=512: must be from 2 to"):
        data(packed=True, longest=[64, 512])


def test_what_no_pass_takes_is_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"make24-held_out-0-0: 33 tokens exceed datamodule\.longest=20"
    ):
        data(packed=True, longest=20)

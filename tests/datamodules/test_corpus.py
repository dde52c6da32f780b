"""Pretraining's data: the same order on any number of ranks, nothing twice, and from where it was
left.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from k15.callbacks.packing import Packing
from k15.config.errors import ConfigError
from k15.datamodules.corpus import CorpusData
from k15.datamodules.stream import Phase
from k15.models.layouts.base import expanded_length
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.problems.documents.source import Corpus, Refusal
from k15.problems.documents.templated import Facts, Quotes
from k15.problems.documents.worked import WorkedProblems
from k15.problems.mixture import union
from k15.runs.checkpoint_callback import Checkpoints
from k15.runs.checkpoint_io import SealedCheckpoints
from k15.tasks.make24 import Make24
from tests.datamodules.test_loader import KillAfter, Killed
from tests.datamodules.test_mixing import Letters
from tests.two_ranks import on_two, trained, trainer_of

WEIGHTS = {"problems": 0.5, "facts": 0.3, "quotes": 0.2}
LONGER = {"problems": 1.0, "quotes": 0.0}
pytestmark = pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable")  # it is


def data(sources: dict | None = None, modality: str = "text", **settings: Any) -> CorpusData:
    """Two phases of ten steps: sequences of 64 tokens, then of 128, some attending across."""
    torch.manual_seed(0)
    task = Make24(modality=modality)
    sources = sources or {
        "problems": WorkedProblems(task, modality=modality),
        "facts": Facts(),
        "quotes": Quotes(task),
    }
    phases = {
        "short": Phase(tokens=2560, sequence_tokens=64, weights=WEIGHTS),
        "long": Phase(tokens=2560, sequence_tokens=128, weights=LONGER, across=0.5),
    }
    words = union([source.words for source in sources.values()])
    policy = tiny_policy(
        words=words, modality=modality, hidden_size=32, layers=1, intermediate_size=64
    )
    defaults = {"phases": phases, "tokens_per_batch": 256, "held_out_documents": 5}
    return CorpusData(policy=policy, corpus=Corpus(sources), **(defaults | settings))


def names(batches: Any) -> list[list[tuple[str, ...]]]:
    return [[pack.names for pack in batch] for batch in batches]


@pytest.mark.parametrize("modality", ["text", "image"])
def test_packs_keep_to_their_budget_and_no_document_comes_twice(modality: str) -> None:
    made = data(modality=modality)
    batches = list(made.train_dataloader())
    assert [len(batch) for batch in batches] == [4] * 10 + [2] * 10
    assert len(batches) == len(made.train_dataloader())
    packs = [pack for batch in batches for pack in batch]
    for pack in packs:
        tokens = sum(expanded_length(made.policy, example) for example in pack.examples)
        assert tokens == sum(pack.lengths) <= pack.capacity
    seen = Counter(name for pack in packs for name in pack.names)
    assert set(seen.values()) == {1}
    padding = 1 - sum(sum(p.lengths) for p in packs) / sum(p.capacity for p in packs)
    assert padding < (0.03 if modality == "text" else 0.1)  # a picture needs 18 of 64 tokens


def test_shares_are_those_of_the_phase() -> None:
    """Of what is read for it, within a document; open packs reach over the border."""
    made = data()
    batches = made.batches()
    for _ in range(10):
        next(batches)
    tokens = made.stream.counts.tokens.copy()
    for name, weight in WEIGHTS.items():
        assert tokens[name] / tokens.total() == pytest.approx(weight, abs=0.03)


def test_some_packs_attend_across_documents() -> None:
    across = [
        len(pack.examples) == 1 < len(pack.names) for batch in data().batches() for pack in batch
    ]
    assert not any(across[:40])
    assert 3 <= sum(across[40:]) <= 17  # half of 20


def left_after(number: int) -> tuple[list, list, list]:
    """Of a whole stream, of its first batches, and of another one that goes on from there."""
    whole, first, second = data(), data(), data()
    expected = names(whole.batches())
    batches = first.batches()
    before = names(next(batches) for _ in range(number))
    second.stream.load_state_dict(first.stream.state_dict())
    return expected, before, names(second.batches(number))


@pytest.mark.parametrize("number", [1, 9, 10, 13])
def test_the_stream_goes_on_where_it_was_left(number: int) -> None:
    expected, before, after = left_after(number)
    assert before + after == expected


def fit(folder: Path, *, kill_after: int | None = None, resume: Path | None = None) -> dict:
    """The weights after two epochs."""
    made = data()
    module = LanguageModule(made.policy, learning_rate=1e-2)
    trainer = trainer_of(
        Checkpoints(str(folder), every_n_steps=3, keep=99),
        KillAfter(kill_after),
        Packing(made),
        max_epochs=2,
        enable_checkpointing=True,
        plugins=SealedCheckpoints(),
    )
    trainer.fit(module, made, ckpt_path=resume)
    return {name: tensor.clone() for name, tensor in made.policy.model.state_dict().items()}


@pytest.mark.parametrize("kill_after", [5, 14, 20, 23])
def test_resumed_it_ends_where_an_uninterrupted_run_ends(kill_after: int, tmp_path: Path) -> None:
    """In each phase, at the end of the epoch, and in the second one."""
    whole = fit(tmp_path / "whole")
    with pytest.raises(Killed):
        fit(tmp_path / "killed", kill_after=kill_after)
    newest = max((tmp_path / "killed").glob("*.ckpt"))
    resumed = fit(tmp_path / "killed", resume=newest)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


class Order(Callback):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        mine = [] if batch.silent else [pack.names for pack in batch]
        parts = pl_module.shard.gathered(mine)
        longest = max(map(len, parts))
        rows = [part[place] for place in range(longest) for part in parts if place < len(part)]
        self.seen.append(rows)


def ordered() -> tuple[list[Any], dict[str, Any]]:
    order, made = Order(), data()
    trainer_of(order).fit(LanguageModule(made.policy, learning_rate=1e-2), made)
    made = data()
    return order.seen, trained(LanguageModule(made.policy, learning_rate=1e-2), made)


def test_two_ranks_take_the_steps_of_one() -> None:
    order, one = ordered()
    for found, both in on_two(ordered):
        assert found == order
        for ours, theirs in zip(both["gradients"], one["gradients"], strict=True):
            for name, gradient in theirs.items():
                torch.testing.assert_close(ours[name], gradient, atol=1e-5, rtol=1e-4)


def test_validation_tells_sources_apart() -> None:
    made = data()
    trainer = trainer_of()
    trainer.validate(LanguageModule(made.policy, learning_rate=1e-2), made, verbose=False)
    figures = trainer.callback_metrics
    assert {f"val/loss/{name}" for name in WEIGHTS} < figures.keys()
    mean = sum(float(figures[f"val/loss/{name}"]) for name in WEIGHTS) / 3
    assert float(figures["val/loss"]) == pytest.approx(mean, abs=0.2)
    assert float(figures["val/sequence_accuracy"]) == 0.0


def test_sources_that_end_end_the_epoch(capsys: pytest.CaptureFixture) -> None:
    """26 documents of ten bytes and an end: 286 tokens, which are less than 10 steps of 64."""
    phases = {"one": Phase(tokens=640, sequence_tokens=32, weights={"a": 1.0})}
    made = data({"a": Letters("a", 26, 10)}, phases=phases, tokens_per_batch=64)
    batches = names(made.batches())
    assert sorted(name for b in batches for pack in b for name in pack) == sorted(
        f"a/0-{n}" for n in range(26)
    )
    assert "every source has given all it has: the epoch ends early" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        ({"weights": {"a": 0.0}}, "phases.one.weights: every weight is 0"),
        ({"sequence_tokens": 100}, "phases.one.sequence_tokens=100: must be from 2 to what a step"),
        ({"tokens": 63}, "phases.one.tokens=63: less than a step"),
        ({"across": 1.5}, "phases.one.across=1.5: a share is from 0 to 1"),
    ],
)
def test_phases_are_checked(phase: dict, reason: str) -> None:
    right = {"tokens": 640, "sequence_tokens": 32, "weights": {"a": 1.0}}
    with pytest.raises(ConfigError, match=reason):
        data(
            {"a": Letters("a", 26, 10)},
            phases={"one": Phase(**(right | phase))},
            tokens_per_batch=64,
        )


def test_a_corpus_without_sources_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"corpus\.sources is empty"):
        Corpus({})


class Broken(Letters):
    """Every `one_in`-th document is a refusal."""

    def __init__(self, one_in: int, number: int) -> None:
        super().__init__("a", number, 10)
        self.one_in = one_in

    def read(self, first: int = 0, split: str = "train", turn: int = 0):
        for number, item in super().read(first, split, turn):
            broken = number % self.one_in == 0
            yield number, Refusal(item.id, "missing picture", "gone.png") if broken else item


def test_broken_documents_are_counted_and_too_many_end_the_run() -> None:
    phases = {"one": Phase(tokens=1280, sequence_tokens=32, weights={"a": 1.0})}
    settings = {"phases": phases, "tokens_per_batch": 64, "held_out_documents": 1}
    made = data({"a": Broken(40, 300)}, max_refused=0.05, **settings)
    list(made.train_dataloader())
    read = made.stream.counts.documents["a"] + 4  # numbers 0, 40, 80 and 120 are broken
    assert made.stream.counts.refused == {"a: missing picture": 4} and 120 < read <= 160
    made = data({"a": Broken(10, 300)}, max_refused=0.05, **settings)
    with pytest.raises(ConfigError, match=r"documents cannot be used:\n  a/0-0: gone\.png"):
        list(made.train_dataloader())

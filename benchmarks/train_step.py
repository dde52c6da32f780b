"""A packed step of SFT beside bare PyTorch loops over the same examples, in CPU seconds.

    python benchmarks/train_step.py --data train.jsonl                 both small sizes
    python benchmarks/train_step.py --data train.jsonl --model FOLDER  a real model

`--data` is GSM8K's training file; --help lists the options.

GSM8K's questions with their solutions, packed into sequences of a token budget. k15 takes a step as
train.py does, Lightning and callbacks included; behind each one the loops take one on the same
examples, each with a copy of the model. A loop is forward pass, cross-entropy of the solutions,
backward pass, clipping and AdamW, and nothing else:

    rows      the packs as rows, whose documents attend to those before them: the least that the
              tokens cost, and another loss than SFT's
    apart     the packs as rows with positions that restart, which transformers keeps apart
    padded    as most trainers do: examples in random order, so many side by side, padded to the
              longest, gradients added up

Losses of `apart` and `padded` are compared with k15's. Ratios are k15's seconds over a loop's, step
by step: the median, with the middle half of all steps.
"""

from __future__ import annotations

import os

import k15  # noqa: F401  before transformers: heals torchvision

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import copy
import json
import logging
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader

from k15.callbacks.experts import ExpertLoad
from k15.callbacks.finite import StopWhenNotFinite
from k15.callbacks.memory import Memory
from k15.models.layouts.packed import end_to_end
from k15.models.loading import load_policy
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.types import Example, Pack

LARGER = {"hidden_size": 192, "layers": 5, "intermediate_size": 512}
SIZES: dict[str, dict[str, int]] = {"115k": {}, "2m": LARGER}
RATE, CLIP = 1e-5, 1.0
NOT_LEARNED = -100
Row = tuple[list[int], list[int], list[int]]
"""Tokens, labels and positions."""


def examples_of(policy: Policy, file: Path, longest: int, most: int) -> list[Example]:
    """Of so many rows those that fit into a sequence."""
    lines = Random(0).sample(file.read_text().splitlines(), most)
    found = []
    for row in map(json.loads, lines):
        prompt = policy.tokenizer(f"{row['question']}\n")["input_ids"]
        response = policy.encode_response(row["answer"])
        if len(prompt) + len(response) <= longest:
            found.append(Example(prompt_tokens=tuple(prompt), response_tokens=response))
    return found


def batches_of(examples: Sequence[Example], options: Any) -> list[list[Pack]]:
    """Of packs; first those that no ratio is taken of."""
    lengths = [len(e.prompt_tokens) + len(e.response_tokens) for e in examples]
    packs = [
        Pack(
            examples=tuple(examples[i] for i in members),
            lengths=tuple(lengths[i] for i in members),
            names=tuple(map(str, members)),
            capacity=options.tokens,
        )
        for members in end_to_end(lengths, options.tokens)
    ]
    Random(1).shuffle(packs)
    wanted = options.warm + options.steps
    return [packs[i * options.packs : (i + 1) * options.packs] for i in range(wanted)]


def row_of(examples: Sequence[Example]) -> Row:
    """End to end; a document's first token is predicted by nothing that it belongs to."""
    tokens: list[int] = []
    labels: list[int] = []
    positions: list[int] = []
    for example in examples:
        prompt, response = example.prompt_tokens, example.response_tokens
        tokens += [*prompt, *response]
        labels += [NOT_LEARNED] * len(prompt) + [*response]
        positions += range(len(prompt) + len(response))
    return tokens, labels, positions


class Loop:
    """A model of its own and its AdamW."""

    def __init__(self, policy: Policy) -> None:
        self.model = copy.deepcopy(policy.model).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=RATE, betas=(0.9, 0.95))

    def step(self, forwards: Sequence[tuple[list[Row], bool]]) -> float:
        """The mean loss of all forward passes, each of rows and whether positions are given."""
        self.optimizer.zero_grad()
        count = sum(
            label != NOT_LEARNED for rows, _ in forwards for row in rows for label in row[1]
        )
        total = 0.0
        for rows, positions in forwards:
            loss = self.loss(rows, positions) / count
            loss.backward()
            total += float(loss.detach())
        clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        return total

    def loss(self, rows: Sequence[Row], positions: bool) -> Tensor:
        """The sum over the labels."""
        longest = max(len(row[0]) for row in rows)
        tokens, labels = (
            torch.tensor([row[k] + [fill] * (longest - len(row[k])) for row in rows])
            for k, fill in ((0, 0), (1, NOT_LEARNED))
        )
        given: dict[str, Any] = {}
        if positions:
            counted = [row[2] + list(range(longest - len(row[2]))) for row in rows]
            given["position_ids"] = torch.tensor(counted)
        logits = self.model(input_ids=tokens, use_cache=False, **given).logits[:, :-1]
        return cross_entropy(logits.flatten(0, 1).float(), labels[:, 1:].flatten(), reduction="sum")


def forwards(side: str, packs: Sequence[Pack], side_by_side: int) -> list[tuple[list[Row], bool]]:
    """What a loop's model sees, pass by pass."""
    if side != "padded":
        return [([row_of(pack.examples)], side == "apart") for pack in packs]
    loose = [example for pack in packs for example in pack.examples]
    Random(2).shuffle(loose)
    cuts = range(0, len(loose), side_by_side)
    return [([row_of([e]) for e in loose[i : i + side_by_side]], False) for i in cuts]


class Turns(Callback):
    """After each step of k15's one of every loop; seconds, losses and tokens by side."""

    def __init__(self, policy: Policy, sides: Sequence[str], side_by_side: int) -> None:
        self.loops = {side: Loop(policy) for side in sides}
        self.side_by_side = side_by_side
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.losses: dict[str, list[float]] = defaultdict(list)
        self.tokens: list[int] = []
        self.padding: list[float] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self.since = time.process_time()

    def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, packs: Any, *_: Any):
        self.seconds["k15"].append(time.process_time() - self.since)
        self.losses["k15"].append(float(trainer.callback_metrics["train/loss"]))
        for side, loop in self.loops.items():
            started = time.process_time()
            passes = forwards(side, packs, self.side_by_side)
            self.losses[side].append(loop.step(passes))
            self.seconds[side].append(time.process_time() - started)
            if side == "padded":
                sizes = [[len(row[0]) for row in rows] for rows, _ in passes]
                area = sum(len(lengths) * max(lengths) for lengths in sizes)
                self.padding.append(1 - sum(map(sum, sizes)) / area)
        self.tokens.append(sum(sum(pack.lengths) for pack in packs))
        self.since = time.process_time()


class Packs(LightningDataModule):
    """As they are given."""

    def __init__(self, batches: Sequence[Any]) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.batches, batch_size=None)


def run(policy: Policy, batches: Sequence[Any], options: Any) -> Turns:
    """One epoch."""
    turns = Turns(policy, options.sides, options.side_by_side)
    module = LanguageModule(policy, learning_rate=RATE, weight_decay=0.01)
    with TemporaryDirectory() as folder:
        around = [StopWhenNotFinite(policy, folder), Memory(), ExpertLoad(policy)]
        trainer = Trainer(
            max_epochs=1, accelerator="cpu", callbacks=[*around, turns], logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            gradient_clip_val=CLIP,
        )  # fmt: skip
        trainer.fit(module, Packs(batches))
    return turns


def spread(ratios: Sequence[float]) -> str:
    low, _, high = quantiles(ratios, n=4)
    return f"{median(ratios):.2f} ({low:.2f}-{high:.2f})"


def report(name: str, turns: Turns, options: Any) -> None:
    """A line for each loop."""
    warm = options.warm
    own = turns.seconds["k15"][warm:]
    tokens = turns.tokens[warm:]
    budget = options.packs * options.tokens
    print(
        f"{name}: {len(own)} steps of {sum(tokens) / len(tokens):,.0f} tokens, "
        f"{1 - sum(tokens) / len(tokens) / budget:.1%} of the packs is padding; "
        f"k15 {median(own):.3f} s"
    )
    for side in options.sides:
        other = turns.seconds[side][warm:]
        ratios = [a / b for a, b in zip(own, other, strict=True)]
        first = abs(turns.losses[side][0] / turns.losses["k15"][0] - 1)
        more = (
            f", {sum(turns.padding) / len(turns.padding):.0%} padding" if side == "padded" else ""
        )
        print(
            f"  {side:8}{median(other):8.3f} s   ratio {spread(ratios)}   "
            f"first loss differs by {first:.0e}{more}",
            flush=True,
        )


def models(options: Any) -> Iterator[tuple[str, Policy]]:
    if options.model:
        yield options.model, load_policy(options.model)
        return
    for name in [options.size] if options.size else SIZES:
        torch.manual_seed(0)
        yield name, tiny_policy(context=options.tokens, **SIZES[name])  # type: ignore[arg-type]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="JSONL with question and answer")
    parser.add_argument("--size", choices=SIZES, help="this one alone")
    parser.add_argument("--model", help="a Hugging Face folder or name instead")
    parser.add_argument("--tokens", type=int, default=2048, help="of a pack")
    parser.add_argument("--packs", type=int, default=2, help="of a step")
    parser.add_argument("--side-by-side", type=int, default=8, help="examples of a padded batch")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warm", type=int, default=2, help="steps before, not counted")
    parser.add_argument("--sides", nargs="+", default=["rows", "apart", "padded"])
    options = parser.parse_args()
    if not Path(options.data).is_file():
        sys.exit(f"--data={options.data}: no such file; give GSM8K's train.jsonl")
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for name, policy in models(options):
        most = 16 * (options.steps + options.warm) * options.packs
        found = examples_of(policy, Path(options.data), options.tokens, most)
        report(name, run(policy, batches_of(found, options), options), options)

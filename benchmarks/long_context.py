"""Peak memory of a training step with a long response and a large vocabulary (Linux).

    python benchmarks/long_context.py         five minutes;  --help lists the options

A random Qwen3 of two layers and 64 channels takes one supervised step on one response: weights,
forward and backward pass, AdamW. `beyond` is what that takes above the same step without logits,
which is on the sum of hidden states: weights, gradients, optimizer and activations. The next lines
compare chunks of logits with all of them at once, on a shorter response; the last ones are of a
deeper model, whose layers keep their activations or are computed again.

Each figure is the peak (VmHWM) of a process of its own on one thread, in GiB above what it had
before the model was made.
"""

from __future__ import annotations

import os

import k15  # noqa: F401  before transformers: heals torchvision

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from transformers import Qwen3Config, Qwen3ForCausalLM

from k15.models.gradient_checkpointing import checkpoint_layers
from k15.models.logps import last_hidden
from k15.models.policy import Policy
from k15.models.tiny import byte_tokenizer
from k15.modules.base import PolicyModule
from k15.modules.language import LanguageModule
from k15.types import Example

GIB = 2**20  # of KiB, which is what the system counts in
WORDS = 200  # tokens that the response is made of


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One step."""

    tokens: int
    vocabulary: int
    chunk: int
    logits: bool = True
    layers: int = 2
    checkpointed: bool = False


def policy_of(case: Case) -> Policy:
    """Embeddings are tied, as in small Qwen models."""
    config = Qwen3Config(
        vocab_size=case.vocabulary,
        hidden_size=64,
        num_hidden_layers=case.layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        intermediate_size=192,
        max_position_embeddings=case.tokens + 1,
        tie_word_embeddings=True,
    )
    policy = Policy(Qwen3ForCausalLM(config), byte_tokenizer())
    if case.checkpointed:
        checkpoint_layers(policy.model)
    return policy


def step(case: Case) -> None:
    """The policy's first."""
    module = LanguageModule(policy_of(case), learning_rate=1e-5, tokens_per_chunk=case.chunk)
    response = tuple(Random(0).choices(range(5, WORDS), k=case.tokens))
    loss_of(module, Example(prompt_tokens=(5,), response_tokens=response), case).backward()
    PolicyModule.configure_optimizers(module).step()


def loss_of(module: LanguageModule, example: Example, case: Case) -> Tensor:
    """The stage's own, or one that needs no logits."""
    if case.logits:
        return module.terms([example])[0].loss
    return last_hidden(module.policy, module.layout.collate(module.policy, [example])).sum()


def peak() -> float:
    """Of this process so far, in GiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / GIB


def measured(case: Case) -> tuple[float, float]:
    """GiB and CPU seconds."""
    torch.set_num_threads(1)
    step(replace(case, tokens=64, vocabulary=300))  # what is loaded once
    before, started = peak(), time.process_time()
    step(case)
    return peak() - before, time.process_time() - started


def alone(case: Case) -> tuple[float, float]:
    """In a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, case).result()


def report(name: str, case: Case) -> None:
    """One line: the step, the same without logits, and the difference."""
    (whole, seconds), (without, _) = alone(case), alone(replace(case, logits=False))
    print(f"{name:44}{whole:8.2f}{without:10.2f}{whole - without:10.2f}{seconds:8.0f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=32_768)
    parser.add_argument("--short", type=int, default=2_048, help="tokens where chunks are compared")
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--chunk", type=int, default=512)
    options = parser.parse_args()
    long = Case(tokens=options.tokens, vocabulary=options.vocabulary, chunk=options.chunk)
    short = replace(long, tokens=options.short)
    print(f"{'GiB at the peak':44}{'step':>8}{'without':>10}{'beyond':>10}{'CPU s':>8}")
    report(f"{long.tokens:,} tokens, chunks of {long.chunk}", long)
    report(f"{short.tokens:,} tokens, chunks of {short.chunk}", short)
    report(f"{short.tokens:,} tokens, all logits at once", replace(short, chunk=short.tokens))
    deep = replace(short, tokens=4 * short.tokens, layers=16, vocabulary=1_000)
    report(f"16 layers, {deep.tokens:,} tokens, kept", deep)
    report("  the same computed again", replace(deep, checkpointed=True))

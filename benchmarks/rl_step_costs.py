"""What an RL iteration consists of: a profile of where its time goes, and what its arithmetic alone
would take.
"""

from __future__ import annotations

import time
from collections import defaultdict
from statistics import median
from typing import Any

import torch

from k15.models.policy import Policy
from k15.types import Experience

OPERATORS = {  # parts of their names in torch; the first group with one that fits counts
    "attention": ("attention", "bmm"),
    "matrix products": ("::mm", "addmm", "matmul", "linear"),
    "softmax and sampling": ("softmax", "cumsum", "searchsorted", "uniform", "nll_loss"),
    "copies and indexing": ("copy", "cat", "index", "fill", "zero", "gather", "embedding", "where"),
    "norms and elementwise": (
        *("norm", "mul", "add", "sub", "div", "neg", "pow", "mean", "sum", "sqrt", "silu"),
    ),
}


class Profile:
    """Where one iteration goes: shares of its time by kind of operator."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration
        self.shares: dict[str, float] = defaultdict(float)
        self.profiler = torch.profiler.profile(acc_events=True)

    def start(self, trainer: Any, *_: Any) -> None:
        """At the start of every iteration."""
        if trainer.current_epoch == self.iteration:
            self.profiler.start()
            self.started = time.perf_counter()

    def stop(self, trainer: Any) -> None:
        """At the end of every iteration."""
        if trainer.current_epoch == self.iteration:
            whole = time.perf_counter() - self.started
            self.profiler.stop()
            for event in self.profiler.key_averages():
                if "#" not in event.key:  # an annotation around Python code, as Optimizer.step#
                    share = event.self_cpu_time_total / 1e6 / whole
                    self.shares[operator_group(event.key)] += share
            self.shares["Python, Lightning"] = 1 - sum(self.shares.values())


def operator_group(name: str) -> str:
    """The line of the profile that an operator belongs to."""
    for group, parts in OPERATORS.items():
        if any(part in name for part in parts):
            return group
    return "views, allocation, autograd"


def floor_seconds(policy: Policy, experience: Experience, responses: int) -> float:
    """CPU seconds of an iteration's floating-point operations at the rate of large products.

    2 per parameter and token forward (the tied embedding counts as the output embedding), 4 per
    position looked at, layer and unit of width in attention, and three times both for training.
    Samples of a problem share its prompt, but in training not what its tokens look at.
    """
    config, layer = policy.model.config, policy.model.get_decoder().layers[0]
    parameters = sum(parameter.numel() for parameter in policy.model.parameters())
    width = config.num_attention_heads * layer.self_attn.head_dim * config.num_hidden_layers

    def attention(start: int, end: int) -> float:
        return 4 * width * (end * (end + 1) - start * (start + 1)) / 2

    generated = trained = 0.0
    for group in experience.groups:
        prompt = len(group.prompt_tokens) - 1  # a sequence's last token is fed to nobody
        ends = [prompt + rollout.length for rollout in group.rollouts]
        products = 2 * parameters * (prompt + sum(end - prompt for end in ends))
        generated += products + attention(0, prompt) + sum(attention(prompt, end) for end in ends)
        trained += 3 * (products + sum(attention(0, end) for end in ends))
    sizes = config.hidden_size, config.intermediate_size
    return generated / product_rate(responses, *sizes) + trained / product_rate(4096, *sizes)


def product_rate(rows: int, inner: int, columns: int) -> float:
    """Floating-point operations per CPU second of [rows, inner] x [inner, columns] in float32."""
    left, right, seconds = torch.randn(rows, inner), torch.randn(inner, columns), []
    for _ in range(max(9, min(100, int(1e11 / (2 * rows * inner * columns))))):
        started = time.process_time()
        left @ right
        seconds.append(time.process_time() - started)
    return 2 * rows * inner * columns / median(seconds)

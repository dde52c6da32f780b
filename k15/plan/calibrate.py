"""How fast this machine is at a configured model: the engine and the passes of training, run for
seconds on random weights.

Seconds are those of the processor, so that what else runs here counts little: an idle machine takes
as long by the clock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from k15.engines.protocol import Request, Sampling
from k15.engines.transformers import TransformersEngine
from k15.models.layouts.base import Layout
from k15.models.logps import response_logps
from k15.modules.precision import AdamWWithMasters
from k15.plan.costs import Costs, Work, pairs_of
from k15.plan.weightless import TextOnly
from k15.rollouts.collector import Collector
from k15.rollouts.plan import RolloutPlan
from k15.sizes import Sizes
from k15.types import Example, Problem, RolloutGroup

STEPS = 6
"""Of decoding, in each measurement."""
ENOUGH = 0.5
"""Seconds after which nothing is measured again,"""
REPEATS = 5
"""or as many times."""
ROWS, TOGETHER = 64, 8
"""Responses, and samples of a problem, by which the work around them is measured."""


class EndlessPolicy(TextOnly):
    """Random weights that never end a response."""

    def __init__(
        self,
        model: Any,
        *,
        fast_norms: bool,
        computing: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        super().__init__(model, fast_norms=fast_norms)
        self.stop_ids, self.computing = (), computing
        rows = model.config.get_text_config().vocab_size
        self.tokenizer = _Rows(rows)


class Ones:
    """A codec whose prompts are a token each and ones behind it."""

    def __init__(self, policy: TextOnly, length: int) -> None:
        self.rows, self.length = len(policy.tokenizer), length

    def encode(self, problem: Problem) -> tuple[int, ...]:
        return (int(problem.id) % self.rows, *(1,) * (self.length - 1))

    def decode(self, tokens: Sequence[int]) -> str:
        return ""


class _Rows(SimpleNamespace):
    """A tokenizer of which nothing but its size is known."""

    def __init__(self, rows: int) -> None:
        super().__init__(pad_token_id=0, rows=rows)

    def __len__(self) -> int:
        return self.rows


def measured(
    model: Any,
    examples: Sequence[Example],
    layout: Layout,
    work: Work,
    *,
    slots: int,
    context: int,
    fast_norms: bool,
    computing: Callable[[], AbstractContextManager[Any]],
    tokens_per_chunk: int,
    samples: bool,
) -> Costs:
    """Costs of this machine; `examples` are a micro-batch, `context` is the length of a long
    response with its prompt; without `samples` nothing is decoded.
    """
    randomize(model)
    policy = EndlessPolicy(model, fast_norms=fast_norms, computing=computing)
    batch = layout.collate(policy, examples)
    tokens, pairs = batch.tokens.numel(), pairs_of(batch.sequence_lengths)

    def forward() -> Any:
        with computing():
            laid_out = layout.collate(policy, examples)
            return response_logps(policy, laid_out, tokens_per_chunk=tokens_per_chunk)

    with torch.no_grad():
        reading = seconds_of(forward)
    learning = seconds_of(lambda: forward().sum().backward())
    costs = Costs(
        decode_step=0.0,
        decode_row=0.0,
        decode_position=0.0,
        prefill_rate=prefilling(policy, examples, work),
        forward_rate=work.forward(tokens, pairs) / reading,
        learn_rate=work.learn(tokens, pairs) / learning,
        optimizer_step=stepping(policy.model),
        padded=True,
    )
    policy.model.zero_grad()
    if not samples:
        return costs
    step, row, position = decoding(policy, slots, context)
    costs = replace(costs, decode_step=step, decode_row=row, decode_position=position)
    prompt, request = collecting(policy, costs, work, slots, len(examples[0].prompt_tokens))
    return replace(costs, prompt=prompt, request=request)


def decoding(policy: TextOnly, slots: int, context: int) -> tuple[float, float, float]:
    """Seconds of a step, more for each row, more for each position of a row: a least-squares fit
    over one row, some and all, short and long ones.
    """
    context = min(context, policy.context - STEPS - 1)
    short, few = max(2, context // 4), max(2, slots // 4)
    points = [(1, context), (few, context), (slots, short), (slots, context)]
    seconds = [per_step(policy, n, length) for n, length in points]
    terms = np.array([[1.0, n, n * (length + STEPS / 2)] for n, length in points])
    weights = 1 / np.array(seconds)  # errors are shares of what was measured
    found = non_negative(terms * weights[:, None], np.ones(len(points)))
    return float(found[0]), float(found[1]), float(found[2])


def non_negative(terms: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Least squares with numbers of at least 0: the most negative one is left out, and again."""
    free = np.ones(terms.shape[1], dtype=bool)
    found = np.zeros(terms.shape[1])
    while free.any():
        found[:] = 0
        found[free] = np.linalg.lstsq(terms[:, free], values, rcond=None)[0]
        if found.min() >= 0:
            break
        free[found.argmin()] = False
    return found


def per_step(policy: TextOnly, rows: int, length: int) -> float:
    """Seconds of a decode step of so many rows behind a prompt of this length, the prefill left
    out: two calls that differ in steps alone.
    """

    def call(steps: int) -> Callable[[], Any]:
        engine = TransformersEngine(policy, slots=rows)
        request = Request(tokens=(1,) * length, max_new_tokens=steps, seed=1)
        requests = [replace(request, seed=n) for n in range(rows)]
        return lambda: deque(engine.generate(requests, Sampling()), maxlen=0)

    few, many = (seconds_of(call(steps)) for steps in (1, 1 + STEPS))
    return max(1e-6, (many - few) / STEPS)


def collecting(
    policy: TextOnly, costs: Costs, work: Work, slots: int, prompt: int
) -> tuple[float, float]:
    """Seconds of the collector and the engine around each prompt and each response, beside decode
    steps and prefills: from responses of a token, in groups and each with a prompt of its own.
    """
    rows = max(2, min(slots, ROWS))

    def beside(samples: int) -> float:
        sizes = Sizes(
            problems_per_iteration=max(1, rows // samples),
            samples_per_problem=samples,
            minibatches_per_iteration=1,
        )
        plan = RolloutPlan(sizes=sizes, max_response_tokens=1)
        problems = (Problem(id=str(n), prompt=(), answer="") for n in count())
        engine = TransformersEngine(policy, slots=rows)
        collector = Collector(engine, Ones(policy, prompt), unscored, plan)
        seconds = seconds_of(lambda: collector.collect(problems, 0))
        read = sizes.problems_per_iteration * work.forward(prompt, pairs_of([prompt]))
        return seconds - costs.decode(rows, rows * prompt) - read / costs.prefill_rate

    together, apart = beside(min(rows, TOGETHER)), beside(1)
    fewer = max(1, rows // TOGETHER)
    each = max(0.0, apart - together) / max(1, rows - fewer)
    return each, max(0.0, together - fewer * each) / rows


def unscored(group: RolloutGroup) -> RolloutGroup:
    """Rewards of no interest."""
    zeros = (0.0,) * len(group.rollouts)
    return replace(group, reward=zeros, outcome=zeros)


def prefilling(policy: TextOnly, examples: Sequence[Example], work: Work) -> float:
    """Operations per second of some prompts' forward pass."""
    prompts = [each.prompt_tokens for each in examples][:8]
    length = max(2, max(map(len, prompts)))
    tokens = torch.ones(len(prompts), length, dtype=torch.long)

    def forward() -> None:
        with torch.inference_mode(), policy.computing():
            policy.model.base_model(input_ids=tokens, use_cache=False)

    pairs = pairs_of([length] * len(prompts))
    return work.forward(tokens.numel(), pairs) / seconds_of(forward)


def stepping(model: nn.Module) -> float:
    """Seconds of clipping and an optimizer step."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = AdamWWithMasters(trained, lr=1e-9)

    def step() -> None:
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    return seconds_of(step)


def seconds_of(work: Callable[[], Any]) -> float:
    """Processor seconds: the median of a few times behind the first one, of what takes long that
    one.
    """
    found: list[float] = []
    while len(found) <= REPEATS and sum(found) < ENOUGH:
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return median(found[1:] or found)


@torch.no_grad()
def randomize(model: nn.Module) -> None:
    """Give a weightless model memory on the CPU, and small random weights."""
    model.to_empty(device="cpu")
    for buffer in model.buffers():
        buffer.zero_()
    for parameter in model.parameters():
        parameter.normal_(0, 0.02) if parameter.dim() > 1 else parameter.fill_(1)

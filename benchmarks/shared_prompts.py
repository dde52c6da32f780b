"""A training pass whose samples share their prompt, beside one in which each brings its own.

    python benchmarks/shared_prompts.py       --help lists the options

32 problems with 8 responses each go forward and backward through random weights, without optimizer
and rollouts: once as `layout: shared` lays them out, once side by side with padding, by turns
in one process on one thread. Gradients are compared first. The seconds are CPU seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from random import Random
from statistics import median

import torch
from torch import Tensor

from k15.models.layouts.base import Layout, micro_batches
from k15.models.layouts.bucketed import Bucketed
from k15.models.layouts.shared import Shared
from k15.models.logps import response_logps
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.problems.sources import TaskSource
from k15.tasks.make24 import Make24
from k15.types import Example

PROBLEMS, SAMPLES = 32, 8
TOKENS_PER_MICROBATCH = 4096
LAYOUTS: tuple[Layout, ...] = (Shared(), Bucketed())
LARGER = {"hidden_size": 192, "layers": 5, "intermediate_size": 512}
CASES = {  # modality, sizes, prompt tokens (0: the task's own), mean response tokens
    "text, 115k": ("text", {}, 0, 55),
    "text, 2m": ("text", LARGER, 0, 55),
    "long prompt, 2m": ("text", LARGER, 100, 55),
    "picture": ("image", {}, 0, 55),
}


def examples_of(policy: Policy, task: Make24, prompt_tokens: int, mean: int) -> list[Example]:
    """Problems of the task with random responses, of lengths as RL has them."""
    random, found = Random(0), []
    source = TaskSource(task, train_problems=PROBLEMS, held_out_problems=1)
    ids = range(5, len(policy.tokenizer) - 10)
    for problem in source.train:
        prompt = tuple(random.choices(ids, k=prompt_tokens)) or policy.encode(problem)
        for _ in range(SAMPLES):
            length = min(127, max(2, round(random.gauss(mean, mean / 3))))
            response = tuple(random.choices(ids, k=length))
            found.append(
                Example(prompt_tokens=prompt, response_tokens=response, images=problem.images)
            )
    return found


def gradient(policy: Policy, examples: Sequence[Example], layout: Layout) -> Tensor:
    """Of the mean log-probability, over all micro-batches."""
    policy.model.zero_grad()
    count = sum(len(example.response_tokens) for example in examples)
    for _, batch in micro_batches(layout, policy, examples, TOKENS_PER_MICROBATCH):
        (response_logps(policy, batch).sum() / count).backward()
    return torch.cat([p.grad.flatten() for p in policy.model.parameters() if p.grad is not None])


def seconds(policy: Policy, examples: Sequence[Example], layout: Layout) -> float:
    started = time.process_time()
    gradient(policy, examples, layout)
    return time.process_time() - started


def report(name: str, repetitions: int) -> None:
    """One line: seconds of both sides and their ratio with its spread."""
    modality, sizes, prompt_tokens, mean = CASES[name]
    task = Make24(modality=modality)
    policy = tiny_policy(words=task.words, modality=modality, **sizes)
    examples = examples_of(policy, task, prompt_tokens, mean)
    shared, bucketed = (gradient(policy, examples, layout) for layout in LAYOUTS)
    difference = float((shared - bucketed).abs().max() / bucketed.abs().max())
    pairs = [[seconds(policy, examples, each) for each in LAYOUTS] for _ in range(repetitions)]
    ratios = [own / other for own, other in pairs]
    columns = [median(column) for column in zip(*pairs, strict=True)]
    print(
        f"{name:18}{columns[0]:8.2f}{columns[1]:10.2f}   "
        f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})   {difference:.0e}",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, help="this one alone")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':18}{'shared':>8}{'side by side':>14}   ratio (min-max)    gradients differ by")
    for case in [options.case] if options.case else CASES:
        report(case, options.repetitions)

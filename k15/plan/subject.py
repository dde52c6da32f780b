"""What is planned: the configuration of a training, as memory and time depend on it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from statistics import mean
from typing import Any

import torch
from omegaconf import DictConfig

from k15.config import Parts
from k15.config.errors import ConfigError
from k15.models.layouts.base import Layout
from k15.models.layouts.choice import choose_layout
from k15.plan.costs import GIB, Device, Shares, Work
from k15.plan.lengths import Lengths, LogNormal, measured
from k15.plan.memory import Engine, capacity
from k15.plan.parameters import Counts, counts_of
from k15.plan.placement import placement_of
from k15.plan.weightless import (
    TextOnly,
    divided,
    fields_of,
    head_size,
    model_config,
    weightless,
)
from k15.types import Example

SAMPLED = 64
"""Groups among which the largest micro-batch is looked for."""
PROMPT = 100
"""Tokens, where nothing says how long prompts are."""


class Subject:
    """One configuration of train.py, and the planner's options.

    Raises ConfigError, naming the field, for what cannot be planned.
    """

    def __init__(self, config: DictConfig, options: DictConfig) -> None:
        self.config, self.options = config, options
        check_stage(config)
        self.parts = Parts(config)
        self.samples = "sizes" in self.parts
        """Whether responses are sampled: RL."""
        self.device = Device(**fields_of(options.device) or {})
        self.shares = Shares(**fields_of(options.shares) or {})
        self.placement = placement_of(
            fields_of(config.trainer) or {}, options.sharding, options.tensor_parallel
        )
        self.built_in = options.shape is None and config.model.get("path") is None
        if self.built_in:
            self.parts["words"] = self.parts["source"].words
        self.of = model_config(config, self.parts, fields_of(options.shape))
        self.text = self.of.get_text_config()
        self.model = weightless(config, self.of)
        self.counts = counts_of(self.model)
        self.lengths = self._lengths()

    @property
    def on_cpu(self) -> bool:
        """Whether the training is on a CPU."""
        return self.placement.kind == "cpu"

    @property
    def in_main_memory(self) -> bool:
        """Whether tensors lie where the processes of this machine lie."""
        return self.on_cpu and self.device.measured

    @property
    def fast_norms(self) -> bool:
        """Whether the model's norms are written out."""
        return self.on_cpu and bool(self.config.model.get("fast_norms", True))

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return self.model.dtype

    @property
    def autocast(self) -> torch.dtype | None:
        """What `trainer.precision` computes in; None: the weights' type."""
        mixed = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
        return mixed.get(str(self.config.trainer.get("precision")))

    @property
    def computed(self) -> torch.dtype:
        """The number type of the arithmetic."""
        return self.autocast or self.dtype

    def computing(self) -> AbstractContextManager[Any]:
        """The arithmetic, on a CPU, as Lightning's plugin has it."""
        if self.autocast is None:
            return nullcontext()
        return torch.autocast("cpu", self.autocast, cache_enabled=False)

    @property
    def longest(self) -> int:
        """Tokens that a response may have."""
        data = self.config.get("data") or {}
        return data.get("max_response_tokens") or self.text.max_position_embeddings

    @property
    def slots(self) -> int:
        """Responses side by side, of one engine."""
        return int((self.config.get("engine") or {}).get("slots", 256))

    @property
    def start_copy(self) -> bool:
        """Whether the first weights are kept."""
        return self.samples and bool(self.config.module.get("kl_to_start"))

    @property
    def optimizer_on_cpu(self) -> bool:
        """Whether it lies in main memory."""
        nodes = (self.config.get("callbacks") or {}).values()
        return any(str((node or {}).get("_target_")).endswith(".OptimizerOnCpu") for node in nodes)

    @property
    def muon(self) -> bool:
        """Whether it is Muon for hidden matrices."""
        node = self.config.get("optimizer") or {}
        return str(node.get("_target_")).endswith(".muon")

    def layout(self) -> Layout:
        """How sequences go through the model."""
        policy = TextOnly(self.model, fast_norms=False)
        choice = self.config.module.get("layout", "auto")
        return choose_layout(policy, choice, prompts_repeat=self.samples)

    def budget(self) -> int:
        """Tokens of a micro-batch of one rank."""
        if self.samples:
            return self.parts["sizes"].tokens_per_microbatch
        return max(1, self.config.datamodule.tokens_per_batch // self.placement.ranks)

    def examples(self) -> list[Example]:
        """The responses of some groups; elsewhere than in RL each has its own prompt."""
        samples, number = (
            (self.parts["sizes"].samples_per_problem, SAMPLED) if self.samples else (1, 8 * SAMPLED)
        )
        groups = [self.lengths.group(n, samples) for n in range(number)]
        return [
            example(first, group.prompt, length)
            for first, group in enumerate(groups)
            for length in group.responses
        ]

    def largest(self, layout: Layout) -> list[Example]:
        """The micro-batch with most tokens among those of some groups; the longest response there
        may be, alone, if that has more.
        """
        policy = TextOnly(self.model, fast_norms=False)
        micro_batches = [
            [minibatch[i] for i in plan]
            for minibatch in self.minibatches()
            for plan in layout.plan(policy, minibatch, self.budget())
        ]
        sizes = [layout.collate(policy, each).tokens.numel() for each in micro_batches]
        alone = example(0, len(micro_batches[0][0].prompt_tokens), self.longest)
        if self.samples and alone.length > max(sizes):
            return [alone]
        return micro_batches[sizes.index(max(sizes))]

    def minibatches(self) -> list[list[Example]]:
        """Responses that are cut into micro-batches together: in RL one rank's whole groups of a
        minibatch, which may be fewer than a micro-batch would take.
        """
        drawn = self.examples()
        if not self.samples:
            return [drawn]
        sizes = self.parts["sizes"]
        groups = -(-sizes.problems_per_iteration // sizes.minibatches_per_iteration)
        size = -(-groups // self.placement.ranks) * sizes.samples_per_problem
        return [drawn[first : first + size] for first in range(0, len(drawn), size)]

    @property
    def engine_kind(self) -> str:
        """What the devices of the training sample with: transformers, vllm, or none of its own."""
        node = self.config.get("engine")
        name = str(node._target_).rpartition(".")[2] if self.samples and node else ""
        return {"TransformersEngine": "transformers", "VLLMEngine": "vllm"}.get(name, "none")

    @property
    def engines(self) -> int:
        """How many engines there are, `slots` in each."""
        node = self.config.get("engine") or {}
        servers = node.get("replicas", 0) + len(node.get("urls") or ())
        return self.options.servers or servers or self.placement.ranks

    def engine(self) -> Engine:
        """What the configuration samples with on the devices of the training."""
        node = self.config.get("engine")
        kind = self.engine_kind
        if kind == "none" or self.options.servers:
            return Engine(kind="none")
        cache = node.get("cache_gib")
        longest = self.longest_drawn
        possible = self.lengths.group(0, 1).prompt + self.longest
        return Engine(
            kind=kind,
            copy=bool(node.get("copy")) or self.placement.sharded,
            slots=self.slots,
            positions=capacity(longest - 1, possible - 1),
            bytes_per_position=self.bytes_per_position,
            cache_bytes=None if cache is None else cache * GIB,
            vocabulary=self.text.vocab_size,
            number_bytes=self.computed.itemsize,
        )

    @property
    def longest_drawn(self) -> int:
        """Tokens of the longest sequence that is looked at, its prompt included."""
        samples = self.parts["sizes"].samples_per_problem if self.samples else 1
        groups = [self.lengths.group(n, samples) for n in range(SAMPLED)]
        return max(group.prompt + max(group.responses) for group in groups)

    @property
    def bytes_per_position(self) -> int:
        """Keys and values of a token in all layers, of one of the devices that share them."""
        text = divided(self.of, self.placement.tensor).get_text_config()
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        return 2 * heads * head_size(text) * text.num_hidden_layers * self.computed.itemsize

    def part(self) -> Counts:
        """The weights of one of the devices that share each layer."""
        if self.placement.tensor == 1:
            return self.counts
        return counts_of(weightless(self.config, divided(self.of, self.placement.tensor)))

    def work(self) -> Work:
        """Operations of the model's passes."""
        counts, text = self.counts, self.text
        adapted = counts.adapter > 0
        return Work(
            products=counts.products,
            trained_share=counts.adapter / counts.products if adapted else 1.0,
            query=text.num_hidden_layers * text.num_attention_heads * head_size(text),
            recomputed=bool(self.config.model.get("gradient_checkpointing")),
        )

    def available(self) -> float | None:
        """Bytes of a device, without the margin; None where its memory is not known. Processes of
        this machine share its own.
        """
        gib = self.device.memory_gib
        if gib is None and self.on_cpu:
            gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
            gib /= self.placement.devices
        return None if gib is None else gib * GIB * (1 - self.options.margin)

    def _lengths(self) -> Lengths:
        drawn = fields_of(self.options.distribution) or {}
        drawn["prompt"] = drawn.get("prompt") or self._prompt()
        if self.options.lengths is None:
            return LogNormal(longest=self.longest, **drawn)
        last = self.options.last_iterations
        return measured(self.options.lengths, drawn["prompt"], self.longest, last)

    def _prompt(self) -> int:
        """Of the built-in model's problems, on average."""
        if not (self.built_in and self.samples):
            return PROMPT
        problems = self.parts["source"].train[:SAMPLED]
        return round(mean(len(self.parts["policy"].encode(problem)) for problem in problems))


def check_stage(config: DictConfig) -> None:
    """Raise ConfigError for a stage that does not train on tokens."""
    tokens = (config.get("datamodule") or {}).get("tokens_per_batch")
    if config.get("module") is None or ("sizes" not in config and tokens is None):
        raise ConfigError(
            f"stage={config.choices.stage}: it takes no batches of tokens, so there is nothing to "
            "plan; choose rl, sft, pretrain or another stage that learns from text"
        )


def example(first: int, prompt: int, length: int) -> Example:
    """A response of so many tokens to a prompt that begins with a token of its own."""
    tokens = (first, *(0,) * (prompt - 1))
    return Example(prompt_tokens=tokens, response_tokens=(0,) * length)


def few_words(examples: Sequence[Example]) -> str:
    """How large a micro-batch is."""
    tokens = sum(each.length for each in examples)
    return f"{len(examples)} responses, {tokens:,} tokens with a prompt each"

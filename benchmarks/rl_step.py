"""One RL iteration, rollout to optimizer step, of k15 and of TRL's GRPOTrainer, in CPU seconds.

    pip install -e ".[bench]"
    python benchmarks/rl_step.py                    both model sizes; --help lists the options

Both sides load the same weights and answer the same 32 problems 8 times each at temperature 1, in
at most 128 new tokens; rewards are random, so that every group counts; one optimizer step is taken
over the 256 responses. The weights are random and the learning rate is tiny: responses end where
chance says, and the iterations are equally much work. k15 runs as train.py runs it, Lightning
included.

Each repetition is a fresh process per side, by turns, on one thread. An iteration is the process's
CPU time from the end of one to the end of the next, so nothing is left out but the first, which
warms up. Then k15 runs once more under torch's profiler.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import torch

from k15.datamodules.rl import RLDataModule
from k15.datamodules.samplers import Sampler
from k15.engines.transformers import TransformersEngine
from k15.losses.advantages import mean_baseline, standardized
from k15.losses.mirror_descent import mirror_descent
from k15.losses.policy_gradient import grpo
from k15.models.policy import Policy, load_policy
from k15.models.tiny import tiny_policy
from k15.modules.rl import RLModule
from k15.rewards.base import RewardCallback
from k15.rollouts.collector import RolloutPlan
from k15.sizes import Sizes
from k15.tasks.make24 import Make24
from k15.types import Experience, Problem, RolloutGroup

NEW_TOKENS = 128
SIZES = Sizes(problems_per_iteration=32, samples_per_problem=8, minibatches_per_iteration=1)
RESPONSES = SIZES.problems_per_iteration * SIZES.samples_per_problem
LEARNING_RATE = 1e-6
TIMED = {"115k": 6, "2m": 2}  # iterations per process
PHASES = ("rollout", "reward", "train")
OBJECTIVES: dict[str, tuple[Any, Any]] = {
    "grpo": (partial(grpo, kl_weight=0.0), standardized),
    "mirror_descent": (partial(mirror_descent, tau=0.5), mean_baseline),
}
OPERATORS = {  # parts of torch's operator names; the first group that has one counts
    "attention": ("attention", "bmm"),
    "matrix products": ("::mm", "addmm"),
    "softmax and sampling": ("softmax", "cumsum", "searchsorted", "uniform", "nll_loss"),
    "copies and indexing": ("copy", "cat", "index", "fill", "zero", "gather", "embedding", "where"),
    "norms and elementwise": ("norm", "mul", "add", "sub", "div", "neg", "pow", "mean", "sum")
    + ("sqrt", "silu", "exp", "clamp", "minimum"),
}


class Clock:
    """CPU seconds of iterations and of their parts."""

    def __init__(self) -> None:
        self.iterations: list[dict[str, float]] = []
        self.parts: dict[str, float] = defaultdict(float)
        self.started = time.process_time()

    def watch(self, owner: Any, method: str, part: str) -> None:
        """Count what a method takes from here on."""
        inner: Callable[..., Any] = getattr(owner, method)

        @wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            result = inner(*args, **kwargs)
            self.parts[part] += time.process_time() - started
            return result

        setattr(owner, method, timed)

    def lap(self, *_: Any) -> None:
        """The end of an iteration."""
        now = time.process_time()
        self.iterations.append({**self.parts, "whole": now - self.started})
        self.started = now
        self.parts.clear()


class InOrder(Sampler):
    """The same problems in every iteration."""

    drawn = 0

    def __next__(self) -> Problem:
        self.drawn += 1
        return self.problems[(self.drawn - 1) % len(self.problems)]


class RandomReward(RewardCallback):
    """Uniform on [0, 1): no two responses are equally good."""

    outcome = True

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = Random(seed)

    def score(self, group: RolloutGroup) -> list[float]:
        return [self.random.random() for _ in group.rollouts]


class Problems:
    """The source of both sides."""

    max_response_tokens = NEW_TOKENS

    def __init__(self) -> None:
        task = Make24()
        self.words = task.words
        self.train = [task.problem(index) for index in range(SIZES.problems_per_iteration)]
        self.held_out = self.train[:1]

    def demonstration(self, index: int, **_: Any) -> tuple[Problem, str]:
        raise NotImplementedError


def fresh_policy(size: str) -> Policy:
    """The default policy, or a Qwen2 of 2M parameters with the same vocabulary; random weights."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    tiny = tiny_policy(words=Problems().words)
    if size == "115k":
        return tiny
    config = Qwen2Config(
        vocab_size=len(tiny.tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=5,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=tiny.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tiny.tokenizer.eos_token_id,
        pad_token_id=tiny.tokenizer.pad_token_id,
    )
    return Policy(Qwen2ForCausalLM(config), tiny.tokenizer)


def run_k15(folder: str, timed: int, seed: int, objective: str) -> dict[str, Any]:
    """One process of k15."""
    from lightning.pytorch import Trainer, seed_everything
    from lightning.pytorch.callbacks import LambdaCallback

    seed_everything(seed, verbose=False)
    policy, clock, reward = load_policy(folder), Clock(), RandomReward(seed)
    datamodule = RLDataModule(
        policy=policy,
        source=Problems(),
        engine=TransformersEngine(policy),
        sampler=InOrder(),
        rewards={"random": reward},
        plan=RolloutPlan(sizes=SIZES, max_response_tokens=NEW_TOKENS, seed=seed),
    )
    loss, advantage = OBJECTIVES[objective]
    module = RLModule(
        policy,
        loss=loss,
        advantage=advantage,
        learning_rate=LEARNING_RATE,
        sizes=SIZES,
    )
    clock.watch(datamodule.collector, "grow", "rollout")
    clock.watch(datamodule.collector, "score_all", "reward")
    clock.watch(module, "training_step", "train")
    experiences: list[Experience] = []
    profile = Profile(iteration=timed + 1)
    watch = LambdaCallback(
        on_train_epoch_start=profile.start,
        on_train_batch_end=lambda trainer, module, outputs, experience, index: experiences.append(
            experience
        ),
        on_train_epoch_end=lambda *event: (clock.lap(), profile.stop(*event)),
    )
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=timed + 2,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[reward, watch],
    )
    trainer.fit(module, datamodule)
    for iteration, experience in zip(clock.iterations, experiences, strict=True):
        iteration["tokens"] = sum(r.length for group in experience.groups for r in group.rollouts)
    timed_ones = slice(1, timed + 1)
    return {
        "iterations": clock.iterations[timed_ones],
        "profile": profile.shares,
        "floor": median(floor_seconds(policy, each) for each in experiences[timed_ones]),
    }


class Profile:
    """Where one iteration goes, by torch.profiler; operators count without those they call."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration
        self.shares: dict[str, float] = {}
        self.profiler = torch.profiler.profile(acc_events=True)

    def start(self, trainer: Any, *_: Any) -> None:
        """At the start of an iteration."""
        if trainer.current_epoch == self.iteration:
            self.profiler.start()
            self.started = time.perf_counter()

    def stop(self, trainer: Any, *_: Any) -> None:
        """At its end; shares of the time, what is in no operator under "Python and Lightning"."""
        if trainer.current_epoch != self.iteration:
            return
        whole = time.perf_counter() - self.started
        self.profiler.stop()
        shares: dict[str, float] = defaultdict(float)
        for event in self.profiler.key_averages():
            share = event.self_cpu_time_total / 1e6 / whole
            shares[operator_group(event.key)] += share
        shares["Python and Lightning"] = 1 - sum(shares.values())
        self.shares = dict(sorted(shares.items(), key=lambda item: -item[1]))


def operator_group(name: str) -> str:
    """The line of the profile's table that an operator belongs to."""
    return next(
        (group for group, parts in OPERATORS.items() if any(part in name for part in parts)),
        "other operators",
    )


def floor_seconds(policy: Policy, experience: Experience) -> float:
    """Seconds that the matrix products of an iteration would take at the rate of large ones.

    2 FLOP per parameter and token forward, 6 with the backward pass; the embedding is tied, so
    every parameter is part of a product. Attention is 4 FLOP per position looked at, head, head
    dimension and layer. Samples of a problem share its prompt while generating.
    """
    config = policy.model.config
    parameters = sum(parameter.numel() for parameter in policy.model.parameters())
    width = config.num_attention_heads * policy.model.get_decoder().layers[0].self_attn.head_dim
    per_position = 4 * width * config.num_hidden_layers
    generated = trained = 0.0
    for group in experience.groups:
        prompt = len(group.prompt_tokens)
        shared = forward_flop(0, prompt - 1, parameters, per_position)
        generated += shared
        for rollout in group.rollouts:
            end = prompt + rollout.length - 1
            generated += forward_flop(prompt - 1, end, parameters, per_position)
            trained += 3 * forward_flop(0, end + 1, parameters, per_position)
    sizes = config.hidden_size, config.intermediate_size
    return generated / gemm_rate(RESPONSES, *sizes) + trained / gemm_rate(4096, *sizes)


def forward_flop(start: int, end: int, parameters: int, per_position: int) -> float:
    """A forward pass over the tokens from `start` to `end` of a sequence."""
    positions = (end * (end + 1) - start * (start + 1)) / 2
    return 2 * parameters * (end - start) + per_position * positions


def gemm_rate(rows: int, inner: int, columns: int) -> float:
    """FLOP per CPU second of a float32 product [rows, inner] x [inner, columns]."""
    left, right = torch.randn(rows, inner), torch.randn(inner, columns)
    out, seconds = torch.empty(rows, columns), []
    for _ in range(200):
        started = time.process_time()
        torch.mm(left, right, out=out)
        seconds.append(time.process_time() - started)
    return 2 * rows * inner * columns / median(seconds)


def run_trl(folder: str, timed: int, seed: int, objective: str) -> dict[str, Any]:
    """One process of TRL, which has GRPO alone, at the settings that were the fastest here."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    clock, random, tokens = Clock(), Random(seed), []

    def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
        tokens.append(sum(map(len, completion_ids)))
        return [random.random() for _ in completion_ids]

    class EndOfStep(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.lap()

    texts = [
        tokenizer.apply_chat_template(problem.prompt, tokenize=False, add_generation_prompt=True)
        for problem in Problems().train
    ]
    with tempfile.TemporaryDirectory() as output:
        arguments = GRPOConfig(
            output_dir=output,
            max_steps=timed + 1,
            learning_rate=LEARNING_RATE,
            num_generations=SIZES.samples_per_problem,
            max_completion_length=NEW_TOKENS,
            beta=0.0,
            loss_type="grpo",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=seed,
            **TRL_SETTINGS,
        )
        trainer = GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
            processing_class=tokenizer,
            reward_funcs=reward,
            args=arguments,
            train_dataset=Dataset.from_dict({"prompt": texts}),
            callbacks=[EndOfStep()],
        )
        clock.watch(trainer, "_generate", "rollout")
        clock.watch(trainer, "_calculate_rewards", "reward")
        trainer.train()
    for iteration, count in zip(clock.iterations, tokens, strict=True):
        iteration["tokens"] = count
    return {"iterations": clock.iterations[1:]}


def child(side, folder, timed, seed, objective):
    run = {"k15": run_k15, "trl": run_trl}[side]
    torch.set_num_threads(1)
    return run(folder, timed, seed, objective)


if __name__ == "__main__":
    side, size, timed = sys.argv[1:4]
    TRL_SETTINGS = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {}
    folder = "/tmp/exp/model-" + size
    if not Path(folder).exists():
        fresh_policy(size).save(folder)
    print(json.dumps(child(side, folder, int(timed), 0, "grpo"), indent=1))

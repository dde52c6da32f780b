"""One RL iteration of k15 beside one of TRL's GRPOTrainer, in CPU seconds.

    pip install -e ".[bench]"
    python benchmarks/rl_step.py                    both small sizes; --help lists the options
    python benchmarks/rl_step.py --model FOLDER     a real model: a Hugging Face folder or name

Both sides load the same weights and answer the same problems 8 times each at temperature 1;
rewards are random, so that every group counts; one optimizer step is taken on all responses. The
small sizes have random weights and make 24 (32 problems, at most 128 new tokens), a real model its
own and word problems (4 problems, at most 48). The learning rate is tiny: all iterations are
equally much work. k15 runs as train.py runs it, Lightning included.

Each side runs in processes of its own, by turns, one thread each. An iteration is counted from the
end of the one before to its own end, so nothing is left out but the first, which warms up. After
the timed ones, k15 runs one more under torch's profiler.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from importlib.util import find_spec
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import torch
from rl_step_costs import Profile, floor_seconds
from rl_step_report import Run, report

from k15.datamodules.rl import RLDataModule
from k15.datamodules.samplers import Sampler
from k15.engines.transformers import TransformersEngine
from k15.losses.advantages import mean_baseline, standardized
from k15.losses.mirror_descent import mirror_descent
from k15.losses.policy_gradient import grpo
from k15.models.loading import load_policy
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.rl import RLModule
from k15.problems.sources import TaskSource
from k15.rewards.base import RewardCallback
from k15.rollouts.plan import RolloutPlan
from k15.sizes import Sizes
from k15.tasks.base import Task
from k15.tasks.make24 import Make24
from k15.tasks.word_problems import WordProblems
from k15.types import Experience, Problem, RolloutGroup

SIDES = ("k15", "TRL")
LEARNING_RATE = 1e-6
OBJECTIVES: dict[str, tuple[Any, Any]] = {
    "grpo": (partial(grpo, kl_weight=0.0), standardized),
    "mirror_descent": (partial(mirror_descent, tau=0.5), mean_baseline),
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """What both sides do with a model."""

    timed: int
    """Iterations per process, behind one that warms up."""
    trl: dict[str, Any]
    """TRL's settings: of the small sizes the fastest of several micro-batches and both caches."""
    task: Task
    problems: int
    samples: int = 8
    new_tokens: int

    @property
    def sizes(self) -> Sizes:
        return Sizes(
            problems_per_iteration=self.problems,
            samples_per_problem=self.samples,
            minibatches_per_iteration=1,
        )

    @property
    def responses(self) -> int:
        return self.problems * self.samples

    @property
    def source(self) -> TaskSource:
        """The problems of both sides."""
        return TaskSource(self.task, train_problems=self.problems, held_out_problems=1)


MAKE24 = partial(Work, task=Make24(), problems=32, new_tokens=128)
STATIC = {"gradient_accumulation_steps": 8, "cache_implementation": "static"}
SMALL = {
    "115k": MAKE24(timed=6, trl=STATIC),
    "2m": MAKE24(timed=2, trl={"gradient_accumulation_steps": 8}),
}
REAL = Work(
    timed=1,
    trl={"gradient_accumulation_steps": 4},
    task=WordProblems(levels=[1, 2]),
    problems=4,
    new_tokens=48,
)


def work_of(model: str) -> Work:
    return SMALL.get(model, REAL)


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

    def lap(self, tokens: int) -> None:
        """The end of an iteration that generated and trained on `tokens`."""
        now = time.process_time()
        whole = {"iteration": now - self.started, "tokens": tokens}
        self.iterations.append({**self.parts, **whole})
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


def fresh_policy(size: str) -> Policy:
    """The default policy, or a Qwen2 of 2M parameters with its vocabulary; random weights."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    tiny = tiny_policy(words=Make24().words)
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


def run_k15(folder: str, size: str, seed: int, objective: str) -> Run:
    """One process of k15."""
    from lightning.pytorch import Trainer, seed_everything
    from lightning.pytorch.callbacks import LambdaCallback

    seed_everything(seed, verbose=False)
    work = work_of(size)
    policy, reward = load_policy(folder), RandomReward(seed)
    engine = TransformersEngine(policy)
    datamodule = RLDataModule(
        policy=policy,
        source=work.source,
        engine=engine,
        sampler=InOrder(),
        rewards={"random": reward},
        plan=RolloutPlan(sizes=work.sizes, max_response_tokens=work.new_tokens, seed=seed),
    )
    loss, advantage = OBJECTIVES[objective]
    module = RLModule(
        policy,
        engine=engine,
        loss=loss,
        advantage=advantage,
        learning_rate=LEARNING_RATE,
        sizes=work.sizes,
    )
    clock, profile, experiences = Clock(), Profile(work.timed + 1), list[Experience]()
    clock.watch(datamodule.collector, "run", "rollout")

    def end_of_iteration(trainer: Trainer, *_: Any) -> None:
        groups = experiences[-1].groups
        clock.lap(sum(rollout.length for group in groups for rollout in group.rollouts))
        profile.stop(trainer)

    ends = LambdaCallback(
        on_train_epoch_start=profile.start,
        on_train_batch_end=lambda *event: experiences.append(event[3]),
        on_train_epoch_end=end_of_iteration,
    )
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=work.timed + 2,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[reward, ends],
    )
    trainer.fit(module, datamodule)
    return {
        "iterations": clock.iterations[1:-1],
        "profile": profile.shares,
        "floor": median(floor_seconds(policy, each, work.responses) for each in experiences[1:-1]),
    }


def run_trl(folder: str, size: str, seed: int, objective: str) -> Run:
    """One process of TRL; its objective is GRPO whatever k15's is."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    work, tokenizer = work_of(size), AutoTokenizer.from_pretrained(folder)
    clock, random, tokens = Clock(), Random(seed), list[int]()

    def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
        tokens.append(sum(map(len, completion_ids)))
        return [random.random() for _ in completion_ids]

    class Ends(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.lap(tokens[-1])

    prompts = [
        tokenizer.apply_chat_template(problem.prompt, tokenize=False, add_generation_prompt=True)
        for problem in work.source.train
    ]
    with tempfile.TemporaryDirectory() as output:
        config = GRPOConfig(
            output_dir=output,
            max_steps=work.timed + 1,
            learning_rate=LEARNING_RATE,
            per_device_train_batch_size=work.responses // work.trl["gradient_accumulation_steps"],
            num_generations=work.samples,
            max_completion_length=work.new_tokens,
            loss_type="grpo",
            beta=0.0,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=seed,
            **work.trl,
        )
        trainer = GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
            processing_class=tokenizer,
            reward_funcs=reward,
            args=config,
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            callbacks=[Ends()],
        )
        clock.watch(trainer, "_generate", "rollout")
        clock.watch(trainer, "_calculate_rewards", "reward")
        trainer.train()
    return {"iterations": clock.iterations[1:]}


def measure(size: str, repetitions: int, objective: str) -> dict[str, list[Run]]:
    """Processes of both sides, by turns."""
    runs: dict[str, list[Run]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as fresh:
        folder = fresh if size in SMALL else size
        if size in SMALL:
            fresh_policy(size).save(folder)
        for seed in range(repetitions):
            for side in SIDES:
                print(f"{size}: {side}, {seed + 1} of {repetitions}", file=sys.stderr)
                options = ["--model", size, "--objective", objective]
                runs[side].append(run_process(["--child", side, folder, str(seed), *options]))
    return runs


def run_process(arguments: Sequence[str]) -> Run:
    """A process on one thread; what it measured is its last line."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=7200,
    )
    if ended.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{ended.stderr}")
    return json.loads(ended.stdout.splitlines()[-1])


def found(model: str) -> str:
    """A size, a name on the hub, or a folder, which may lie in `models`."""
    inside = Path("models", model)
    return str(inside) if inside.is_dir() and not Path(model).is_dir() else model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="both", help="115k, 2m, both, or a folder or name")
    parser.add_argument("--repetitions", type=int, default=2, help="processes of each side")
    parser.add_argument("--objective", choices=OBJECTIVES, default="grpo", help="k15's; TRL: GRPO")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)  # side, folder, seed
    arguments = parser.parse_args()
    if find_spec("trl") is None:
        raise SystemExit('trl is not installed: pip install -e ".[bench]"')
    if arguments.child:
        side, folder, seed = arguments.child
        torch.set_num_threads(1)
        run = run_k15 if side == "k15" else run_trl
        print(json.dumps(run(folder, arguments.model, int(seed), arguments.objective)))
        return
    for size in SMALL if arguments.model == "both" else (found(arguments.model),):
        report(size, measure(size, arguments.repetitions, arguments.objective))


if __name__ == "__main__":
    main()

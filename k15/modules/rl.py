"""RL by online mirror descent: one training step is one iteration of k1.5 (§2.3.2, §2.6).

    Experience ─► rollouts with tokens in the loss ─► advantages ─► groups that carry a signal
                                                                          │ shuffled
                                            minibatches of whole groups ◄─┘
                                                  │ for each
    π_i log-probs (reference) ─► loss over micro-batches ─► clip ─► optimizer step

Legend: P problems, G samples per problem, B sequences of a micro-batch, T response tokens.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Literal

import torch
from torch import Tensor

from k15.config.errors import ConfigError
from k15.engines.protocol import RolloutEngine
from k15.engines.sync import sync, weights_version
from k15.learning_rates import Rate, Trained
from k15.losses.advantages import carries_signal, check_advantage
from k15.losses.policy_loss import PolicyLoss
from k15.models.layouts.choice import Choice, choose_layout
from k15.models.logps import response_logps
from k15.models.policy import Policy
from k15.modules.base import PolicyModule
from k15.modules.divergence import KLToStart
from k15.modules.iteration_figures import iteration_figures, learning_figures, waited
from k15.modules.micro_batches import LaidOut, MicroBatch, Minibatch, response, shared
from k15.modules.mismatch import mismatch
from k15.modules.optimizers import MakeOptimizer, adamw
from k15.modules.out_of_memory import lower, with_halves
from k15.modules.step_sizes import OptimizerState, StepSizes
from k15.progress import phase
from k15.sharding.norms import clip
from k15.sizes import Sizes
from k15.types import Experience, Rollout, RolloutGroup, StepsWithinBatch

Credited = tuple[RolloutGroup, Tensor]
"""A group with its advantages: [G, 1], or [G, T] with one for each token."""


class RLModule(PolicyModule, StepsWithinBatch):
    """Trains the policy on one `Experience` per epoch.

    `engine`, from which its data comes, gets the weights of each iteration. `advantage` maps
    rewards [P, G] to advantages [P, G]; `loss` is one of `k15.losses`. Both are swapped by name; to
    change more, override `loss_mask`, `advantages` or `select_groups`.
    `temperature` is the one rollouts are sampled with. `layout` says how responses go through the
    model: "auto" puts the samples of a problem behind one prompt where the model's attention allows
    it. `optimizer_state` and `warmup_steps` are those of `StepSizes`, `tokens_per_chunk` is that of
    `response_logps`. `seed` is that of the order in which an iteration's groups are trained on.
    `kl_to_start` measures how far the policy is from the weights
    that it comes with: for a second copy of those that are trained, and a forward pass over one
    minibatch of each iteration.
    """

    automatic_optimization = False

    def __init__(
        self,
        policy: Policy,
        *,
        engine: RolloutEngine,
        loss: PolicyLoss,
        advantage: Callable[[Tensor], Tensor],
        learning_rate: Rate,
        sizes: Sizes,
        optimizer_state: OptimizerState = "reset",
        warmup_steps: int = 0,
        gradient_clip: float = 1.0,
        loss_on: Literal["all", "current_segment"] = "all",
        drop_zero_advantage: bool = True,
        passes: int = 1,
        layout: Choice = "auto",
        temperature: float = 1.0,
        tokens_per_chunk: int = 512,
        kl_to_start: bool = False,
        train: Trained = "all",
        optimizer: MakeOptimizer = adamw,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            policy,
            learning_rate=learning_rate,
            train=train,
            optimizer=optimizer,
            betas=betas,
            weight_decay=weight_decay,
        )
        if loss_on not in ("all", "current_segment"):
            raise ValueError(f"module.loss_on={loss_on!r}: choose all or current_segment")
        if passes < 1:
            raise ValueError(f"module.passes={passes}: choose 1 or more")
        if temperature <= 0:
            raise ValueError(f"module.temperature={temperature}: must be above 0")
        check_advantage(advantage, sizes.samples_per_problem)
        self.engine = engine
        self.loss = loss
        self.advantage = advantage
        self.sizes = sizes
        self.step_sizes = StepSizes(optimizer_state=optimizer_state, warmup_steps=warmup_steps)
        self.gradient_clip = gradient_clip
        self.loss_on = loss_on
        self.drop_zero_advantage = drop_zero_advantage
        self.passes = passes
        self.layout = choose_layout(policy, layout, prompts_repeat=True)
        self.temperature, self.tokens_per_chunk = temperature, tokens_per_chunk
        self.seed = seed
        self.kl_to_start = KLToStart(policy) if kl_to_start else None

    def setup(self, stage: str) -> None:
        """Raises ConfigError for float16: the gradient is clipped before its scale is taken off."""
        super().setup(stage)
        if str(self.trainer.precision) == "16-mixed":
            raise ConfigError("trainer.precision=16-mixed: RL takes bf16-mixed or 32-true")

    def model_is_spread(self) -> None:
        """The weights that the policy comes with are spread like its own."""
        if self.kl_to_start is not None:
            self.kl_to_start = KLToStart(self.policy)

    def training_step(self, experience: Experience, batch_index: int) -> None:
        """One iteration: several optimizer steps on its experience; waits for the next one where it
        is collected meanwhile.
        """
        started = time.perf_counter()
        if experience.wait_for_next is None:
            self.engine.sleep()
        self.model.eval()  # π_θ and π_i are the policy that sampled: without dropout
        optimizer: Any = self.optimizers()
        rates = self.group_rates(optimizer)
        self.step_sizes.begin(optimizer)
        groups = self.select_groups(experience)
        minibatches = [
            minibatch
            for turn in range(self.passes)
            for minibatch in self.minibatches(
                groups, experience.iteration, experience.sampled_by, turn
            )
        ]
        self.add_references(minibatches[1:])  # the first one meets π_i itself
        sums: dict[str, list[Any]] = defaultdict(list)
        with phase("train", len(minibatches), " minibatches") as progress:
            for step, minibatch in enumerate(minibatches):
                place = step, len(minibatches), self.trainer.global_step
                self.step_sizes.set_rates(optimizer, rates, *place)
                for name, value in self.minibatch_step(optimizer, minibatch).items():
                    sums[name].append(value)
                progress.update()
        mismatched: Any = sum(sums.pop("engine_mismatch", ()))
        figures = {name: sum(values) / len(values) for name, values in sums.items()}
        figures |= mismatched.figures(self.shard) if mismatched else {}
        figures |= {"steps": len(minibatches), **learning_figures(optimizer, groups)}
        if self.kl_to_start and minibatches:
            laid_out = minibatches[0].laid_out(self.policy, self.layout)
            total = self.across_ranks(self.kl_to_start(laid_out, self.logps))["kl"]
            figures["kl_to_start"] = total / max(1, minibatches[0].fresh)
        seconds = {"train": time.perf_counter() - started, **waited(experience)}
        self.log_figures(iteration_figures(experience, groups, figures, seconds))

    def select_groups(self, experience: Experience) -> list[Credited]:
        """What is trained on: rollouts with tokens in the loss, and of their groups those that
        carry a signal, which is where advantages are not all 0.

        The rollouts that are left out do not count in the baseline either: over what is trained,
        its advantages add up to 0.
        """
        groups = [self.with_tokens(group, experience.sampled_by) for group in experience.groups]
        groups = [group for group in groups if group.rollouts]
        return [
            (group, advantage_GT)
            for group, advantage_GT in zip(groups, self.advantages(groups), strict=True)
            if not self.drop_zero_advantage or carries_signal(advantage_GT, group.reward)
        ]

    def with_tokens(self, group: RolloutGroup, version: int) -> RolloutGroup:
        """The rollouts of a group that have a token in the loss."""
        masks = [self.loss_mask(rollout, version) for rollout in group.rollouts]
        return group.only([index for index, mask in enumerate(masks) if any(mask)])

    def loss_mask(self, rollout: Rollout, version: int) -> tuple[bool, ...]:
        """[T] which response tokens the loss sees (§2.6: older segments may be left out); `version`
        is that of the newest ones.
        """
        return tuple(self.loss_on == "all" or each == version for each in rollout.versions)

    def advantages(self, groups: Sequence[RolloutGroup]) -> list[Tensor]:
        """[G, 1] of each group, from its total rewards; groups of one size form one [P, G]."""
        found: dict[int, Tensor] = {}
        for size in {len(group.rollouts) for group in groups}:
            same = [i for i, group in enumerate(groups) if len(group.rollouts) == size]
            reward_PG = torch.tensor([groups[i].reward for i in same], dtype=torch.float64)
            found.update(zip(same, self.advantage(reward_PG)[:, :, None], strict=True))
        return [found[index] for index in range(len(groups))]

    def minibatches(
        self,
        groups: Sequence[Credited],
        iteration: int,
        version: int | None = None,
        turn: int = 0,
    ) -> list[Minibatch]:
        """Whole groups in random order, another one at each turn, spread evenly over the
        minibatches; each is cut into micro-batches. Experience comes with the groups that took
        longest first. `version` is that of its newest segments, where it is not the iteration.
        """
        version = iteration if version is None else version
        rng = Random(f"{self.seed}/{iteration}" + (f"/{turn}" if turn else ""))
        order = rng.sample(range(len(groups)), len(groups))
        parts = torch.tensor(order).tensor_split(self.sizes.minibatches_per_iteration)
        return [
            self.minibatch([groups[index] for index in part.tolist()], version)
            for part in parts
            if len(part)
        ]

    def minibatch(self, groups: Sequence[Credited], version: int) -> Minibatch:
        """The responses of some groups, this rank's under the token budget."""
        responses = [
            [
                response(group, rollout, advantage_T, self.loss_mask(rollout, version), version)
                for rollout, advantage_T in zip(group.rollouts, advantage_GT, strict=True)
            ]
            for group, advantage_GT in groups
        ]
        budget = self.sizes.tokens_per_microbatch
        return shared(self.policy, responses, budget, self.layout, self.shard)

    def within_memory(self, go_through: Callable[..., Any], minibatch: Minibatch) -> Any:
        """One micro-batch after the other, in halves where that takes less; not on several ranks,
        which have to go through as many as each other.
        """
        halves = MicroBatch.halves if self.trainer.world_size == 1 else MicroBatch.whole
        budget, chunk = self.sizes.tokens_per_microbatch, self.tokens_per_chunk
        sizes = (f"sizes.tokens_per_microbatch={budget}", f"tokens_per_chunk={chunk}")
        hint = lower(*sizes, "data.max_response_tokens")
        return with_halves(go_through, minibatch.micro_batches, halves, hint)

    @torch.no_grad()
    def add_references(self, minibatches: list[Minibatch]) -> None:
        """log π_i of every response token, before the first optimizer step."""
        with phase("reference", len(minibatches), " minibatches") as progress:
            for minibatch in minibatches:
                self.within_memory(self._add_references, minibatch)
                progress.update()

    def _add_references(self, micro_batches: Iterable[MicroBatch]) -> None:
        for micro in micro_batches:
            micro.reference_logp_BT = self.logps(micro.laid_out(self.policy, self.layout))

    def minibatch_step(self, optimizer: Any, minibatch: Minibatch) -> dict[str, Any]:
        """Accumulate the gradient over micro-batches and ranks, clip it, take one step."""

        def gathered(micro_batches: Iterable[MicroBatch]) -> dict[str, Any]:
            optimizer.zero_grad()
            sums: dict[str, Any] = {}  # read once, behind the step: reading waits for the device
            for number, micro in enumerate(micro_batches, start=1):
                self.last_of_step(number == len(minibatch.micro_batches))
                found = self.add_gradient(micro, minibatch.counts)
                sums = {name: sums.get(name, 0.0) + value for name, value in found.items()}
            return sums

        sums = self.within_memory(gathered, minibatch)
        self.add_up_gradients()
        norm = clip(self.trained_parameters(), self.gradient_clip)
        optimizer.step()
        mismatched = {"engine_mismatch": sums.pop("engine_mismatch")}
        return {**self.across_ranks(sums), "gradient_norm": float(norm), **mismatched}

    def add_gradient(self, micro: MicroBatch, counts: dict[str, float]) -> dict[str, Any]:
        """Add a micro-batch's gradient to what is there; returns its share of the figures."""
        self.under_way = micro.problems
        laid_out = micro.laid_out(self.policy, self.layout)
        inputs = laid_out.inputs(self.logps(laid_out), counts)
        micro.reference_logp_BT = inputs.reference_logp_BT
        loss, parts = self.loss(inputs)
        self.manual_backward(loss)
        found = mismatch(inputs, laid_out.fresh_BT)
        return {**parts, "loss": loss.detach(), "engine_mismatch": found}

    def logps(self, micro: LaidOut) -> Tensor:
        """[B, T] log-probabilities of the response tokens under the current weights."""
        return response_logps(
            self.policy,
            micro.batch,
            temperature=self.temperature,
            tokens_per_chunk=self.tokens_per_chunk,
        )

    def validation_step(self, experience: Experience, batch_index: int) -> None:
        """Accuracy and length on the held-out problems."""
        metrics = {f"val/{name}": float(value) for name, value in experience.metrics.items()}
        metrics |= {"step": float(experience.iteration), "val/held_out": len(experience.groups)}
        self.log_figures(metrics)

    def log_figures(self, figures: Mapping[str, float]) -> None:
        """Under the iteration's number, `step`."""
        self.log_dict(dict(figures), on_step=False, on_epoch=True, batch_size=1)

    def on_train_epoch_start(self) -> None:
        """The engine samples from π_i."""
        sync(self.engine, self.model, weights_version(self.trainer))

    def on_validation_start(self) -> None:
        """Validation sees the newest weights."""
        sync(self.engine, self.model, weights_version(self.trainer))

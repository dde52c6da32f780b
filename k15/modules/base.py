"""What all modules share: the policy, its optimizer, and checkpoints that refuse another model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from k15.config.errors import ConfigError
from k15.learning_rates import Rate, Trained, rates_by_part
from k15.models.lora import adapted
from k15.models.parts import check_parts, freeze_all_but, part_of
from k15.models.policy import Policy
from k15.models.streamed import read_weights
from k15.modules.frozen import leave_out, put_back
from k15.modules.gradients import add_up, keep_apart
from k15.modules.optimizers import MakeOptimizer, adamw
from k15.modules.precision import check_precision, warn_of_lost_steps, warn_of_slow_bfloat16
from k15.shard import Shard, shard_of
from k15.sharding.spread import Spread
from k15.sharding.states import local_part
from k15.sharding.strategy import ShardedStrategy


class PolicyModule(LightningModule):
    """A policy under training.

    Of learning rates by kind or part (`k15.learning_rates`) the policy's own are taken; `train`
    names the parts that learn. The others, and those whose rate is 0, are frozen: they have no
    gradient. `optimizer` makes one (`k15.modules.optimizers`), with AdamW's `betas` and
    `weight_decay`.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        learning_rate: Rate,
        train: Trained = "all",
        optimizer: MakeOptimizer = adamw,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.policy = policy
        self.model: nn.Module = policy.model.train()
        rates = rates_by_part(learning_rate, kinds(policy.model), train)
        self.rates = check_parts(policy.model, rates)
        freeze_all_but(policy.model, self.rates)
        self.learning_rate = max(self.rates.values())
        """The highest of the parts' rates."""
        self.make_optimizer = optimizer
        self.betas = betas
        self.optimizer_on_cpu = False
        """Set by `k15.callbacks.offload` before the optimizer is made."""
        self.weight_decay = weight_decay
        self.shard = Shard()
        self.spread: Spread | None = None
        """Where the weights are spread over ranks."""

    def trained_parameters(self) -> list[nn.Parameter]:
        """The parameters the optimizer gets."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def setup(self, stage: str) -> None:
        """Whoever runs the policy outside of a step computes as the trainer does; each rank draws
        its own random numbers (dropout).

        Raises ConfigError for float16 on several ranks: each would pass over steps of its own.
        """
        check_precision(str(self.trainer.precision))
        warn_of_slow_bfloat16(self.trainer)
        self.policy.computing = self.trainer.precision_plugin.forward_context
        self.shard = shard_of(self.trainer)
        if self.shard.world > 1 and str(self.trainer.precision) == "16-mixed":
            raise ConfigError(
                "trainer.precision=16-mixed: several ranks take bf16-mixed or 32-true"
            )
        if self.shard.rank:
            torch.manual_seed(torch.initial_seed() + self.shard.rank)

    def configure_model(self) -> None:
        """Spread the weights over the ranks, once, where the strategy does so."""
        strategy = self.trainer.strategy
        if isinstance(strategy, ShardedStrategy) and self.spread is None:
            self.spread = strategy.spread(self.model)
            if self.policy.streamed:
                read_weights(self.model, self.policy.path, strategy.root_device, local_part)
                self.policy.streamed = False
            self.model_is_spread()
        if self.policy.streamed:
            raise ConfigError("model.streamed=true: take trainer=fsdp2 with it, or leave it false")

    def model_is_spread(self) -> None:
        """For a subclass that holds on to weights."""

    def on_train_start(self) -> None:
        """Steps that would be lost are warned of."""
        warn_of_lost_steps(self.trainer, self.learning_rate)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What is trained, the parts of one learning rate together."""
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                groups.setdefault(self.rates[part_of(name)], []).append(parameter)
        return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]

    def group_rates(self, optimizer: Any) -> list[float]:
        """The learning rate of each of its groups, as the configuration has it."""
        parts = {parameter: part_of(name) for name, parameter in self.model.named_parameters()}
        return [self.rates[parts[group["params"][0]]] for group in optimizer.param_groups]

    def configure_optimizers(self) -> Any:
        """The optimizer, at constant learning rates."""
        return self.make_optimizer(
            self.parameter_groups(),
            self.model,
            on_cpu=self.optimizer_on_cpu,
            foreach=False if self.spread is not None else None,  # parts lie on meshes of their own
            betas=(self.betas[0], self.betas[1]),
            weight_decay=self.weight_decay,
        )

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Gradients of several ranks wait for `add_up_gradients`."""
        keep_apart(self.trainer.strategy.model)

    def add_up_gradients(self) -> None:
        """Over all ranks, before an optimizer step looks at them."""
        if self.spread is None:
            add_up(self.trained_parameters(), self.shard)
        else:
            self.spread.finish_gradients(self.shard)

    def last_of_step(self, last: bool) -> None:
        """Whether the next backward pass is the last one before an optimizer step."""
        strategy = self.trainer.strategy
        if self.spread is not None and isinstance(strategy, ShardedStrategy):
            self.spread.send_gradients(last or strategy.send_gradients == "each")

    def across_ranks(self, figures: Mapping[str, float | Tensor]) -> dict[str, float]:
        """Sums over all ranks of figures that each of them has, such as what a loss is normalised
        by.
        """
        if self.shard.world == 1:
            return {name: float(value) for name, value in figures.items()}
        values = [torch.as_tensor(value, device=self.device).double() for value in figures.values()]
        return dict(zip(figures, self.shard.summed(torch.stack(values)).tolist(), strict=True))

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Batches are plain data; `k15.models.layouts` makes tensors on the right device."""
        return batch

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember which model this is, and torch's random states of all ranks (dropout)."""
        checkpoint["model_shapes"] = shapes(self.model)
        checkpoint["rng"] = self.shard.gathered(random_states())
        leave_out(checkpoint, self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the random states, of a rank that was there; raises ValueError if the checkpoint
        is of another model.
        """
        check_same_model(checkpoint["model_shapes"], shapes(self.model))
        put_back(checkpoint, self)
        for states in checkpoint["rng"][self.shard.rank : self.shard.rank + 1]:
            restore_random_states(states)


def kinds(model: Any) -> tuple[str, str]:
    """What of it is trained, and what it reads, as learning rates name it."""
    return (
        "adapter" if adapted(model) else "weights",
        "image" if hasattr(model.config, "vision_config") else "text",
    )


def random_states() -> dict[str, Tensor]:
    """Torch's own, and that of the GPU in use, where dropout draws from."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_states(states: Mapping[str, Tensor]) -> None:
    """Go on where `random_states` was called; a GPU that was not there then starts anew."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def shapes(model: nn.Module) -> dict[str, list[int]]:
    """Every parameter's name and shape."""
    return {name: list(parameter.shape) for name, parameter in model.named_parameters()}


def check_same_model(saved: Mapping[str, list[int]], current: Mapping[str, list[int]]) -> None:
    """Raise ValueError naming the first parameter in which a checkpoint's model differs from this
    one.
    """
    for name in sorted({*saved, *current}):
        if saved.get(name) != current.get(name):
            raise ValueError(
                f"resume: the checkpoint is of another model: {name} is "
                f"{saved.get(name, 'absent')} there and "
                f"{current.get(name, 'absent')} here; resume with the model it was trained with, "
                "or start "
                "a new run from its exported folder with start_from=<run>/model"
            )

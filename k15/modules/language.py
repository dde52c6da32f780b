"""Pretraining and SFT: next-token prediction on the responses of demonstrations (k1.5 §2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import nn

from k15.learning_rates import Rate
from k15.losses.language import cross_entropy
from k15.losses.terms import Terms
from k15.models.layouts.choice import choose_layout
from k15.models.logps import response_predictions
from k15.models.policy import Policy
from k15.modules.supervised import SupervisedModule
from k15.types import Example, Pack

Part = Literal["all", "vision"]


class LanguageModule(SupervisedModule):
    """Cross-entropy on response tokens, in nats per token of all batches of a step.

    `train="vision"` freezes the language model: the tower learns alone (k1.5 §2.5, vision stage).
    A batch is of examples, or of packs of them (`k15.types.Pack`), which on a CPU are laid out as
    shared prompts are: without padding, and no mask costs a row's length squared.
    `layout` is that of `k15.models.layouts`, `tokens_per_chunk` that of `k15.models.logps`.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        learning_rate: Rate,
        train: Part = "all",
        warmup: float = 0.05,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.95),
        layout: str = "auto",
        tokens_per_chunk: int = 512,
    ) -> None:
        super().__init__(
            policy,
            learning_rate=learning_rate,
            warmup=warmup,
            weight_decay=weight_decay,
            betas=betas,
        )
        if train not in get_args(Part):
            raise ValueError(f"module.train={train!r}: choose {' or '.join(get_args(Part))}")
        self.tokens_per_chunk = tokens_per_chunk
        self.layout = choose_layout(policy, layout)
        self.pack_layout = choose_layout(policy, layout, prompts_repeat=True)
        freeze_language(policy.model, frozen=train == "vision")

    def terms(self, examples: Sequence[Example | Pack]) -> tuple[Terms, int]:
        """The response tokens; the model reads the prompts, too."""
        packed = isinstance(examples[0], Pack)
        layout = self.pack_layout if packed else self.layout
        batch = layout.collate(self.policy, unpacked(examples))
        logp_BT, right_BT = response_predictions(
            self.policy, batch, tokens_per_chunk=self.tokens_per_chunk
        )
        terms = cross_entropy(logp_BT, right_BT, batch.mask)
        return terms, sum(batch.sequence_lengths)


def unpacked(examples: Sequence[Example | Pack]) -> list[Example]:
    """The sequences that attend to themselves alone."""
    return [
        one for item in examples for one in (item.examples if isinstance(item, Pack) else (item,))
    ]


def freeze_language(model: nn.Module, frozen: bool) -> None:
    """Freeze everything but the vision tower; raises ValueError if the model has none."""
    visual = [name for name, _ in model.named_parameters() if ".visual." in f".{name}"]
    if frozen and not visual:
        raise ValueError(
            f"module.train=vision: {type(model).__name__} has no vision tower; use "
            "task.modality=image"
        )
    for name, parameter in model.named_parameters():
        if frozen and ".visual." not in f".{name}":
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            "module.train=vision: model.lora.modules names no layer of the vision tower, so "
            "nothing is trained; add some, or say all-linear"
        )

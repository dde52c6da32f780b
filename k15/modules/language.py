"""Pretraining and SFT: next-token prediction on the responses of demonstrations (k1.5 §2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from k15.config.errors import ConfigError
from k15.losses.language import cross_entropy, z_loss
from k15.losses.terms import Terms
from k15.models.layouts.base import unpacked
from k15.models.layouts.choice import Choice, choose_layout
from k15.models.logps import response_normalisers, response_predictions
from k15.models.policy import Policy
from k15.modules.supervised import SupervisedModule
from k15.types import Example, Pack


class LanguageModule(SupervisedModule):
    """Cross-entropy on response tokens, in nats per token of all batches of a step.

    `train="vision"` freezes the language model: the tower learns alone, with its projector (k1.5
    §2.5, vision stage). `z_loss` keeps the logits near 0 (`k15.losses.language`); 1e-4 is usual.
    A batch is of examples, or of packs of them (`k15.types.Pack`), which on a CPU are laid out as
    shared prompts are: without padding, and no mask costs a row's length squared.
    `layout` is that of `k15.models.layouts`, `tokens_per_chunk` that of `k15.models.logps`,
    `options` are `SupervisedModule`'s.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        z_loss: float = 0.0,
        layout: Choice = "auto",
        tokens_per_chunk: int = 512,
        **options: Any,
    ) -> None:
        super().__init__(policy, **options)
        if z_loss < 0:
            raise ConfigError(f"module.z_loss={z_loss}: must be at least 0, 1.0e-4 for example")
        self.z_loss = z_loss
        self.tokens_per_chunk = tokens_per_chunk
        self.layout = choose_layout(policy, layout)
        self.pack_layout = choose_layout(policy, layout, prompts_repeat=True)

    def terms(self, examples: Sequence[Example | Pack]) -> tuple[Terms, int]:
        """The response tokens; the model reads the prompts, too."""
        packed = isinstance(examples[0], Pack)
        layout = self.pack_layout if packed else self.layout
        batch = layout.collate(self.policy, unpacked(examples))
        read, chunk = sum(batch.sequence_lengths), self.tokens_per_chunk
        if not self.z_loss:
            found = response_predictions(self.policy, batch, tokens_per_chunk=chunk)
            return cross_entropy(*found, batch.mask), read
        logp_BT, right_BT, log_z_BT = response_normalisers(
            self.policy, batch, tokens_per_chunk=chunk
        )
        terms = cross_entropy(logp_BT, right_BT, batch.mask)
        return terms.plus("z_loss", z_loss(log_z_BT, batch.mask, self.z_loss)), read

"""Direct preference optimisation (2305.18290): the chosen response of each pair over the rejected.

    start: log π_ref of all pairs, once ─► kept as two numbers per pair, in checkpoints, too
    step:  log π_θ of a batch of pairs ─► loss of k15.losses.preference

The reference is the policy that training starts from, so no second model is in memory.

Legend: B pairs of a batch, S = 2B sequences, T longest response, in tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from k15.losses.preference import Pairs, PreferenceLoss, sigmoid
from k15.losses.reduce import masked_sum
from k15.losses.terms import Terms
from k15.models.layouts.base import expanded_length
from k15.models.layouts.bucketed import side_by_side
from k15.models.layouts.choice import choose_layout
from k15.models.logps import response_logps
from k15.models.policy import Policy
from k15.modules.supervised import SupervisedModule
from k15.progress import phase
from k15.types import Preference


class PreferenceModule(SupervisedModule):
    """Trains on batches of `Preference`s; `loss` is one of `k15.losses.preference`.

    `tokens_per_batch` is what goes through the model at once when the references are computed,
    `tokens_per_chunk` that of `k15.models.logps`, `options` are `SupervisedModule`'s. There is no
    dropout: the reference has none.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        loss: PreferenceLoss = sigmoid,
        weight_decay: float = 0.0,
        tokens_per_batch: int = 4096,
        tokens_per_chunk: int = 512,
        **options: Any,
    ) -> None:
        super().__init__(policy, weight_decay=weight_decay, **options)
        self.loss = loss
        self.tokens_per_batch, self.tokens_per_chunk = tokens_per_batch, tokens_per_chunk
        self.layout = choose_layout(policy)
        self.references: dict[str, tuple[float, float]] = {}
        """log π_ref of the chosen and of the rejected response of each pair, by its id, in nats."""

    def terms(self, pairs: Sequence[Preference]) -> tuple[Terms, int]:
        """The pairs; the model reads each prompt twice."""
        self.model.eval()  # without dropout
        chosen, rejected, read = self.logps(pairs)
        reference = torch.tensor([self.references[pair.id] for pair in pairs], device=self.device)
        inputs = Pairs(
            chosen_logp_B=chosen[0],
            rejected_logp_B=rejected[0],
            chosen_reference_logp_B=reference[:, 0],
            rejected_reference_logp_B=reference[:, 1],
            chosen_length_B=chosen[1],
            rejected_length_B=rejected[1],
        )
        return self.loss(inputs), read

    def logps(self, pairs: Sequence[Preference]) -> tuple[Tensor, Tensor, int]:
        """Of the chosen and of the rejected responses [2, B] each: log π_θ in nats, and tokens; and
        how many tokens the model has read.
        """
        examples = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
        batch = self.layout.collate(self.policy, examples)
        logp_ST = response_logps(self.policy, batch, tokens_per_chunk=self.tokens_per_chunk)
        found = torch.stack([masked_sum(logp_ST, batch.mask), batch.mask.sum(-1)])
        chosen, rejected = found.chunk(2, dim=-1)
        return chosen, rejected, sum(batch.sequence_lengths)

    def on_train_start(self) -> None:
        """The policy is the reference still; a resumed one has its references from before."""
        super().on_train_start()
        self.refer(pairs_of(self.trainer.train_dataloader))

    def on_validation_start(self) -> None:
        """The held-out pairs are met before the first step."""
        self.refer(pairs_of(self.trainer.val_dataloaders))

    @torch.no_grad()
    def refer(self, pairs: Sequence[Preference]) -> None:
        """Compute the references of pairs that have none yet."""
        new = [pair for pair in pairs if pair.id not in self.references]
        training, _ = self.model.training, self.model.eval()
        lengths = [
            2 * max(expanded_length(self.policy, one) for one in (pair.chosen, pair.rejected))
            for pair in new
        ]
        with phase("reference", len(new), " pairs") as progress, self.policy.computing():
            for chosen in side_by_side(lengths, self.tokens_per_batch):
                batch = [new[index] for index in chosen]
                good, bad, _ = self.logps(batch)
                both = torch.stack([good[0], bad[0]], dim=-1).tolist()
                for pair, (one, other) in zip(batch, both, strict=True):
                    self.references[pair.id] = (one, other)
                    progress.update()
        self.model.train(training)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember the references: a resumed policy is another one."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["references"] = self.references

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them from there."""
        super().on_load_checkpoint(checkpoint)
        self.references = dict(checkpoint["references"])


def pairs_of(loader: Any) -> Sequence[Preference]:
    """All pairs that a loader makes batches of."""
    return loader.dataset.items

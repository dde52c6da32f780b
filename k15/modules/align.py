"""The vision tower's first lesson: say with each patch what the word in it would say (k1.5 §2.5,
vision stage).

The language model stays frozen. A visual token that lies where the word's embedding lies is
understood by it without further training, so this stage makes the later ones quick.

Legend: N visual tokens of a batch, C of them labelled, H hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from k15.losses.terms import Terms
from k15.models.policy import Policy
from k15.modules.supervised import SupervisedModule
from k15.types import Problem


class AlignModule(SupervisedModule):
    """Cross-entropy of visual tokens against the language model's embeddings.

    Problems say in `meta["patch_words"]`, {patch: word}, what stands where; other patches are free.
    """

    def __init__(self, policy: Policy, **options: Any) -> None:
        super().__init__(policy, train="vision", **options)

    def terms(self, problems: Sequence[Problem]) -> tuple[Terms, int]:
        """The labelled patches; the tower reads all of them."""
        visual_NH, places, words = self._visual_tokens(problems)
        logits_CV = visual_NH[places] @ self.policy.model.get_input_embeddings().weight.T
        terms = Terms(
            loss=cross_entropy(logits_CV.float(), words, reduction="sum"),
            count=len(words),
            metrics={"token_accuracy": (logits_CV.argmax(-1) == words).sum()},
        )
        return terms, len(visual_NH)

    def _visual_tokens(self, problems: Sequence[Problem]) -> tuple[Tensor, Tensor, Tensor]:
        """The visual tokens of all pictures [N, H], the labelled ones' places and word ids."""
        features, places, words = [], [], []
        offset = 0
        for problem in problems:
            expanded = self.policy.expand(self.policy.encode(problem), problem.images)
            features.append(expanded.features)
            for patch, word in problem.meta["patch_words"].items():
                places.append(offset + patch)
                words.append(self.policy.tokenizer.convert_tokens_to_ids(word))
            offset += expanded.tokens.count(self.policy.model.config.image_token_id)
        joined = {
            name: torch.cat([f[name] for f in features]).to(self.device) for name in features[0]
        }
        visual = self.policy.model.get_image_features(**joined, return_dict=True).pooler_output

        return (
            torch.cat(visual),
            torch.tensor(places, dtype=torch.long, device=self.device),
            torch.tensor(words, dtype=torch.long, device=self.device),
        )

"""The vision tower's first lesson: say with each patch what the word in it would say (k1.5 §2.5,
vision stage).

The language model stays frozen. A visual token that lies where the word's embedding lies is
understood by it without further training, so this stage makes the later ones quick.
"""

from __future__ import annotations

import torch
from torch import Tensor

from k15.models.policy import Policy
from k15.modules.language import LanguageModule
from k15.types import Problem


class AlignModule(LanguageModule):
    """Cross-entropy of visual tokens against the language model's embeddings.

    Problems say in `meta["patch_words"]`, {patch: word}, what stands where; other patches are free.
    """

    def __init__(self, policy: Policy, *, learning_rate: float, warmup: float = 0.05) -> None:
        super().__init__(policy, learning_rate=learning_rate, warmup=warmup, train="vision")

    def loss(self, problems: list[Problem]) -> Tensor:  # type: ignore[override]
        """Cross-entropy in nats per labelled patch."""
        visual_NH, places, words = self._visual_tokens(problems)
        logits_NV = visual_NH[places] @ self.policy.model.get_input_embeddings().weight.T
        return torch.nn.functional.cross_entropy(logits_NV, words)

    def _visual_tokens(self, problems: list[Problem]) -> tuple[Tensor, Tensor, Tensor]:
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
            torch.tensor(places, device=self.device),
            torch.tensor(words, device=self.device),
        )

"""The classic reward model as a reward: a value head's probability of being correct
(k1.5 §2.3.5).
"""

from __future__ import annotations

from typing import Any

from k15.rewards.model_reward import ModelReward


class ClassicModelReward(ModelReward):
    """Any Hugging Face sequence classification model with one label, in a process of its own."""

    def __init__(
        self,
        path: str | None = None,
        *,
        dtype: str = "float32",
        device: str = "cpu",
        tokens_per_batch: int = 16384,
        trained_by: str = "reward_model",
        **options: Any,
    ) -> None:
        """`options` are those of `ModelReward`; `tokens_per_batch` bounds one forward pass."""
        judge = {
            "_target_": "k15.graders.judges.value_judge",
            "dtype": dtype,
            "device": device,
            "tokens_per_batch": tokens_per_batch,
        }
        super().__init__(path, judge, trained_by=trained_by, **options)

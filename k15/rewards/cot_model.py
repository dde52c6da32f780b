"""The chain-of-thought reward model as a reward: the one k1.5 uses in RL (§2.3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k15.rewards.model_reward import ModelReward


class CotModelReward(ModelReward):
    """Any Hugging Face language model that was taught to end in a JSON verdict, in a process of
    its own, where it writes through a `RolloutEngine`.
    """

    def __init__(
        self,
        path: str | None = None,
        *,
        engine: str = "k15.engines.transformers.TransformersEngine",
        engine_options: Mapping[str, Any] | None = None,
        max_new_tokens: int = 256,
        attempts: int = 4,
        temperature: float = 1.0,
        dtype: str = "float32",
        device: str = "cpu",
        trained_by: str = "cot_reward_model",
        **options: Any,
    ) -> None:
        """Start nothing yet; `options` are those of `ModelReward`.

        Args:
            engine: import path of the engine class; `engine_options` are its arguments, and it
                gets the model as `policy`. Built in the server, hence not a node of its own.
            max_new_tokens: longest reasoning with verdict.
            attempts: greedy once, then sampled at `temperature` where there was no JSON verdict;
                after the last one the group fails, it is not scored 0.
        """
        judge = {
            "_target_": "k15.graders.judges.cot_judge",
            "engine": {"_target_": engine, "_partial_": True, **(engine_options or {})},
            "max_new_tokens": max_new_tokens,
            "attempts": attempts,
            "temperature": temperature,
            "dtype": dtype,
            "device": device,
        }
        super().__init__(path, judge, trained_by=trained_by, **options)

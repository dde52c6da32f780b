"""The chain-of-thought reward model as a reward: the one k1.5 uses in RL (§2.3.5)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from k15.engines.protocol import RolloutEngine
from k15.engines.transformers import TransformersEngine
from k15.rewards.model_reward import ModelReward


class CotModelReward(ModelReward):
    """Any Hugging Face language model that was taught to end in a JSON verdict, in a process of
    its own, where it writes through a `RolloutEngine`.
    """

    def __init__(
        self,
        path: str | None = None,
        *,
        make_engine: Callable[..., RolloutEngine] = TransformersEngine,
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
            make_engine: makes the engine that the server writes through, from `policy`: a class
                or function, or a partial of one with plain values.
            max_new_tokens: longest reasoning with verdict.
            attempts: greedy once, then sampled at `temperature` where there was no JSON verdict;
                after the last one the group fails, it is not scored 0.
        """
        judge = {
            "_target_": "k15.graders.judges.cot_judge",
            "make_engine": node_of(make_engine),
            "max_new_tokens": max_new_tokens,
            "attempts": attempts,
            "temperature": temperature,
            "dtype": dtype,
            "device": device,
        }
        super().__init__(path, judge, trained_by=trained_by, **options)


def node_of(make: Callable[..., Any]) -> dict[str, Any]:
    """The node that `make` is built from, for a process that builds it again."""
    function, values = (make.func, make.keywords) if isinstance(make, partial) else (make, {})
    target = f"{function.__module__}.{function.__qualname__}"
    return {"_target_": target, "_partial_": True, **values}

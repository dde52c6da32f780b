"""A vLLM engine for a policy: from its configuration alone, the weights follow."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from k15.config.errors import ConfigError, did_you_mean, one_line
from k15.engines.autocast import computed_in
from k15.engines.vllm.guest import guest
from k15.engines.weightless import write_policy

if TYPE_CHECKING:
    from k15.models.policy import Policy

GIB = 2**30
LONGEST = 400  # characters of vLLM's own message
BLOCK = 32  # tokens of a prefix that are cached together; the least that vLLM takes on a CPU


def built(policy: Policy, folder: Path, settings: dict[str, Any], options: dict[str, Any]) -> Any:
    """A `vllm.v1.engine.llm_engine.LLMEngine` in this process, with weights that mean nothing.

    `folder` is where it finds configuration, tokenizer and processor from now on. `options` are
    further fields of vLLM's EngineArgs, or others in place of k15's. Raises ConfigError for what
    vLLM cannot build, in one line.
    """
    write_policy(policy, folder)
    with guest(settings["enforce_eager"]):
        from vllm import EngineArgs, LLMEngine
        from vllm.platforms import current_platform

        from k15.engines.vllm.loader import LATER

        on_cpu = current_platform.is_cpu()
        settings = {**settings, **for_platform(on_cpu), "model": str(folder), "load_format": LATER}
        known = [field.name for field in fields(EngineArgs)]
        for name in options.keys() - set(known):
            raise ConfigError(f"engine.options.{name}: vLLM has none{did_you_mean(name, known)}")
        if on_cpu:
            keep_weights_as_they_are()
        try:
            return LLMEngine.from_engine_args(EngineArgs(**{**settings, **options}))
        except Exception as error:  # of whatever part of vLLM says no
            raise refusal(policy, error) from error


def refusal(policy: Policy, error: Exception) -> ConfigError:
    """What to say of a model that does not run; some of vLLM's messages list all its weights."""
    reason = one_line(root(error))
    reason = reason if len(reason) <= LONGEST else f"{reason[:LONGEST]} ..."
    return ConfigError(
        f"engine=vllm cannot run model.path={policy.path!r}: {reason}; if memory is short, lower "
        "engine.cache_gib, engine.context or engine.slots; if it does not know the model, take "
        "engine=transformers"
    )


def settings_of(
    policy: Policy,
    *,
    slots: int,
    context: int,
    cache_gib: float | None,
    images: int,
    eager: bool,
) -> dict[str, Any]:
    """What k15 sets of vLLM's EngineArgs on every platform."""
    seeing = bool(policy.placeholder_ids)
    return {
        "dtype": str(number_type(policy)).removeprefix("torch."),
        "max_model_len": context,
        "max_num_seqs": slots,
        "kv_cache_memory_bytes": None if cache_gib is None else int(cache_gib * GIB),
        "enforce_eager": eager,
        "enable_prefix_caching": True,
        "logprobs_mode": "raw_logprobs",
        "generation_config": "vllm",  # a folder's defaults for sampling are not the trainer's
        "distributed_executor_backend": "uni",
        "async_scheduling": False,
        "disable_log_stats": True,
        "skip_tokenizer_init": not seeing,
        "limit_mm_per_prompt": {"image": images, "video": 0} if seeing else {},
        "seed": 0,
    }


def for_platform(on_cpu: bool) -> dict[str, Any]:
    """A CPU gives no memory back, has blocks that are too long for the prompts of small tasks, and
    breaks where a prompt with a seed is prefilled in pieces.
    """
    if on_cpu:
        return {"block_size": BLOCK, "enable_chunked_prefill": False}
    return {"enable_sleep_mode": True}


def number_type(policy: Policy) -> torch.dtype:
    """That of training: of its autocast, or of the weights. (A policy without weights is in another
    process, which has been told the number type among its options.)
    """
    if policy.device.type == "meta":
        return policy.model.dtype
    with policy.computing():
        return computed_in(torch.empty(0, device=policy.device, dtype=policy.model.dtype))


def keep_weights_as_they_are() -> None:
    """vLLM packs linear weights for oneDNN, and a tied head as a copy: then every update packs them
    anew, five times as long as copying them. Plain ones decode as fast (docs/engines.md).
    """
    import vllm._custom_ops as operators

    operators._supports_onednn = False


def root(error: BaseException) -> Exception:
    """What was at the bottom of an error that was passed up."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error if isinstance(error, Exception) else RuntimeError(str(error))

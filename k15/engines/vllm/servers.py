"""vLLM in servers of its own, as many as there are devices: the same engine as beside the trainer.

Each server is a process with one `VLLMEngine`, so that sampler, seeds and log-probabilities are
those of `engine=vllm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k15.config.errors import ConfigError
from k15.engines.servers.engine import ServedEngine
from k15.engines.servers.fleet import Patience
from k15.engines.vllm.build import number_type
from k15.engines.vllm.installed import check_installed
from k15.weights.routes.protocol import Route

if TYPE_CHECKING:
    from k15.models.policy import Policy


class VLLMServers(ServedEngine):
    """`slots`, `context`, `cache_gib`, `images`, `eager` and `options` are those of `VLLMEngine`,
    for each server that is started here; the rest is that of `ServedEngine`.
    """

    added_to_score = 1

    def __init__(
        self,
        policy: Policy,
        *,
        replicas: int = 1,
        urls: Sequence[str] = (),
        devices: Sequence[str] = (),
        token: str | None = None,
        route: Route | None = None,
        patience: Patience | None = None,
        slots: int = 256,
        registry: str | None = "file",
        registry_at: str | None = None,
        run_dir: str | Path | None = None,
        context: int | None = None,
        cache_gib: float | None = 1.0,
        images: int = 1,
        eager: bool = True,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if replicas:
            check_installed()
        if slots < 1:
            raise ConfigError(f"engine.slots={slots}: at least one response must have a slot")
        arithmetic = {"dtype": str(number_type(policy)).removeprefix("torch.")}
        super().__init__(
            policy,
            serves="k15.engines.vllm.engine.VLLMEngine",
            settings={
                "slots": slots,
                "context": context,
                "cache_gib": cache_gib,
                "images": images,
                "eager": eager,
                "options": {**arithmetic, **(options or {})},
            },
            replicas=replicas,
            urls=urls,
            devices=devices,
            token=token,
            route=route,
            patience=patience,
            context=context,
            registry=registry,
            registry_at=registry_at,
            run_dir=run_dir,
        )

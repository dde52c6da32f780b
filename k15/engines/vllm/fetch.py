"""Weights that vLLM gets from the trainer by itself: the other end of `vllm_transfer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from k15.weights.routes.protocol import Offer


def fetch(llm: Any, offer: Offer, renamed: Callable[[Sequence[str]], list[str]]) -> None:
    """All of vLLM's messages in their order, of a transfer engine for this time.

    `renamed` turns names into those that vLLM reads. Raises what vLLM raises; the engine may be
    half loaded then.
    """
    from vllm.config.weight_transfer import WeightTransferConfig
    from vllm.distributed.weight_transfer import WeightTransferEngineFactory

    worker = llm.model_executor.driver_worker.worker
    config = WeightTransferConfig(backend=offer["backend"])
    worker.weight_transfer_engine = WeightTransferEngineFactory.create_engine(
        config, llm.vllm_config, worker.device, worker.get_model()
    )
    try:
        worker.init_weight_transfer_engine(offer["init"])
        worker.start_weight_update()
        worker.update_weights({**offer["update"], "names": renamed(offer["update"]["names"])})
        worker.finish_weight_update()
    finally:
        worker.weight_transfer_engine.shutdown()
        worker.weight_transfer_engine = None

"""How vLLM starts without a folder of weights; imported only beside vLLM.

Its own "dummy" loader writes noise into buffers as well, and no weights renew those.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from vllm.model_executor.model_loader import register_model_loader
from vllm.model_executor.model_loader.base_loader import BaseModelLoader

LATER = "k15_later"


@register_model_loader(LATER)
class Later(BaseModelLoader):
    """Leaves parameters as they lie in memory: weights follow by `weights.load`."""

    def download_model(self, model_config: Any) -> None:
        """There is nothing to fetch."""

    def load_weights(self, model: nn.Module, model_config: Any) -> None:
        """Not yet."""

"""One vLLM engine in this process: what k15 needs of it that lies behind its documented API."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from k15.engines.vllm.build import built
from k15.engines.vllm.weights import load

if TYPE_CHECKING:
    from k15.models.policy import Policy


class LocalVLLM:
    """From its start to its end; `settings` and `options` are those of `build.built`."""

    living: ClassVar[list[LocalVLLM]] = []
    """They share vLLM's process groups, which go with the last of them,"""
    world_is_ours: ClassVar[bool] = False
    """and so does the process group of one, unless the trainer has one of its own."""

    def __init__(self, policy: Policy, settings: dict[str, Any], options: dict[str, Any]) -> None:
        self.model_type = policy.model.config.model_type
        self.folder = Path(tempfile.mkdtemp(prefix="k15-vllm-"))
        if not self.living:
            type(self).world_is_ours = not torch.distributed.is_initialized()
        if self.world_is_ours:  # Lightning takes it for the ranks of a training
            warnings.filterwarnings("ignore", ".*sync_dist=True.*in distributed setting.*")
        self.living.append(self)
        self.llm: Any = None
        try:
            self.llm = built(policy, self.folder, settings, options)
            use_policy_sampler(self.llm)
        except BaseException:
            self.close()
            raise

    def load(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """See `weights.load`."""
        load(self.llm, weights, self.model_type)

    def sleep(self) -> bool:
        """Give memory back, that of the weights included; False where nothing can be given."""
        can = self.llm.vllm_config.model_config.enable_sleep_mode
        if can:
            self.llm.sleep(level=2)
        return can

    def wake(self) -> None:
        """Take it again; what is in it means nothing."""
        if self.llm.is_sleeping():
            self.llm.wake_up()

    def close(self) -> None:
        """End it and free its memory; vLLM's own shutdown would leave everybody's groups."""
        from vllm.distributed import parallel_state
        from vllm.v1.engine import core

        self.living.remove(self)
        everything = parallel_state.cleanup_dist_env_and_memory
        last = everything if self.world_is_ours else parallel_state.destroy_model_parallel
        leave = nothing if self.living else last
        llm, self.llm = self.llm, None
        if llm is None:
            leave()
        else:
            core.cleanup_dist_env_and_memory = leave
            try:
                llm.engine_core.shutdown()
            finally:
                core.cleanup_dist_env_and_memory = everything
        shutil.rmtree(self.folder, ignore_errors=True)


def nothing() -> None:
    """Others need the groups."""


def use_policy_sampler(llm: Any) -> None:
    """In place of vLLM's own."""
    from k15.engines.vllm.sampler import PolicySampler

    runner = llm.model_executor.driver_worker.worker.model_runner
    runner.sampler = PolicySampler()

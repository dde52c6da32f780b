"""What can be said of routes between GPUs where there is none; tests/engines/vllm has the rest."""

import io

import pytest
import torch

from k15.config import ConfigError, load
from k15.runs.chain import check_parts
from k15.weights.routes.protocol import Fetched, received
from k15.weights.routes.vllm_transfer import NCCL, CudaIPC

ROUTE = "k15.weights.routes.vllm_transfer"
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")


@no_gpu
@pytest.mark.parametrize("name", ["NCCL", "CudaIPC"])
def test_without_a_gpu_it_is_one_line_before_anything_is_loaded(name: str) -> None:
    words = ["stage=rl", "engine=vllm_server", f"engine.route={{_target_: {ROUTE}.{name}}}"]
    with pytest.raises(ConfigError, match=rf"^engine.route: {name} brings .* finds none here"):
        check_parts(load("train", words))


@no_gpu
def test_nor_is_it_made() -> None:
    for route in (NCCL, CudaIPC):
        with pytest.raises(ConfigError, match="from GPU to GPU"):
            route()


def test_handles_are_unpickled_only_where_that_is_wanted(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("VLLM_ALLOW_INSECURE_SERIALIZATION", raising=False)
    with pytest.raises(ConfigError, match="set VLLM_ALLOW_INSECURE_SERIALIZATION=1"):
        CudaIPC.check()
    monkeypatch.setenv("VLLM_ALLOW_INSECURE_SERIALIZATION", "1")
    CudaIPC.check()


def test_an_engine_that_is_not_vllm_says_that_it_cannot() -> None:
    found = received({"route": "vllm_transfer", "backend": "nccl"}, io.BytesIO())
    assert isinstance(found, Fetched)
    with pytest.raises(ConfigError, match="by nccl are fetched by engines of vLLM"):
        dict(found)

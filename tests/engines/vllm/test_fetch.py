"""vLLM's weight-transfer API on a CPU: all of it but NCCL and CUDA IPC, whose place a file takes.

What those two are told is put into vLLM's own classes.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from k15.engines.vllm.engine import VLLMEngine
from k15.weights.full import full_weights
from k15.weights.routes.protocol import Receiver, received
from k15.weights.routes.vllm_transfer import (
    NCCL,
    Client,
    CudaIPC,
    Source,
    VLLMTransfer,
    without_handles,
)
from tests.engines.vllm.test_engine import GREEDY, SMALL, agree, build, requests_for, run
from tests.vllm_there import needs_vllm

pytestmark = [needs_vllm, pytest.mark.slow, pytest.mark.timeout(600)]


class OnACPU(VLLMTransfer):
    """Without what asks for a GPU."""

    @classmethod
    def check(cls) -> None: ...

    def device(self) -> str:
        return "cpu"


class File(OnACPU):
    """By `FileTrainer` and `FileWorker`, which are registered with vLLM below."""

    backend = "file"

    def __init__(self, path: Path, meets: bool) -> None:
        super().__init__()
        self.path, self.meets = path, meets

    def init_info(self) -> Any:
        from vllm.distributed.weight_transfer.base import TrainerInitInfo

        @dataclass
        class FileInit(TrainerInitInfo):
            backend: ClassVar[str] = "file"
            path: str

        return FileInit(rank=0, path=str(self.path))


def register() -> None:
    """With both of vLLM's factories."""
    from vllm.distributed.weight_transfer import (
        TrainerWeightTransferEngine,
        WeightTransferEngine,
        WeightTransferEngineFactory,
        WeightTransferTrainerFactory,
    )
    from vllm.distributed.weight_transfer.nccl_engine import NCCLWeightTransferUpdateInfo

    @dataclass
    class Place:
        path: str

    class FileTrainer(TrainerWeightTransferEngine):
        @classmethod
        def trainer_init(cls, init_info, *, client, source=None):
            found = cls(client=client, source=source)
            torch.save(dict(source), init_info.path)  # before the server looks
            client.init_weight_transfer_engine({"path": init_info.path})
            return found

        def send_weights(self) -> None:
            self.client.start_weight_update()
            self.client.update_weights(self.source.update())
            self.client.finish_weight_update()

    class FileWorker(WeightTransferEngine):
        init_info_cls, update_info_cls = Place, NCCLWeightTransferUpdateInfo
        steps: ClassVar[list[str]] = []

        def init_transfer_engine(self, init_info) -> None:
            self.path = init_info.path
            self.steps.append("init")

        def start_weight_update(self) -> None:
            self.steps.append("start")

        def update_weights(self, update_info) -> None:  # without waiting for an accelerator
            self.receive_weights(self.parse_update_info(update_info))

        def receive_weights(self, update_info) -> None:
            there = torch.load(self.path)
            assert [str(tensor.dtype)[6:] for tensor in there.values()] == update_info.dtype_names
            self.model.load_weights(zip(update_info.names, there.values(), strict=True))
            self.steps.append("update")

        def finish_weight_update(self) -> None:
            self.steps.append("finish")

        def shutdown(self) -> None:
            self.steps.append("shutdown")

    if "file" not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine("file", FileWorker)
        WeightTransferTrainerFactory.register_engine("file", FileTrainer)


class Server(Receiver):
    """Takes an offer as a server does, into an engine of this process."""

    here = True

    def __init__(self, engine: VLLMEngine) -> None:
        self.engine = engine

    def load(self, offer, body=(), size=0) -> None:
        self.engine.load_weights(received(offer, None), offer["version"])


@pytest.fixture(scope="module")
def engine() -> Iterator[VLLMEngine]:
    with closing(VLLMEngine(build("text"), **SMALL)) as engine:
        yield engine


@pytest.mark.parametrize("meets", [True, False])
def test_a_server_fetches_what_was_sent(engine, tmp_path: Path, meets: bool) -> None:
    """Its log-probabilities are the trainer's: nothing that old weights computed is used."""
    from vllm.distributed.weight_transfer import WeightTransferEngineFactory

    register()
    policy, requests = engine.policy, requests_for(engine)
    run(engine, requests)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    with closing(File(tmp_path / "weights", meets)) as route:
        route.send(full_weights(policy.model))
        route.finish(3)
        route.deliver(Server(engine))
    assert engine.version == 3
    agree(policy, requests, run(engine, requests, GREEDY))
    steps = WeightTransferEngineFactory._registry["file"]().steps
    assert steps[-5:] == ["init", "start", "update", "finish", "shutdown"]


def test_what_the_server_says_is_raised(engine, tmp_path: Path) -> None:
    register()

    class Refusing(Server):
        def load(self, offer, body=(), size=0) -> None:
            raise ValueError("it does not want them")

    with closing(File(tmp_path / "weights", meets=True)) as route:
        route.send(full_weights(engine.policy.model))
        route.finish(1)
        with pytest.raises(ValueError, match="it does not want them"):
            route.deliver(Refusing(engine))


def sent(route: VLLMTransfer) -> VLLMTransfer:
    route.send([("a.weight", torch.ones(2, 3)), ("b", torch.zeros(4, dtype=torch.bfloat16))])
    route.finish(1)
    return route


def test_nccl_is_told_what_its_classes_take() -> None:
    """And vLLM's own check of a source against its declaration lets it pass."""
    from vllm.distributed.weight_transfer import nccl_engine

    class Here(OnACPU, NCCL):
        pass

    with closing(sent(Here(host="127.0.0.1", packed=False))) as route:
        init = route.init_info()
        assert (init.backend, init.rank, init.world_size, init.packed) == ("nccl", 0, 2, False)
        nccl_engine.NCCLWeightTransferInitInfo(
            master_address=init.master_address, master_port=init.master_port, rank_offset=1,
            world_size=init.world_size, packed=init.packed,
        )  # fmt: skip
        source = Source(route)
        told = nccl_engine.NCCLWeightTransferUpdateInfo(**source.update())
        assert (told.names, told.shapes) == (["a.weight", "b"], [[2, 3], [4]])
        assert told.dtype_names == ["float32", "bfloat16"]
        check = nccl_engine.NCCLTrainerWeightTransferEngine._checked_iter
        assert [name for name, _ in check(source, source.metadata())] == told.names


def test_cuda_ipc_is_told_what_its_classes_take(monkeypatch) -> None:
    """Its handles, here any objects, come out of the message as they went in."""
    from vllm import envs
    from vllm.distributed.weight_transfer import ipc_engine

    class Here(OnACPU, CudaIPC):
        pass

    monkeypatch.setattr(envs, "VLLM_ALLOW_INSECURE_SERIALIZATION", True, raising=False)
    with closing(sent(Here())) as route:
        assert (route.init_info().backend, route.init_info().packed) == ("ipc", False)
        handles = [{"GPU-1": (b"handle", 5)}, {"GPU-1": (b"other", 6)}]
        update = {**Source(route).update(), "ipc_handles": handles, "tensor_sizes": None}
        told = ipc_engine.IPCWeightTransferUpdateInfo(**without_handles(update))
        assert told.ipc_handles == handles


def test_the_client_has_the_messages_that_vllm_sends() -> None:
    from vllm.distributed.weight_transfer import VLLMWeightSyncClient

    assert isinstance(Client(None, {}), VLLMWeightSyncClient)

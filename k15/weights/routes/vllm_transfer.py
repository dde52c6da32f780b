"""Weights from GPU to GPU, by vLLM's own weight-transfer API: NCCL, or CUDA IPC on one GPU.

    trainer: the copy of `host_memory` ──► this GPU ──► vLLM's trainer engine ══ NCCL, IPC ══╗
    server:  one offer, with what vLLM's messages say ──► k15.engines.vllm.fetch ◄═══════════╝

The weights come from the copy and not from those in training, so that a server which starts in the
middle of an iteration gets those of that iteration. Each delivery makes connections of its own, for
servers come and go. Checked against the API of vLLM 0.32; not run here, where there is no GPU.
https://docs.vllm.ai/en/v0.32.0/training/weight_transfer/
"""

from __future__ import annotations

import base64
import os
import pickle
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from k15.config.errors import ConfigError
from k15.weights.routes import shared_memory
from k15.weights.routes.host_memory import HostMemory
from k15.weights.routes.protocol import Fetched, Offer, Receiver

if TYPE_CHECKING:
    import torch
    from torch import Tensor

UNPICKLES = "VLLM_ALLOW_INSECURE_SERIALIZATION"


class VLLMTransfer(HostMemory):
    """What the backends of vLLM's API have in common; a subclass says which one."""

    backend = ""
    meets = False
    """Whether both ends have to be there at once, so that a server is told everything first."""

    def __init__(self) -> None:
        self.check()
        super().__init__()

    @classmethod
    def check(cls) -> None:
        """Raises ConfigError without a GPU or without vLLM."""
        import torch

        if not torch.cuda.is_available():
            raise ConfigError(
                f"engine.route: {cls.__name__} brings weights from GPU to GPU, and torch finds "
                "none here; leave engine.route as it is: memory that is shared, or HTTP"
            )

    def init_info(self) -> Any:
        """vLLM's `TrainerInitInfo` of the backend."""
        raise NotImplementedError

    def device(self) -> str:
        """Where the weights have to lie."""
        return "cuda"

    def deliver(self, server: Receiver) -> None:
        """By an engine of vLLM's, which is shut down behind it."""
        from vllm.distributed.weight_transfer import WeightTransferTrainerFactory

        source = Source(self)
        client = Client(server, self.offer(), source.update() if self.meets else None)
        try:
            engine = WeightTransferTrainerFactory.trainer_init(
                self.init_info(), client=client, source=source
            )
            try:
                engine.send_weights()
            finally:
                engine.shutdown()
        except Exception:
            client.say_why()
            raise

    def offer(self) -> dict[str, Any]:
        """What a server is told beside vLLM's own messages."""
        return {"route": "vllm_transfer", "backend": self.backend, "version": self.version}


class NCCL(VLLMTransfer):
    """To GPUs of this machine or others. `host` is the address under which servers reach this one,
    `packed` sends small tensors together.
    """

    backend, meets = "nccl", True

    def __init__(self, host: str = "127.0.0.1", packed: bool = True) -> None:
        super().__init__()
        self.host, self.packed = host, packed

    def init_info(self) -> Any:
        """A group of two: this process and the server's."""
        from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

        return NCCLTrainerInitInfo(
            rank=0,
            master_address=self.host,
            master_port=free_port(self.host),
            world_size=2,
            packed=self.packed,
        )


class CudaIPC(VLLMTransfer):
    """To servers on the trainer's own GPU, which read its memory: a copy of all weights lies there
    meanwhile. What tells where they lie is pickled: vLLM wants to be told that it may read it.
    """

    backend = "ipc"

    @classmethod
    def check(cls) -> None:
        """Raises ConfigError also where servers may not unpickle."""
        super().check()
        if os.environ.get(UNPICKLES) != "1":
            raise ConfigError(
                f"engine.route: CudaIPC sends handles that vLLM unpickles; set {UNPICKLES}=1, for "
                "the trainer and its servers, if only they reach them"
            )

    def init_info(self) -> Any:
        """All of them in one message."""
        from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo

        return IPCTrainerInitInfo(rank=0, packed=False)


class Meta(NamedTuple):
    """vLLM's `ParamMeta`."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]


class Source:
    """The copy as vLLM's `WeightSource`: each tensor is checked, and brought to the device, when it
    is sent.
    """

    def __init__(self, route: VLLMTransfer) -> None:
        self.route = route

    def metadata(self) -> list[Meta]:
        """In the order in which they are sent."""
        import torch

        pieces = self.route.pieces
        return [Meta(p.name, getattr(torch, p.dtype), tuple(p.shape)) for p in pieces]

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        place = f"/proc/{os.getpid()}/fd/{self.route.file}"
        offer = {"file": place, "pieces": self.route.pieces}
        for name, tensor in shared_memory.received(offer):
            yield name, tensor.to(self.route.device())

    def update(self) -> dict[str, Any]:
        """vLLM's `NCCLWeightTransferUpdateInfo`."""
        return {
            "names": [piece.name for piece in self.route.pieces],
            "dtype_names": [piece.dtype for piece in self.route.pieces],
            "shapes": [list(piece.shape) for piece in self.route.pieces],
        }


class Client:
    """vLLM's `VLLMWeightSyncClient` for a server of ours, which gets all messages as one offer, in
    a thread: with `update`, if that is known, when it is to be initialised.
    """

    def __init__(
        self, server: Receiver, offer: dict[str, Any], update: dict[str, Any] | None = None
    ) -> None:
        self.server, self.offer, self.update = server, offer, update
        self.taken: Future[None] | None = None

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        """Does not wait: the server meets the trainer within it."""
        self.offer["init"] = init_info
        if self.update is not None:
            self._send(self.update)

    def start_weight_update(self) -> None:
        """The server does it by itself."""

    def update_weights(self, update_info: dict[str, Any]) -> None:
        """Returns when the server has them; raises what it says."""
        if self.taken is None:
            self._send(without_handles(update_info))
        assert self.taken is not None
        self.taken.result()

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        """As `start_weight_update`."""

    def say_why(self) -> None:
        """Raise what the server says, if it has said something."""
        if self.taken is not None and self.taken.done():
            self.taken.result()

    def _send(self, update: dict[str, Any]) -> None:
        taken: Future[None] = Future()

        def send() -> None:
            try:
                self.server.load({**self.offer, "update": update})
                taken.set_result(None)
            except Exception as error:
                taken.set_exception(error)

        self.taken = taken
        threading.Thread(target=send, daemon=True).start()


def received(offer: Offer, body: BinaryIO) -> Fetched:
    """vLLM gets them by itself: `k15.engines.vllm.fetch`."""
    return Fetched(offer)


def without_handles(update: dict[str, Any]) -> dict[str, Any]:
    """As JSON: CUDA's handles are no such thing, and vLLM takes them pickled, too."""
    plain = {name: value for name, value in update.items() if value is not None}
    if handles := plain.pop("ipc_handles", None):
        plain["ipc_handles_pickled"] = base64.b64encode(pickle.dumps(handles)).decode()
    return plain


def free_port(host: str) -> int:
    """One that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]

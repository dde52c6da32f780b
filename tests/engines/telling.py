"""An engine that writes down what it is asked to do."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from k15.engines.protocol import Completion, Request, Sampling
from k15.engines.transformers import TransformersEngine
from k15.models.policy import Policy


class Telling(TransformersEngine):
    """A line of `file` for each call; the one with number `fail_at` fails."""

    def __init__(self, policy: Policy, file: str, fail_at: int | None = None) -> None:
        super().__init__(policy)
        self.file, self.fail_at, self.calls = Path(file), fail_at, 0
        self._tell("made")

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        self._tell(f"generate {self.version}")
        self.calls += 1
        if self.calls == self.fail_at:
            raise RuntimeError("the engine broke")
        return super().generate(requests, sampling)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        self._tell(f"load {version}")
        super().load_weights(weights, version)

    def sleep(self) -> None:
        self._tell("sleep")

    def wake(self) -> None:
        self._tell("wake")

    def close(self) -> None:
        self._tell("close")

    def _tell(self, line: str) -> None:
        with self.file.open("a") as file:
            file.write(f"{line}\n")

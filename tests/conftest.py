"""Every test runs on one torch thread: on busy cores more threads are several times slower."""

import os
from collections.abc import Iterator

import pytest
import torch

import k15  # noqa: F401  before transformers: heals torchvision
from k15.ranks.place import alone
from k15.sandbox.local import LocalSandbox

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_rank_afterwards() -> Iterator[None]:
    """A Trainer of several ranks leaves their variables behind, as if all that follows were one."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - alone(os.environ).keys() - before.keys():
        del os.environ[name]


@pytest.fixture(scope="session")
def local_sandbox() -> None:
    """Skips with the reason where programs cannot be run."""
    sandbox = LocalSandbox()
    try:
        sandbox.start()
    except RuntimeError as error:
        pytest.skip(str(error))
    sandbox.close()

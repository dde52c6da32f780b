"""Every test runs on one torch thread: on busy cores more threads are several times slower."""

import pytest
import torch

import k15  # noqa: F401  before transformers: heals torchvision
from k15.sandbox.local import LocalSandbox

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def local_sandbox() -> None:
    """Skips with the reason where programs cannot be run."""
    sandbox = LocalSandbox()
    try:
        sandbox.start()
    except RuntimeError as error:
        pytest.skip(str(error))
    sandbox.close()

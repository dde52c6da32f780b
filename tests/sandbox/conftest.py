"""The sandboxes that run on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

import pytest

from k15.sandbox.crun import CrunSandbox
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import Sandbox

# without namespaces, root's programs run as a user of their own, who has to find the library
FOR_ALL = "/usr/bin/python3" if os.geteuid() == 0 and os.path.exists("/usr/bin/python3") else None
BACKENDS: Mapping[str, Callable[[], Sandbox]] = {
    "local": lambda: LocalSandbox(namespaces=True),
    "local without namespaces": lambda: LocalSandbox(namespaces=False, python=FOR_ALL),
    "crun": lambda: CrunSandbox(slots=2),
}


@pytest.fixture(scope="module", params=BACKENDS)
def backends(request: pytest.FixtureRequest) -> Iterator[tuple[str, Sandbox]]:
    """Name and sandbox, started; skips with what is missing."""
    sandbox = BACKENDS[request.param]()
    try:
        sandbox.start()
    except RuntimeError as error:
        pytest.skip(str(error))
    yield request.param, sandbox
    sandbox.close()

import gc
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from k15.graders.code.syntax import parsed

CODE = f"points = [{', '.join(['(1.0, -2.5)'] * 200)}]\n"


class Slow:
    """Rubbish that lets other threads run while it is collected, in the middle of `ast.parse`."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        time.sleep(0)


@pytest.fixture
def many_collections() -> Iterator[None]:
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(5)
    sys.setswitchinterval(1e-6)
    yield
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


def test_threads_parse_at_the_same_time(many_collections: None) -> None:
    def parse(_: int) -> int:
        Slow()
        return len(parsed(CODE).body)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(parse, range(400))) == [1] * 400

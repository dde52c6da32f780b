"""vLLM as a guest in this process: what is set for it, and what it must leave as it was."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

FIXED = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine is an object of this process
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # whose sampler cannot be another
}
SETTINGS = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": "127.0.0.1",  # its process group of one listens on loopback
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # threads are the trainer's
}
EAGER = {"TORCHDYNAMO_DISABLE": "1"}  # or its sampler waits for a C++ compiler: up to 37 s


@contextmanager
def guest(eager: bool) -> Iterator[None]:
    """Import and build vLLM within it.

    vLLM seeds the global random numbers, replaces `torch.set_num_threads` on a CPU, and leaves
    variables in the environment that every later subprocess would get, such as LD_PRELOAD. What is
    its own (VLLM_...) stays; the rest is put back. What the user has set goes before `SETTINGS`.
    """
    environment, set_num_threads = dict(os.environ), torch.set_num_threads
    os.environ.update({**SETTINGS, **(EAGER if eager else {}), **environment, **FIXED})
    try:
        with own_random_numbers(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # its imports look at all of torch
            yield
    finally:
        torch.set_num_threads = set_num_threads
        for name in [name for name in os.environ if not name.startswith("VLLM_")]:
            if name not in environment:
                del os.environ[name]
        os.environ.update({**environment, **FIXED})


@contextmanager
def own_random_numbers() -> Iterator[None]:
    """What is drawn within it does not move the numbers of the trainer."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    gpu = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if gpu is not None:
            torch.cuda.set_rng_state(gpu)

"""A model beside the one that is measured: extracts answers, writes test inputs."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from functools import cached_property

from k15.engines.protocol import Request, RolloutEngine, Sampling
from k15.engines.transformers import TransformersEngine
from k15.models.loading import load_policy
from k15.models.policy import Policy
from k15.types import Problem


class Assistant:
    """A function from a prompt to what the model says, greedily; callable from any thread.

    Example: `benchmark.mathvista.extract={_target_: k15.evaluation.assistant.Assistant, path: ...}`
    """

    def __init__(
        self,
        path: str,
        *,
        dtype: str = "float32",
        max_tokens: int = 64,
        make_engine: Callable[..., RolloutEngine] = TransformersEngine,
    ) -> None:
        """Load nothing yet; `path` is a Hugging Face folder or name.

        `make_engine` makes the engine that it writes through from `policy`; closed when the
        assistant is gone, at the latest when the process ends.
        """
        self.path, self.dtype, self.max_tokens = path, dtype, max_tokens
        self.make_engine = make_engine
        self._lock = threading.Lock()

    @cached_property
    def policy(self) -> Policy:
        return load_policy(self.path, self.dtype)

    @cached_property
    def engine(self) -> RolloutEngine:
        engine = self.make_engine(policy=self.policy)
        weakref.finalize(self, engine.close)
        return engine

    def __call__(self, prompt: str) -> str:
        """The response, at most `max_tokens` long.

        Raises ValueError if the prompt does not fit into the model's context.
        """
        with self._lock:
            problem = Problem(id="", prompt=({"role": "user", "content": prompt},), answer=None)
            tokens = self.policy.encode(problem)
            request = Request(tokens=tokens, max_new_tokens=self.max_tokens)
            (completion,) = self.engine.generate([request], Sampling(temperature=0))
            return self.policy.decode(completion.tokens)

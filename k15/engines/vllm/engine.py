"""vLLM beside the trainer in one process (k1.5 §2.6, hybrid deployment).

Trainer and engine take turns on the same devices: vLLM holds weights of its own while it generates
and gives its memory back while the trainer works.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from k15.config.errors import ConfigError
from k15.engines.protocol import Completion, Request, RolloutEngine, Sampling, Scored
from k15.engines.requests import check_example, checked, forbidden_tokens
from k15.engines.vllm.build import refusal, settings_of
from k15.engines.vllm.call import Call
from k15.engines.vllm.installed import check_installed
from k15.engines.vllm.local import LocalVLLM
from k15.engines.vllm.scoring import scored
from k15.engines.vllm.translation import Translator
from k15.progress import waiting_for
from k15.weights.full import full_weights

if TYPE_CHECKING:
    from k15.models.policy import Policy
    from k15.types import Example


class VLLMEngine(RolloutEngine):
    """Generates with vLLM in this process, from weights that it is given under their names.

    `slots` responses run side by side. `context` is the longest prompt and response in tokens;
    None: the model's own. `cache_gib` is the memory of keys and values, and of shared beginnings;
    None: what vLLM finds free. A prompt has up to `images` pictures. `eager` leaves out what vLLM
    compiles at the start. `options` are further fields of vLLM's EngineArgs. Raises ConfigError if
    vLLM is not there, is another version or cannot run the model.
    """

    weightless = True

    def __init__(
        self,
        policy: Policy,
        *,
        slots: int = 256,
        context: int | None = None,
        cache_gib: float | None = 1.0,
        images: int = 1,
        eager: bool = True,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        check_installed()
        if slots < 1:
            raise ConfigError(f"engine.slots={slots}: at least one response must have a slot")
        self.policy, self.slots, self.options = policy, slots, dict(options or {})
        self.context = context or policy.context
        self.settings = settings_of(
            policy,
            slots=slots,
            context=self.context,
            cache_gib=cache_gib,
            images=images,
            eager=eager,
        )
        self.translator = Translator(policy.stop_ids, tuple(forbidden_tokens(policy)))
        self.vllm: LocalVLLM | None = None
        self.call: Call | None = None
        self.answers: Generator[Completion] | None = None
        if policy.device.type == "meta":
            self._start()
            return
        try:
            self._load(full_weights(policy.model))
        except ConfigError:
            raise
        except Exception as error:  # vLLM may find in its weights that it does not know a model
            raise refusal(policy, error) from error

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Into vLLM's own; if that fails, the next weights go into a new one."""
        self._end_call()
        self.version = None
        self._load(weights)
        self.version = version

    def generate(
        self, requests: Iterable[Request | None], sampling: Sampling
    ) -> Iterator[Completion]:
        """Yield one completion per request, in the order in which they end; a call that is still
        open ends here.

        Raises ValueError if a request does not fit into the context, before any work where requests
        are a sequence, RuntimeError if the engine has no weights.
        """
        if self.vllm is None:
            raise RuntimeError("engine=vllm has no weights: the last ones could not be loaded")
        self._end_call()
        passed = checked(requests, self.policy, self.context)
        self.call = Call(
            self.vllm.llm,
            passed,
            sampling,
            self.translator,
            slots=self.slots,
            version=self.version or 0,
            failed=self._discard,
        )
        self.answers = self.call.completions()
        return self.answers

    def score(self, examples: Sequence[Example]) -> Iterator[Scored]:
        """In one call, side by side; a call that is still open ends here."""
        if self.vllm is None:
            raise RuntimeError("engine=vllm has no weights: the last ones could not be loaded")
        self._end_call()
        for index, example in enumerate(examples):
            tokens = example.prompt_tokens + example.response_tokens
            length = self.policy.length(tokens, example.images) + 1  # the token that vLLM adds
            check_example(index, example, length, self.context)
        yield from scored(self.vllm.llm, examples, self.slots)

    def stop(self) -> None:
        """End the newest call of `generate`: unfinished responses come back as they stand."""
        if self.call is not None:
            self.call.stop()

    def progress(self) -> Iterable[Completion]:
        """Of the newest call."""
        return self.call.progress() if self.call is not None else ()

    def sleep(self) -> None:
        """Weights and caches leave a GPU; a CPU has nothing to give back."""
        self._end_call()
        if self.vllm is not None and self.vllm.sleep():
            self.version = None

    def wake(self) -> None:
        """The memory is taken again; weights follow."""
        if self.vllm is not None:
            self.vllm.wake()

    def close(self) -> None:
        """End vLLM."""
        self._end_call()
        self._discard()

    def _end_call(self) -> None:
        """Of somebody who did not take all completions: vLLM is told, and has nothing to do."""
        if self.answers is not None:
            self.answers.close()

    def _load(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Into the vLLM that is there, or a new one; it is not kept if that fails."""
        vllm = self.vllm or self._start()
        try:
            vllm.load(weights)
        except BaseException:  # Ctrl-C as well: half of the weights may be new
            self._discard()
            raise

    def _start(self) -> LocalVLLM:
        # validation's inference mode must not be the parameters'
        with waiting_for("vLLM to start"), torch.inference_mode(False):
            self.vllm = LocalVLLM(self.policy, self.settings, self.options)
        return self.vllm

    def _discard(self) -> None:
        """Never used again."""
        vllm, self.vllm, self.version = self.vllm, None, None
        if vllm is not None:
            vllm.close()

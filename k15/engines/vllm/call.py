"""One call of `generate` on a vLLM engine of this process.

requests ──► as many as there are slots ──► step: a token for each ──► ended? ──► completions
                                                 ▲                      │ no
                                                 └──────────────────────┘
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from k15.engines.protocol import Completion, Request, Sampling
from k15.engines.vllm.guest import own_random_numbers
from k15.engines.vllm.translation import Translator
from k15.models.pictures import as_seen


@dataclass(slots=True)
class Response:
    """What has been said to one request so far."""

    index: int
    tokens: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)

    def extend(self, output: Any) -> None:
        """By a vLLM output of new tokens alone, each with the log-probability of it alone."""
        tokens = list(output.token_ids)
        self.logps += [
            step[token].logprob
            for step, token in zip(output.logprobs[-len(tokens) :], tokens, strict=True)
        ]
        self.tokens += tokens


class Call:
    """Pulls requests, steps the engine, hands out what ends.

    `failed` is called where the engine breaks, before the exception is passed on.
    """

    def __init__(
        self,
        llm: Any,
        requests: Iterator[Request | None],
        sampling: Sampling,
        translator: Translator,
        *,
        slots: int,
        version: int,
        failed: Callable[[], None],
    ) -> None:
        self.llm, self.requests, self.sampling, self.failed = llm, requests, sampling, failed
        self.translator, self.slots, self.version = translator, slots, version
        self.running: dict[str, Response] = {}
        self.pulled = 0
        self.stopped = False

    def stop(self) -> None:
        """Let what is running come back as it stands."""
        self.stopped = True

    def progress(self) -> list[Completion]:
        """What is running, as it stands; a token is there when its log-probability is."""
        return [
            Completion(
                index=response.index,
                tokens=(tokens := tuple(response.tokens)),
                logps=tuple(response.logps[: len(tokens)]),
                finish="cut",
                version=self.version,
            )
            for response in [*self.running.values()]
        ]

    def completions(self) -> Generator[Completion]:
        """Until all requests are answered, or it is stopped; what is left is taken back."""
        try:
            while not self.stopped:
                self._admit()
                if not self.running:
                    return
                yield from self._step()
            for response in [*self.running.values()]:
                yield self._completion(response, "abort")
        finally:
            self.llm.abort_request([*self.running])

    def _admit(self) -> None:
        """Fill the free slots; None: there is no request before a response has ended."""
        for request in islice(self.requests, self.slots - len(self.running)):
            if request is None:
                return
            self._start(request)

    def _start(self, request: Request) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RepetitionDetectionParams, RequestOutputKind

        fields = self.translator.fields(request, self.sampling, self.pulled)
        if rule := fields.get("repetition_detection"):
            fields["repetition_detection"] = RepetitionDetectionParams(**rule)
        params = SamplingParams(**fields, detokenize=False, output_kind=RequestOutputKind.DELTA)
        prompt: dict[str, Any] = {"prompt_token_ids": list(request.tokens)}
        if request.images:
            prompt["multi_modal_data"] = {"image": [as_seen(image) for image in request.images]}
        (rendered,) = self.llm.renderer.render_cmpl([prompt])
        name = str(self.pulled)
        self.llm.add_request(name, rendered, params)
        self.running[name] = Response(self.pulled)
        self.pulled += 1

    def _step(self) -> list[Completion]:
        try:
            with own_random_numbers():
                outputs = self.llm.step()
        except BaseException:  # Ctrl-C as well: nobody knows what state it is in
            self.running.clear()
            self.failed()
            raise
        ended = []
        for output in outputs:
            self.running[output.request_id].extend(output.outputs[0])
            if output.finished:
                response = self.running.pop(output.request_id)
                ended.append(self._completion(response, output.outputs[0].finish_reason))
        return ended

    def _completion(self, response: Response, reason: str | None) -> Completion:
        return self.translator.completion(
            response.index, response.tokens, response.logps, reason, self.sampling, self.version
        )

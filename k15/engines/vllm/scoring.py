"""How likely given responses are, by a vLLM engine of this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from k15.engines.protocol import Scored
from k15.engines.vllm.guest import own_random_numbers
from k15.models.pictures import as_seen

if TYPE_CHECKING:
    from k15.types import Example


def scored(llm: Any, examples: Sequence[Example], slots: int) -> Iterator[Scored]:
    """As `RolloutEngine.score`: prompt and response are a prompt to vLLM, whose tokens it can rate;
    it cannot do without a new token.
    """
    waiting, numbers = iter(enumerate(examples)), count()
    running: dict[str, int] = {}
    try:
        while True:
            for index, example in islice(waiting, slots - len(running)):
                name = f"scored {next(numbers)}"
                add(llm, name, example)
                running[name] = index
            if not running:
                return
            with own_random_numbers():
                outputs = llm.step()
            for output in outputs:
                if output.finished:
                    index = running.pop(output.request_id)
                    yield rated(index, examples[index], output)
    finally:
        llm.abort_request([*running])


def add(llm: Any, name: str, example: Example) -> None:
    """Hand an example to vLLM."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    params = SamplingParams(
        max_tokens=1,
        temperature=0.0,
        prompt_logprobs=0,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )
    tokens = [*example.prompt_tokens, *example.response_tokens]
    prompt: dict[str, Any] = {"prompt_token_ids": tokens}
    if example.images:
        prompt["multi_modal_data"] = {"image": [as_seen(image) for image in example.images]}
    (rendered,) = llm.renderer.render_cmpl([prompt])
    llm.add_request(name, rendered, params)


def rated(index: int, example: Example, output: Any) -> Scored:
    """Of the last tokens of vLLM's prompt."""
    tokens = example.response_tokens
    rows = output.prompt_logprobs[-len(tokens) :]
    found = [row[token] for row, token in zip(rows, tokens, strict=True)]
    return Scored(
        index=index,
        logps=tuple(each.logprob for each in found),
        greedy=all(each.rank == 1 for each in found),
    )

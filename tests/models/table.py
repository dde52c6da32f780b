"""docs/models.md: for which classes k15 computes what a lone forward pass of the model does.

python -m tests.models.table        writes the page anew
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from k15.engines.protocol import Request, Sampling
from k15.engines.transformers import TransformersEngine
from k15.models.layouts.choice import choose_layout
from k15.models.logps import response_logps
from k15.models.policy import Policy
from k15.models.support import support
from k15.types import Example
from tests.closeness import close
from tests.models import classes, seeing_classes

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
PARTS = ("engine", "bucketed", "packed", "shared")
SHARE = 1e-4  # of the largest number compared
PROMPTS = ((5, 6, 7, 8, 9, 10, 11), (20, 21), tuple(range(5, 18)))
RESPONSES = (tuple(range(30, 39)), (40, 41, 1), (50, 51, 52, 53, 54), (60,))
EXAMPLES = tuple(
    Example(prompt_tokens=PROMPTS[i % 3], response_tokens=RESPONSES[(i + i // 3) % 4])
    for i in range(6)
)
Inputs = Callable[[Sequence[int], Sequence[Any]], dict[str, Any]]
"""What the model's own forward takes for tokens and pictures, by transformers' processor."""


@dataclass(frozen=True, slots=True)
class Row:
    """One class: why a part is refused, empty where it is right."""

    kind: str
    refused: dict[str, str]

    def __str__(self) -> str:
        marks = " | ".join("no" if self.refused[part] else "yes" for part in PARTS)
        reasons = dict.fromkeys(reason for part in PARTS if (reason := self.refused[part]))
        return f"| {self.kind} | {marks} | {'; '.join(reasons)} |"


def refusals(model: Any) -> dict[str, str]:
    """Part by part."""
    attention = model.config.get_text_config()._attn_implementation
    found = support(type(model), model.config, attention)
    return {part: getattr(found, part) for part in PARTS}


@cache
def text_row(kind: str) -> Row:
    """Compare a text class in every part that is not refused."""
    plain = classes.model_of(kind)
    reload_is_right(
        plain, AutoModelForCausalLM, alone(plain, text_inputs, EXAMPLES[0]), text_inputs
    )
    compare(plain, classes.TOKENIZER, EXAMPLES, text_inputs)
    return Row(kind, refusals(plain))


@cache
def seeing_row(kind: str) -> Row:
    """Compare a vision-language class with prompts of one, several and no pictures."""
    plain, processor = seeing_classes.model_and_processor(kind)
    row = Row(kind, refusals(plain))
    if all(row.refused.values()):
        return row
    examples, inputs = seeing_classes.examples_and_inputs(kind, plain, processor)
    example = examples[0]
    reload_is_right(
        plain, AutoModelForImageTextToText, alone(plain, inputs, example), inputs, example
    )
    compare(plain, processor, examples, inputs)
    return row


def text_inputs(tokens: Sequence[int], images: Sequence[Any]) -> dict[str, Any]:
    """Token ids alone: positions and masks are the model's affair."""
    return {"input_ids": torch.tensor([tokens])}


def alone(model: Any, inputs: Inputs, example: Example) -> torch.Tensor:
    """[T] log-probabilities of a response by the model's own forward on this sequence alone."""
    whole = inputs((*example.prompt_tokens, *example.response_tokens), example.images)
    logp = model(**whole, use_cache=False).logits[0].float().log_softmax(-1)
    first = len(logp) - len(example.response_tokens)
    return logp[first - 1 : -1].gather(-1, whole["input_ids"][0, first:, None])[:, 0]


def reload_is_right(
    plain: Any, loader: Any, expected: torch.Tensor, inputs: Inputs, example: Example = EXAMPLES[0]
) -> None:
    """A saved model is the same when transformers loads it."""
    with tempfile.TemporaryDirectory() as folder:
        plain.save_pretrained(folder)
        again = loader.from_pretrained(folder).eval()
    close(alone(again, inputs, example), expected, SHARE)


def compare(plain: Any, processor: Any, examples: Sequence[Example], inputs: Inputs) -> None:
    """Log-probabilities and gradients of every layout, and the engine's log-probabilities."""
    expected = [alone(plain, inputs, example) for example in examples]
    weights = range(1, len(examples) + 1)
    sum((w * logp).sum() for w, logp in zip(weights, expected, strict=True)).backward()
    gradients = {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
    plain_copy = copy.deepcopy(plain)
    for parameter in plain_copy.parameters():
        parameter.grad = None
    policy = Policy(plain_copy, processor)
    for name in PARTS[1:]:
        if not getattr(policy.support, name):
            layout_is_right(policy, name, examples, expected, gradients)
    if not policy.support.engine:
        engine_is_right(policy, plain, examples, inputs)


def layout_is_right(policy, name, examples, expected, gradients) -> None:
    """All examples in one batch."""
    policy.model.zero_grad()
    logp = response_logps(policy, choose_layout(policy, name).collate(policy, examples))
    for row, wanted in zip(logp, expected, strict=True):
        close(
            row[: len(wanted)],
            wanted,
            SHARE,
            of=max(float(e.detach().abs().max()) for e in expected),
        )
    (logp * torch.arange(1, len(examples) + 1)[:, None]).sum().backward()
    found = {name: p.grad for name, p in policy.model.named_parameters() if p.grad is not None}
    largest = max(float(gradient.abs().max()) for gradient in gradients.values())
    close({name: found[name] for name in gradients}, gradients, SHARE, of=largest)


@torch.no_grad()
def engine_is_right(policy, plain, examples, inputs) -> None:
    """Greedy and sampled, prompts of several lengths, fewer slots than requests."""
    engine = TransformersEngine(policy, slots=2)
    requests = [
        Request(tokens=example.prompt_tokens, images=example.images, max_new_tokens=budget)
        for example in examples[:3]
        for budget in (12, 5)
    ]
    for sampling in (Sampling(temperature=0), Sampling(seed=1)):
        for completion in engine.generate(requests, sampling):
            request = requests[completion.index]
            example = Example(
                prompt_tokens=request.tokens,
                response_tokens=completion.tokens,
                images=request.images,
            )
            close(completion.logps, alone(plain, inputs, example), SHARE)


HEADER = "| kind | engine | bucketed | packed | shared | why not |\n|---|---|---|---|---|---|"
TEXT = """# Models

k15 takes the decoders of transformers whose numbers it can vouch for; another one is refused by
name when it is loaded, or when an engine or a layout is chosen that is not right for it. Each class
below was built tiny from its configuration, with random weights, and compared with a lone forward
pass of the model: the engine's log-probabilities (greedy and sampled), log-probabilities and
gradients of every layout of the trainer, and the model after saving and loading, all within 1e-4 of
the largest number. Sliding windows were shorter than the sequences. A class that is not listed goes
by the same rules (`k15/models/support.py`). `python -m tests.models.table` writes this page anew.

`module.layout` chooses the layout: `bucketed` puts sequences side by side with padding; `packed`
puts them end to end, for flash attention on a GPU; `shared` lets the samples of a problem go
through the model behind one prompt; `auto` takes the quickest that the model allows.

## Text

{header}
{text}

## Vision and language

The model's own processor lays out the tokens of a picture; compared were prompts with one picture,
several and none. Other vision-language classes are refused.

{header}
{seeing}

Kimi-VL is no class of transformers (its code comes with its folder, and k15 runs none); its
successor Kimi K2.5 is `kimi_k25`. LLaVA-OneVision takes one picture per
problem. SmolVLM's processor needs `pip install num2words`.

## Families

`python train.py stage=rl model=qwen3_vl start_from=null trainer=gpu` chooses a model by name
(`configs/model/`); the larger and smaller ones of a family are other values of `model.path`. Each
goes tiny, with random weights of the same class, through an iteration of RL with the engine's own
responses and through SFT to the end: all its parts move, a saved folder loads as the same class and
gives the same log-probabilities (`tests/modules/test_families.py`). That its forward pass is
transformers' own is in the tables above. No real weights of these were run, but for SmolLM2
([rl.md](rl.md)).

| `model=` | class of transformers | what is special |
|---|---|---|
| `qwen3` | Qwen3 | text |
| `qwen2_5_vl` | Qwen2_5_VL | positions with three axes, windows in the tower |
| `qwen3_vl` | Qwen3VL; Qwen3VLMoe is tested, too | the tower's features enter several layers |
| `llava`, `llava_next`, `llava_onevision` | Llava, LlavaNext, LlavaOnevision | tiles |
| `internvl` | InternVL, of the folders that end in -hf | tiles |
| `deepseek_v3` | DeepseekV3 | latent attention (MLA), shared experts, groups of routed ones |
| `kimi_k25` | Kimi_K25 | MoonViT before a DeepseekV3 |

Routing is compared with DeepSeek-V3's rule written down again: affinities, the bias, the two best
of each group, experts of the chosen groups alone (`tests/models/test_experts.py`). How even the
experts' load is, and the bias that evens it out:
[optimisation.md](optimisation.md#mixtures-of-experts).

The hub has DeepSeek-V3 in 8 bits and Kimi K2.5 with experts in 4: `model.path` wants a folder in
bfloat16.
"""


def page() -> str:
    """docs/models.md as it should be; a row that cannot be made here stays as it is written."""
    text = "\n".join(str(text_row(kind)) for kind in classes.TEXT)
    kinds = seeing_classes.KINDS
    rows = [str(seeing_row(kind)) if seeing_classes.here(kind) else written(kind) for kind in kinds]
    return TEXT.format(header=HEADER, text=text, seeing="\n".join(rows))


def written(kind: str) -> str:
    """The row of a class on the page."""
    lines = PAGE.read_text().splitlines()
    return next(line for line in lines if line.startswith(f"| {kind} |"))


if __name__ == "__main__":
    PAGE.write_text(page())

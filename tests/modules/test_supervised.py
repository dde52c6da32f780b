"""A step learns the mean over all terms of its batches, and says so, however they are cut."""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from k15.losses.reward import binary, pairwise
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.align import AlignModule
from k15.modules.language import LanguageModule
from k15.modules.reward_model import RewardModel
from k15.modules.supervised import SupervisedModule
from k15.schedules import Schedule
from k15.tasks.make24 import Make24
from k15.types import Example, JudgedExample
from tests.closeness import close
from tests.modules.fitting import Batches, fit

PICTURES = Make24(levels=[1, 2, 3], modality="image")
LENGTHS = (1, 9, 2, 5, 30, 1, 12)  # of responses
CUTS = {"one": [7], "even": [3, 3, 1], "uneven": [1, 5, 1], "single": [1] * 7}


def policy(modality: str = "text") -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=PICTURES.words, modality=modality, hidden_size=32, layers=1)


@cache
def examples() -> list[Example]:
    """The second response is what the policy itself would say. Two of the last one's tokens, the
    ninth and the tenth, are not in the loss.
    """
    made = [
        Example(prompt_tokens=(5 + n, 20), response_tokens=tuple(range(30, 30 + n)))
        for n in LENGTHS[:-1]
    ]
    made[1] = Example(prompt_tokens=(14, 20), response_tokens=greedy(policy(), (14, 20), 9))
    mask = tuple(place not in (8, 9) for place in range(12))
    last = Example(prompt_tokens=(40,), response_tokens=tuple(range(12)), loss_mask=mask)
    return [*made, last]


def greedy(of: Policy, prompt: tuple[int, ...], length: int) -> tuple[int, ...]:
    tokens = prompt
    for _ in range(length):
        with torch.no_grad():
            tokens += (int(of.model(input_ids=torch.tensor([tokens])).logits[0, -1].argmax()),)
    return tokens[len(prompt) :]


def judged() -> list[list[JudgedExample]]:
    """Questions with one to seven responses; the first has no wrong one."""
    return [
        [
            JudgedExample(
                prompt_tokens=(30 + question, 40 + number, 50),
                response_tokens=(),
                correct=number % 2 == 0,
                question=question,
            )
            for number in range(1 + question)
        ]
        for question in range(7)
    ]


def reward_model(loss: Any) -> RewardModel:
    module = RewardModel(policy(), learning_rate=1e-3, loss=loss)
    torch.nn.init.normal_(module.model.score.weight, generator=torch.Generator().manual_seed(1))
    return module


def flat(questions: Sequence[list[JudgedExample]]) -> list[JudgedExample]:
    return [example for group in questions for example in group]


KINDS: dict[str, tuple[Callable[[], SupervisedModule], Callable[[], list], Callable]] = {
    "language": (lambda: LanguageModule(policy(), learning_rate=1e-3), examples, list),
    "align": (
        lambda: AlignModule(policy("image"), learning_rate=1e-3),
        lambda: [PICTURES.problem(index) for index in range(7)],
        list,
    ),
    "binary": (partial(reward_model, binary), judged, flat),
    "pairwise": (partial(reward_model, pairwise), judged, flat),
}


def batches(items: Sequence[Any], sizes: Sequence[int], join: Callable) -> list[Any]:
    rest = iter(items)
    return [join([next(rest) for _ in range(size)]) for size in sizes]


class Gradient(Callback):
    """The one of the last step."""

    def on_train_batch_end(self, trainer, pl_module, *_) -> None:
        named = pl_module.model.named_parameters()
        self.of = {name: p.grad.clone() for name, p in named if p.grad is not None}


def stepped(kind: str, cut: str, **settings: Any) -> tuple[dict, dict]:
    """Gradient and figures of one step over the seven items, cut into batches."""
    make, items, join = KINDS[kind]
    module = make()
    cuts = batches(items(), CUTS[cut], join)
    data = Batches(train=cuts, held_out=cuts)
    gradient = Gradient()
    trainer = fit(module, data, gradient, accumulate_grad_batches=8, **settings)  # there are fewer
    assert trainer.global_step == 1
    figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    figures.pop("train/tokens_per_second")
    return gradient.of, figures


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", ["even", "uneven", "single"])
def test_gathered_batches_are_one_batch(kind: str, cut: str) -> None:
    """Gradient, loss, accuracy, norm, tokens; of the validation, too (with stepped weights)."""
    whole, figures = stepped(kind, "one")
    parts, same = stepped(kind, cut)
    largest = max(float(gradient.abs().max()) for gradient in whole.values())
    assert whole and largest > 0
    for name, gradient in whole.items():
        close(parts[name], gradient, of=largest)
    for name, value in figures.items():
        close(same[name], value, share=1e-4 if name.startswith("val/") else 1e-5)


def by_hand(of: Policy, batch: Sequence[Example]) -> dict[str, float]:
    """Loss and accuracy of the tokens in the loss, one text at a time."""
    losses, right = [], []
    for example in batch:
        tokens = (*example.prompt_tokens, *example.response_tokens)
        with torch.no_grad():
            logp = of.model(input_ids=torch.tensor([tokens])).logits[0].log_softmax(-1)
        for place, target in enumerate(example.response_tokens):
            if not example.loss_mask or example.loss_mask[place]:
                found = logp[len(example.prompt_tokens) + place - 1]
                losses.append(-float(found[target]))
                right.append(int(found.argmax()) == target)
    return {"loss": sum(losses) / len(losses), "token_accuracy": sum(right) / len(right)}


class Still(Callback):
    """A step that moves nothing."""

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        optimizer.param_groups[0]["lr"] = 0.0


@pytest.mark.parametrize("cut", CUTS)
def test_figures_are_those_of_all_tokens(cut: str) -> None:
    """58 response tokens in the loss, 60 and the 13 tokens of the prompts are read."""
    make, items, join = KINDS["language"]
    module = make()
    module.weight_decay = 0.0
    cuts = batches(items(), CUTS[cut], join)
    gradient = Gradient()
    trainer = fit(module, Batches(cuts, cuts), Still(), gradient, accumulate_grad_batches=8)
    found = {name: float(value) for name, value in trainer.callback_metrics.items()}
    expected = by_hand(policy(), examples())
    assert expected["token_accuracy"] >= 9 / 58
    for name, value in expected.items():
        close(found[f"train/{name}"], value)
        close(found[f"val/{name}"], value)
    assert found["train/tokens"] == sum(LENGTHS) + 6 * 2 + 1
    squares = [g.double().square().sum() for g in gradient.of.values()]
    close(found["train/gradient_norm"], math.sqrt(sum(squares)))


def test_the_gradient_norm_is_the_one_before_clipping() -> None:
    _, figures = stepped("language", "even")
    clipped, same = stepped("language", "even", gradient_clip_val=1e-3)
    close(same["train/gradient_norm"], figures["train/gradient_norm"])
    norm = torch.stack([gradient.norm() for gradient in clipped.values()]).norm()
    close(norm, 1e-3, share=1e-4)


def test_every_step_has_its_own_figures() -> None:
    """Seven batches of one text, two to a step: the last step has one."""

    class Kept(Callback):
        def on_train_batch_end(self, trainer, *_) -> None:
            if trainer.fit_loop.batch_idx % 2 or trainer.is_last_batch:
                kept.append({n: float(v) for n, v in trainer.callback_metrics.items()})

    kept: list[dict[str, float]] = []
    module = KINDS["language"][0]()
    fit(module, Batches([[e] for e in examples()]), Kept(), accumulate_grad_batches=2)
    read = [n + 2 for n in LENGTHS[:-1]] + [13]
    sums = [read[0] + read[1], read[2] + read[3], read[4] + read[5], read[6]]
    assert [step["train/tokens"] for step in kept] == [sum(sums[: i + 1]) for i in range(4)]
    rates = [1e-3 * Schedule()(step, 4, 0.05) for step in range(4)]
    assert [step["train/learning_rate"] for step in kept] == pytest.approx(rates)
    assert all(step["train/tokens_per_second"] > 0 for step in kept)
    close(kept[0]["train/loss"], by_hand(policy(), examples()[:2])["loss"])


def test_batches_without_a_token_in_the_loss_change_nothing() -> None:
    """An empty response, and one whose tokens are all left out."""
    empty = [Example(prompt_tokens=(30, 31), response_tokens=())]
    masked = [Example(prompt_tokens=(30,), response_tokens=(7, 8), loss_mask=(False, False))]
    whole, alone = examples(), {}
    for name, cuts in {"with": [empty, whole, masked], "alone": [whole]}.items():
        module = KINDS["language"][0]()
        trainer = fit(module, Batches(cuts, cuts), Gradient(), accumulate_grad_batches=3)
        figures = {n: float(v) for n, v in trainer.callback_metrics.items()}
        alone[name] = (trainer.callbacks[0].of["model.embed_tokens.weight"], figures)
    close(alone["with"][0], alone["alone"][0])
    for name in ("train/loss", "train/token_accuracy", "train/gradient_norm"):
        close(alone["with"][1][name], alone["alone"][1][name])
    for name in ("val/loss", "val/token_accuracy"):
        close(alone["with"][1][name], alone["alone"][1][name], share=1e-4)

"""LanguageModule: cross-entropy on responses, a cosine schedule, and a tower that learns alone."""

import pytest
import torch
from lightning.pytorch import Callback

from k15.datamodules.demonstrations import DemonstrationData
from k15.models.parts import part_of
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.problems.sources import TaskSource
from k15.schedules import Phase, Phases, Schedule
from k15.tasks.make24 import Make24
from k15.types import Example
from tests.closeness import close
from tests.modules.fitting import fit


class LearningRates(Callback):
    """The learning rate of every step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def policy(modality: str = "text") -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=Make24().words, modality=modality, hidden_size=32, layers=1)


def demonstrations(of: Policy, modality: str = "text", tokens: int = 2000) -> DemonstrationData:
    source = TaskSource(Make24(modality=modality))
    return DemonstrationData(
        policy=of, source=source, tokens=tokens, tokens_per_batch=500, held_out_examples=20
    )


def by_hand(of: Policy, examples: list[Example]) -> float:
    """-log p of each response token, one text at a time; the mean over all of them."""
    total, count = 0.0, 0
    for example in examples:
        prompt = len(example.prompt_tokens)
        tokens = torch.tensor([example.prompt_tokens + example.response_tokens])
        with torch.no_grad():
            logp = of.model(input_ids=tokens).logits[0].log_softmax(-1)
        for place in range(prompt, tokens.shape[1]):
            total -= float(logp[place - 1, tokens[0, place]])
            count += 1
    return total / count


def test_the_loss_is_the_mean_cross_entropy_of_response_tokens() -> None:
    """Two responses of 3 and 5 tokens: a mean over 8 tokens, not over 2 texts."""
    of = policy()
    examples = [
        Example(prompt_tokens=(30, 31), response_tokens=(7, 8, 1)),
        Example(prompt_tokens=(40, 41, 42, 43), response_tokens=(9, 9, 10, 11, 1)),
    ]
    terms, _ = LanguageModule(of, learning_rate=1e-3).terms(examples)
    close(terms.means()["loss"], by_hand(of, examples))


def test_masked_tokens_do_not_count() -> None:
    """The mask leaves the first response token: the mean is over one token."""
    of = policy()
    mask = (True, False, False)
    example = Example(prompt_tokens=(30, 31), response_tokens=(7, 8, 1), loss_mask=mask)
    first = Example(prompt_tokens=(30, 31), response_tokens=(7,))
    terms, _ = LanguageModule(of, learning_rate=1e-3).terms([example])
    close(terms.means()["loss"], by_hand(of, [first]))


def test_an_epoch_lowers_the_loss_on_other_questions() -> None:
    """Guessing among the 128 words costs log 128 = 4.85 nats.

    Seeds 0 to 4 start between 4.88 and 4.94 and end between 2.9 and 3.1.
    """
    of = policy()
    data = demonstrations(of, tokens=8000)
    data.setup("fit")
    module = LanguageModule(of, learning_rate=1e-2)
    assert by_hand(of, data.held_out) > 4.5
    trainer = fit(module, data)
    assert by_hand(of, data.held_out) < 3.5
    close(trainer.callback_metrics["val/loss"], by_hand(of, data.held_out))


def test_the_optimizer_follows_the_schedule() -> None:
    of, rates = policy(), LearningRates()
    half = Phase(share=1, peak=0.5, schedule=Schedule(shape="linear", final=0.2))
    phases = Phases({"first": Phase(share=1), "second": half})
    module = LanguageModule(of, learning_rate=0.01, warmup=0.5, schedule=phases)
    fit(module, demonstrations(of), rates)
    steps = len(rates.seen)
    assert steps >= 4
    expected = [0.01 * phases(step, steps, 0.5) for step in range(steps)]
    assert rates.seen == pytest.approx(expected)


def test_the_tower_learns_alone() -> None:
    """Language weights stay bit by bit; every weight matrix of the tower moves."""
    of, untouched = policy("image"), policy("image")
    fit(LanguageModule(of, learning_rate=1e-2, train="vision"), demonstrations(of, "image"))
    before = dict(untouched.model.named_parameters())
    for name, parameter in of.model.named_parameters():
        if ".visual." not in name:
            assert torch.equal(parameter, before[name]), name
        elif name.endswith("weight"):
            assert not torch.equal(parameter, before[name]), name


@pytest.mark.parametrize("train", ["all", "language", ["projector"]])
def test_parts_learn_at_rates_of_their_own_or_have_no_gradient(train) -> None:
    """None at all, and no place in the optimizer; the schedule scales every rate."""
    of = policy("image")
    rates = {"vision": 1e-3, "projector": 2e-3, "language": 4e-3}
    module = LanguageModule(of, learning_rate=rates, train=train, warmup=0.0)
    seen: dict[float, set[str]] = {}

    class Seen(Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
            names = {p: name for name, p in of.model.named_parameters()}
            for group in optimizer.param_groups:
                seen.setdefault(group["lr"], set()).update(names[p] for p in group["params"])
            assert all((p.grad is None) == (p not in trained) for p in of.model.parameters())
            trainer.should_stop = True

    wanted = [part for part in rates if train == "all" or part in train]
    trained = {p for n, p in of.model.named_parameters() if part_of(n) in wanted}
    fit(module, demonstrations(of, "image"), Seen())
    assert {rate: {part_of(n) for n in names} for rate, names in seen.items()} == {
        rates[part]: {part} for part in wanted
    }


def test_a_rate_of_0_freezes_a_part() -> None:
    of = policy("image")
    LanguageModule(of, learning_rate={"vision": 1e-3, "language": 0})
    assert {part_of(n) for n, p in of.model.named_parameters() if p.requires_grad} == {
        "vision", "projector",
    }  # fmt: skip


def test_z_loss_adds_the_square_of_log_z() -> None:
    """Per token w log² Z, by hand; it is a figure of its own, and log Z comes nearer to 0."""
    of = policy()
    example = Example(prompt_tokens=(30, 31), response_tokens=(7, 8, 1))
    logits = of.model(input_ids=torch.tensor([[30, 31, 7, 8]])).logits[0, 1:]
    squares = logits.logsumexp(-1).square().mean()
    plain = LanguageModule(of, learning_rate=1e-3).terms([example])[0].means()
    # in chunks of 2 tokens, too
    for chunk in (512, 2):
        module = LanguageModule(of, learning_rate=1e-3, z_loss=0.1, tokens_per_chunk=chunk)
        terms, _ = module.terms([example])
        close(terms.means()["z_loss"], 0.1 * squares)
        close(terms.means()["loss"], plain["loss"] + 0.1 * squares)
    terms.loss.backward()
    with torch.no_grad():
        for parameter in of.model.parameters():
            parameter -= 1e-2 * parameter.grad
    after = module.terms([example])[0].means()
    assert after["z_loss"] < 0.1 * squares
    with pytest.raises(ValueError, match=r"module\.z_loss=-0\.1: must be at least 0"):
        LanguageModule(of, learning_rate=1e-3, z_loss=-0.1)


def test_both_learn_together() -> None:
    of, untouched = policy("image"), policy("image")
    fit(LanguageModule(of, learning_rate=1e-2), demonstrations(of, "image"))
    before = dict(untouched.model.named_parameters())
    moved = [n for n, p in of.model.named_parameters() if not torch.equal(p, before[n])]
    assert any(".visual." in name for name in moved)
    assert any(".language_model." in name for name in moved)


def test_a_model_without_eyes_cannot_train_them() -> None:
    with pytest.raises(ValueError, match=r"train=vision: Qwen3ForCausalLM has no vision tower"):
        LanguageModule(policy(), learning_rate=1e-3, train="vision")
    with pytest.raises(ValueError, match=r"train='visual': choose all, vision, projector"):
        LanguageModule(policy(), learning_rate=1e-3, train="visual")

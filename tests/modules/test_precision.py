"""Small steps are not rounded away, and rollouts are computed as training is."""

import logging
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.optim import AdamW

from k15.config import ConfigError
from k15.datamodules.rl import RLDataModule
from k15.datamodules.samplers import Uniform
from k15.engines.transformers import TransformersEngine
from k15.models.policy import Policy
from k15.modules import precision
from k15.modules.precision import AdamWWithMasters, seconds_of_product, share_moved
from k15.problems.sources import TaskSource
from k15.rollouts.plan import RolloutPlan
from tests.closeness import close
from tests.modules import test_rl as rl
from tests.modules import test_supervised as supervised
from tests.modules.fitting import Batches, fit
from tests.modules.test_iteration import SIZES, Even

MIXED, NARROW = "bf16-mixed", "bfloat16 weights"
WIDE = "32-true"


def bfloat16(x: Tensor) -> nn.Parameter:
    return nn.Parameter(x.bfloat16())


def steps(optimizer: AdamW, gradients: list[Tensor]) -> list[Tensor]:
    """The first weight after each of some steps."""
    (weight, *_) = optimizer.param_groups[0]["params"]
    found = []
    for gradient in gradients:
        weight.grad = gradient.to(weight.dtype)
        optimizer.step()
        found.append(weight.detach().clone())
    return found


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(AdamW, [1.0, 1.0, 1.0]), (AdamWWithMasters, [1.0, 1 - 1 / 256, 1 - 1 / 256])],
)
def test_steps_below_a_rounding_add_up_in_the_master(kind: type, expected: list[float]) -> None:
    """Below 1 bfloat16 counts in 1/256. With a gradient of 1 each step takes 0.001: the master is
    0.999, 0.998, 0.997, of which the first is nearest to 1.
    """
    optimizer = kind([bfloat16(torch.ones(1))], lr=0.001, weight_decay=0.0)
    assert [float(weight) for weight in steps(optimizer, [torch.ones(1)] * 3)] == expected


def test_the_master_is_adamw_s_weight_in_float32() -> None:
    torch.manual_seed(0)
    start = torch.randn(9).bfloat16()
    gradients = [torch.randn(9).bfloat16() for _ in range(5)]
    masters = AdamWWithMasters([bfloat16(start)], lr=1e-4)
    plain = AdamW([nn.Parameter(start.float())], lr=1e-4)
    rounded, exact = steps(masters, gradients)[-1], steps(plain, gradients)[-1]
    (master,) = masters.masters.values()
    close(master, exact)
    assert torch.equal(rounded, master.bfloat16()) and rounded.dtype == torch.bfloat16
    assert {x.dtype for x in masters.state.popitem()[1].values()} == {torch.float32}


def test_a_resumed_optimizer_has_its_masters(tmp_path: Path) -> None:
    """Also where the moments were forgotten between iterations."""
    torch.manual_seed(0)
    gradients = [torch.randn(9) for _ in range(4)]
    whole = AdamWWithMasters([bfloat16(torch.ones(9))], lr=1e-3)
    (uninterrupted,) = steps(whole, gradients)[-1:]
    first = AdamWWithMasters([bfloat16(torch.ones(9))], lr=1e-3)
    (weight,) = steps(first, gradients[:2])[-1:]
    torch.save(first.state_dict(), tmp_path / "optimizer")
    second = AdamWWithMasters([bfloat16(weight)], lr=1e-3)
    second.load_state_dict(torch.load(tmp_path / "optimizer"))
    assert torch.equal(steps(second, gradients[2:])[-1], uninterrupted)
    second.state.clear()
    assert torch.equal(*(next(iter(of.masters.values())) for of in (whole, second)))


def test_steps_in_main_memory_are_the_same_steps() -> None:
    """Also of float32 weights, whose masters are not the weights themselves."""
    torch.manual_seed(0)
    start, gradients = torch.randn(9), [torch.randn(9) for _ in range(3)]
    for weight in (bfloat16(start), nn.Parameter(start.clone())):
        there = AdamWWithMasters([nn.Parameter(weight.detach().clone())], on_cpu=True, lr=1e-2)
        here = AdamWWithMasters([weight], lr=1e-2)
        assert torch.equal(steps(there, gradients)[-1], steps(here, gradients)[-1])
        ((of, master),) = there.masters.items()
        assert torch.equal(of, master.to(of)) and of.data_ptr() != master.data_ptr()


def test_a_state_of_other_number_types_is_refused() -> None:
    wide = AdamWWithMasters([nn.Parameter(torch.ones(2))])
    with pytest.raises(ValueError, match=r"has 0 master weights and this model 1;.*model\.dtype"):
        AdamWWithMasters([bfloat16(torch.ones(2))]).load_state_dict(wide.state_dict())


def test_the_share_of_weights_that_a_step_moves() -> None:
    """2^-k is followed by 2^-k + 2^(-k - 7): 2^-10 is more than half of that from k = 3 on."""
    weights = 2.0 ** -torch.arange(10)
    assert share_moved([weights.bfloat16()], 2.0**-10) == 7 / 10
    assert share_moved([weights], 2.0**-10) == 1.0


class WithoutMasters(rl.RLModule):
    """As an own optimizer may be."""

    def configure_optimizers(self) -> AdamW:
        return AdamW(self.trained_parameters(), lr=self.learning_rate)


def narrowed(of: Policy) -> Policy:
    """As loaded with dtype=bfloat16: the weights, not the rotary frequencies."""
    for parameter in of.model.parameters():
        parameter.data = parameter.data.bfloat16()
    return of


@pytest.mark.parametrize(
    ("kind", "learning_rate", "warned"),
    [(WithoutMasters, 1e-6, True), (WithoutMasters, 1e-2, False), (rl.RLModule, 1e-6, False)],
)
def test_a_step_that_moves_nearly_nothing_is_warned_of(
    kind: type, learning_rate: float, warned: bool, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(rl, "RLModule", kind)
    of = narrowed(rl.policy())
    with caplog.at_level(logging.WARNING, logger="k15.modules.precision"):
        rl.train(of, rl.experience(of, rl.REWARDS), learning_rate=learning_rate)
    told = [r.getMessage() for r in caplog.records if r.name == "k15.modules.precision"]
    assert len(told) == warned
    assert all("moves 0." in line and "trainer.precision=bf16-mixed" in line for line in told)


@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true"])
def test_a_precision_that_rounds_more_than_arithmetic_is_refused(precision: str) -> None:
    module = supervised.KINDS["language"][0]()
    with pytest.raises(ConfigError, match=rf"trainer\.precision={precision}.*model\.dtype"):
        fit(module, Batches([supervised.examples()]), precision=precision)


def test_rl_does_not_take_scaled_gradients() -> None:
    scaled = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
    of = rl.policy()
    with pytest.raises(ConfigError, match="16-mixed: RL takes bf16-mixed"):
        fit(rl.module_of(of), rl.Fixed(rl.experience(of, rl.REWARDS)), plugins=[scaled])


def iteration(precision: str, learning_rate: float = 0.0) -> tuple[dict[str, float], set]:
    """Figures of an iteration, and the number types of the output embedding's results."""
    of = rl.policy()
    if precision == NARROW:
        narrowed(of)
    engine = TransformersEngine(of, slots=8)
    module = rl.module_of(of, engine=engine, learning_rate=learning_rate, **vars_of(SIZES))
    plan = RolloutPlan(
        sizes=SIZES, max_response_tokens=16, segment_tokens=None, cut_unfinished=False
    )
    data = RLDataModule(
        policy=of,
        source=TaskSource(rl.TASK, train_problems=40, held_out_problems=2),
        engine=engine,
        sampler=Uniform(),
        rewards={"even": Even()},
        plan=plan,
    )
    kinds: set[torch.dtype] = set()
    head = of.model.get_output_embeddings()
    dtypes = [parameter.dtype for parameter in of.model.parameters()]
    head.register_forward_hook(lambda *call: kinds.add(call[-1].dtype))
    settings = {} if precision == NARROW else {"precision": precision}
    trainer = fit(module, data, **settings)
    assert [parameter.dtype for parameter in of.model.parameters()] == dtypes
    return {name: float(value) for name, value in trainer.callback_metrics.items()}, kinds


def vars_of(sizes) -> dict[str, int]:
    return {name: getattr(sizes, name) for name in sizes.__dataclass_fields__}


@pytest.mark.parametrize(
    ("precision", "kind", "mismatch"),
    [
        (WIDE, torch.float32, 1e-5),
        (MIXED, torch.bfloat16, 1 / 128),
        (NARROW, torch.bfloat16, 1 / 128),
    ],
)
def test_rollouts_are_computed_as_training_is(
    precision: str, kind: torch.dtype, mismatch: float
) -> None:
    """So the policy is π_i until the first step, and the engine's log-probabilities are the
    trainer's but for rounding: bfloat16 logits between 1 and 2 come in 1/128.
    """
    figures, kinds = iteration(precision)
    assert kinds == {kind}
    assert figures["train/steps"] > 1 and figures["train/sequence_log_ratio"] == 0.0
    assert 0 < figures["train/engine_mismatch"] < mismatch


def test_numbers_of_the_loss_are_float32_whatever_the_default() -> None:
    of, module = rl.policy(), rl.module_of(rl.policy())
    torch.set_default_dtype(torch.bfloat16)
    try:
        credited = module.select_groups(rl.experience(of, rl.REWARDS))
        (minibatch,) = module.minibatches(credited, 1)
        micro = minibatch.micro_batches[0].laid_out(module.policy, module.layout)
        logp_BT = module.logps(micro)
    finally:
        torch.set_default_dtype(torch.float32)
    tensors = (micro.advantage_BT, micro.engine_logp_BT, logp_BT)
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    close(micro.advantage_BT[:, :1].abs().max(), 2 / 3)


@pytest.mark.parametrize(("bfloat16_seconds", "said"), [(0.07, "70 times as slowly"), (0.004, "")])
def test_a_processor_without_bfloat16_is_warned_of(
    bfloat16_seconds: float, said: str, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    """Float32's product takes a millisecond."""
    seconds = {torch.bfloat16: bfloat16_seconds, torch.float32: 0.001}
    monkeypatch.setattr(precision, "seconds_of_product", seconds.__getitem__)
    wide, mixed = (
        Trainer(accelerator="cpu", precision=words, logger=False) for words in (WIDE, MIXED)
    )
    caplog.clear()  # of Lightning's lines
    precision.warn_of_slow_bfloat16(wide)
    assert not caplog.text
    precision.warn_of_slow_bfloat16(mixed)
    assert said in caplog.text and bool(caplog.text) == bool(said)


def test_a_product_takes_time() -> None:
    assert 0 < seconds_of_product(torch.float32) < 1

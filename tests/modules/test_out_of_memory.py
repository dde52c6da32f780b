"""What memory is too small for goes through in halves, with the gradient of the whole, and ends the
run with the sizes to lower where that is not enough.
"""

import pytest
import torch

from k15.config import ConfigError
from k15.models.policy import Policy
from k15.modules.out_of_memory import is_out_of_memory, with_halves
from tests.closeness import close
from tests.modules import test_supervised as supervised
from tests.modules.fitting import Batches, fit
from tests.modules.test_rl import (
    REWARDS,
    experience,
    gradients,
    policy,
    train,
    weights,
)


def limited(of: Policy, tokens: int, backward: bool = False) -> list[int]:
    """Let the first layer run out of memory in a forward, or in a backward pass over more than so
    many tokens; returns the sizes of what goes through it.
    """
    seen: list[int] = []

    def check(states: torch.Tensor) -> None:
        if states.shape[0] * states.shape[1] > tokens:
            torch.empty(2**50, dtype=torch.uint8)  # the allocator's own error

    def note(module: torch.nn.Module, inputs: tuple, outputs: torch.Tensor) -> None:
        seen.append(inputs[0].shape[0] * inputs[0].shape[1])
        if backward and outputs.requires_grad:
            outputs.register_hook(check)
        if not backward:
            check(outputs)

    of.model.model.layers[0].register_forward_hook(note)
    return seen


@pytest.mark.parametrize("layout", ["shared", "bucketed"])
@pytest.mark.parametrize("backward", [False, True])
def test_halves_have_the_gradient_of_the_whole(layout: str, backward: bool) -> None:
    """Also where the backward pass has been through the second layer, and so left some of its
    gradient there; in later minibatches the reference is cut, too.
    """
    whole, halved = policy(), policy()
    batch = experience(whole, REWARDS)
    settings = {"minibatches_per_iteration": 2, "layout": layout, "learning_rate": 1e-4}
    sizes = limited(whole, 10_000)
    train(whole, batch, **settings)
    halves = limited(halved, max(sizes) - 1, backward)
    train(halved, batch, **settings)
    assert max(sizes) in halves and len(halves) > len(sizes)
    close(gradients(halved), gradients(whole), 1e-4)
    close(weights(halved), weights(whole), 1e-4)


@pytest.mark.parametrize("backward", [False, True])
def test_a_supervised_batch_that_does_not_fit_names_the_sizes(backward: bool) -> None:
    make, items, join = supervised.KINDS["language"]
    module = make()
    limited(module.policy, 1, backward)
    data = Batches(supervised.batches(items(), supervised.CUTS["one"], join))
    with pytest.raises(ConfigError, match=r"^out of memory \(.*lower datamodule\.tokens_per_batch"):
        fit(module, data, limit_val_batches=0)


def test_what_does_not_fit_in_halves_ends_the_run() -> None:
    of = policy()
    limited(of, 30)
    expected = (
        r"out of memory .* cannot be halved; lower sizes\.tokens_per_microbatch=4096, "
        r"tokens_per_chunk=512, data\.max_response_tokens, .*gradient_checkpointing=true"
    )
    with pytest.raises(ConfigError, match=expected):
        train(of, experience(of, REWARDS))


def test_pieces_begin_anew_and_are_halved_once() -> None:
    """Numbers above 4 do not fit."""
    calls: list[list[int]] = []

    def attempt(pieces) -> int:
        calls.append([])
        for piece in pieces:
            calls[-1].append(piece)
            if piece > 4:
                raise MemoryError
        return sum(calls[-1])

    pieces = [3, 6, 8, 1]
    assert with_halves(attempt, pieces, lambda n: [n // 2, n - n // 2], "way out") == 18
    assert calls == [[3, 6], [3, 3, 3, 8], [3, 3, 3, 4, 4, 1]]
    assert pieces == calls[-1]
    with pytest.raises(ConfigError, match="way out"):
        with_halves(attempt, [9], lambda n: [n // 2, n - n // 2], "way out")
    with pytest.raises(ConfigError, match="way out"):
        with_halves(attempt, [9], lambda n: [n], "way out")


def test_other_errors_pass() -> None:
    def attempt(pieces) -> None:
        raise RuntimeError(f"a shape does not fit {list(pieces)}")

    with pytest.raises(RuntimeError, match="a shape"):
        with_halves(attempt, [1], lambda n: [n, n], "")


def test_errors_of_allocators() -> None:
    with pytest.raises(RuntimeError, match="allocate") as cpu:
        torch.empty(2**50, dtype=torch.uint8)
    assert is_out_of_memory(cpu.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB"))
    assert is_out_of_memory(MemoryError()) and not is_out_of_memory(RuntimeError("memory format"))

import pytest
import torch

from k15.losses.language import cross_entropy
from tests.closeness import close

LOGP = torch.tensor([[-1.0, -0.5, -4.0], [-2.0, 9.0, 9.0]])
MASK = torch.tensor([[True, True, False], [True, False, False]])


def test_mean_over_the_tokens_of_the_minibatch():
    logp = LOGP.clone().requires_grad_()
    loss, metrics = cross_entropy(logp, MASK, tokens=10)  # three of the minibatch's ten are here
    close(loss, (1.0 + 0.5 + 2.0) / 10)
    assert metrics == {}
    loss.backward()
    close(logp.grad, -MASK.float() / 10)


def test_is_the_cross_entropy_of_torch():
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([3, 0, 6, 2])
    logp = logits.log_softmax(-1)[torch.arange(4), targets][None]
    loss, _ = cross_entropy(logp, torch.ones_like(logp, dtype=torch.bool), tokens=4)
    close(loss, torch.nn.functional.cross_entropy(logits, targets))


def test_inputs_that_do_not_fit():
    with pytest.raises(ValueError, match="must be the same"):
        cross_entropy(LOGP, MASK[:1], tokens=10)
    with pytest.raises(ValueError, match=r"mask_BT is torch\.int64"):
        cross_entropy(LOGP, MASK.long(), tokens=10)

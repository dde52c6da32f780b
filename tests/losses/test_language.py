import pytest
import torch

from k15.losses.language import cross_entropy
from k15.losses.terms import Terms
from tests.closeness import close

LOGP = torch.tensor([[-1.0, -0.5, -4.0], [-2.0, 9.0, 9.0]])
RIGHT = torch.tensor([[True, False, True], [True, True, True]])
MASK = torch.tensor([[True, True, False], [True, False, False]])


def test_sums_over_the_tokens_in_the_mask():
    """Three tokens, of which the first and the last are the most probable ones."""
    logp = LOGP.clone().requires_grad_()
    terms = cross_entropy(logp, RIGHT, MASK)
    close(terms.loss, 1.0 + 0.5 + 2.0)
    assert terms.count == 3
    close(terms.means(), {"loss": 3.5 / 3, "token_accuracy": 2 / 3})
    terms.loss.backward()
    close(logp.grad, -MASK.float())


def test_is_the_cross_entropy_of_torch():
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([3, 0, 6, 2])
    logp = logits.log_softmax(-1)[torch.arange(4), targets][None]
    everything = torch.ones_like(logp, dtype=torch.bool)
    terms = cross_entropy(logp, everything, everything)
    close(terms.means()["loss"], torch.nn.functional.cross_entropy(logits, targets))


def test_without_terms_the_mean_is_zero():
    assert Terms(loss=torch.tensor(0.0), count=0).means() == {"loss": 0.0}


def test_inputs_that_do_not_fit():
    with pytest.raises(ValueError, match="must be the same"):
        cross_entropy(LOGP, RIGHT, MASK[:1])
    with pytest.raises(ValueError, match=r"mask_BT is torch\.int64"):
        cross_entropy(LOGP, RIGHT, MASK.long())

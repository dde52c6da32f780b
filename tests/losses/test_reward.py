"""Losses of the value head, worked out by hand."""

import math

import pytest
import torch

from k15.losses.reward import binary, pairwise
from tests.closeness import close

LABELS = torch.tensor([True, False, True, False])
ONE_QUESTION = torch.zeros(4, dtype=torch.long)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_binary_is_the_cross_entropy_of_the_labels() -> None:
    """Scores log 3 and 0 are probabilities 3/4 and 1/2: −(log 3/4 + log 1/2)/2."""
    score_B = torch.tensor([math.log(3), 0.0])
    terms = binary(score_B, LABELS[:2], ONE_QUESTION[:2])
    close(terms.means(), {"loss": -(math.log(0.75) + math.log(0.5)) / 2})


def test_the_gradient_of_binary_is_probability_minus_label() -> None:
    score_B = torch.tensor([math.log(3), 0.0], requires_grad=True)
    binary(score_B, LABELS[:2], ONE_QUESTION[:2]).loss.backward()
    close(score_B.grad, [0.75 - 1, 0.5])


def test_pairwise_compares_correct_with_wrong_ones_of_the_same_question() -> None:
    """Question 0 has scores 2 (right), 1, 0 (wrong), question 1 has 1 (right), 3 (wrong), question
    2 has no wrong one:
    −½ [ ½ (log σ(1) + log σ(2)) + log σ(−2) ], and 2 of 2 and 0 of 1 pairs in order.
    """
    score_B = torch.tensor([2.0, 1.0, 0.0, 1.0, 3.0, 9.0])
    correct_B = torch.tensor([True, False, False, True, False, True])
    terms = pairwise(score_B, correct_B, torch.tensor([0, 0, 0, 1, 1, 2]))
    by_hand = -0.5 * (0.5 * (log_sigmoid(1) + log_sigmoid(2)) + log_sigmoid(-2))
    assert terms.count == 2
    close(terms.means(), {"loss": by_hand, "pairs_ranked": 0.5})


def test_pairwise_does_not_care_about_a_constant_or_the_order_of_rows() -> None:
    score_B = torch.tensor([0.3, -1.0, 2.0, 0.5])
    loss = pairwise(score_B, LABELS, torch.tensor([0, 0, 1, 1])).loss
    shifted = pairwise(score_B + 7, LABELS, torch.tensor([0, 0, 1, 1])).loss
    order = torch.tensor([2, 0, 3, 1])
    moved = pairwise(score_B[order], LABELS[order], torch.tensor([0, 0, 1, 1])[order]).loss
    close(shifted, loss)
    close(moved, loss)


def test_without_a_pair_there_is_nothing_to_learn() -> None:
    score_B = torch.tensor([1.0, -1.0], requires_grad=True)
    terms = pairwise(score_B, torch.tensor([True, True]), torch.tensor([0, 1]))
    terms.loss.backward()
    assert (terms.loss.item(), terms.count) == (0.0, 0) and score_B.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("loss", [binary, pairwise])
def test_shapes_must_agree(loss) -> None:
    with pytest.raises(ValueError, match=r"the same \[B\], got \[\(3,\), \(4,\), \(4,\)\]"):
        loss(torch.zeros(3), LABELS, ONE_QUESTION)


def test_pairs_are_counted_exactly_in_bfloat16() -> None:
    """257 pairs of equal scores, each of weight 1/257: log 2. bfloat16 has no 257."""
    correct_B = torch.tensor([True] + [False] * 257)
    with torch.autocast("cpu", torch.bfloat16):
        terms = pairwise(torch.zeros(258), correct_B, torch.zeros(258, dtype=torch.long))
    close(terms.means(), {"loss": math.log(2), "pairs_ranked": 0.0})

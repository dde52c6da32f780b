"""What a value head learns from: the probability of being right, or which of two responses is.

Legend: B judgements of a batch.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from k15.losses.terms import Terms

RewardLoss = Callable[[Tensor, Tensor, Tensor], Terms]
"""Of scores, labels and questions."""


def binary(score_B: Tensor, correct_B: Tensor, question_B: Tensor) -> Terms:
    """−c·log σ(s) − (1 − c)·log σ(−s) of each judgement: then σ(s) is the probability of being
    correct (k1.5 §2.3.5, the classic reward model).

    - `score_B` [B] logits of the value head; carries the gradient.
    - `correct_B` [B] bool: the labels c.
    - `question_B` [B] int: which question a response answers; not looked at here.

    Raises ValueError if shapes differ.
    """
    check(score_B, correct_B, question_B)
    loss = binary_cross_entropy_with_logits(score_B.float(), correct_B.float(), reduction="sum")
    return Terms(loss=loss, count=len(score_B))


def pairwise(score_B: Tensor, correct_B: Tensor, question_B: Tensor) -> Terms:
    """−(1/pairs) Σ_pairs log σ(s_right − s_wrong) of each question, a pair being a correct and a
    wrong response to it (InstructGPT 2203.02155 eq. 1).

    Arguments as for `binary`; questions without a pair are no terms. It ranks the responses to one
    question and fixes no zero: `σ(s)` is no probability then. The metric `pairs_ranked` is the
    share of pairs in the right order, mean over questions.
    """
    check(score_B, correct_B, question_B)
    same_BB = question_B[:, None] == question_B[None, :]
    pair_BB = same_BB & correct_B[:, None] & ~correct_B[None, :]
    pairs_B = (same_BB * pair_BB.sum(-1)).sum(-1).float()  # of the question of each row
    weight_BB = pair_BB / pairs_B.clamp(min=1)[:, None]
    margin_BB = score_B.float()[:, None] - score_B.float()[None, :]
    return Terms(
        loss=-(weight_BB * logsigmoid(margin_BB)).sum(),
        count=len(question_B[pairs_B > 0].unique()),
        metrics={"pairs_ranked": (weight_BB * (margin_BB > 0)).sum().detach()},
    )


def check(score_B: Tensor, correct_B: Tensor, question_B: Tensor) -> None:
    """Raise ValueError unless the arguments are [B] each."""
    shapes = [tuple(tensor.shape) for tensor in (score_B, correct_B, question_B)]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise ValueError(f"score_B, correct_B and question_B must be the same [B], got {shapes}")

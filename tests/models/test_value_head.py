"""The value head is transformers' own: the same numbers there, and no padding in them."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.models.value_head import add_value_head, load_value_policy, scores
from k15.tasks.make24 import Make24
from tests.closeness import close

TEXTS = [(7, 8, 9, 10, 11, 12), (20, 21), (30, 31, 32, 33)]


def with_head(**sizes) -> Policy:
    """A value head with random weights on a tiny backbone."""
    torch.manual_seed(0)
    policy = add_value_head(tiny_policy(words=Make24().words, hidden_size=32, layers=1, **sizes))
    torch.nn.init.normal_(policy.model.score.weight)
    return policy


def test_the_backbone_keeps_its_weights_and_a_fresh_head_scores_zero() -> None:
    torch.manual_seed(0)
    policy = tiny_policy(words=Make24().words, hidden_size=32, layers=1)
    before = {name: weight.clone() for name, weight in policy.model.model.state_dict().items()}
    add_value_head(policy)
    after = policy.model.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert scores(policy, TEXTS).tolist() == [0.0, 0.0, 0.0]
    assert add_value_head(policy) is policy


@torch.no_grad()
def test_a_score_does_not_depend_on_its_neighbours() -> None:
    policy = with_head()
    together = scores(policy, TEXTS)
    alone = torch.cat([scores(policy, [text]) for text in TEXTS])
    close(together, alone)
    assert len({round(float(score), 4) for score in together}) == 3


@torch.no_grad()
def test_the_score_is_the_head_on_the_last_token() -> None:
    policy = with_head()
    hidden = policy.model.model(input_ids=torch.tensor([TEXTS[1]])).last_hidden_state
    by_hand = hidden[0, -1] @ policy.model.score.weight[0]
    close(scores(policy, TEXTS)[1], by_hand)


@torch.no_grad()
def test_the_folder_loads_in_transformers_and_here_with_the_same_scores(tmp_path: Path) -> None:
    policy = with_head()
    policy.save(tmp_path)
    expected = scores(policy, TEXTS)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    alone = [theirs(input_ids=torch.tensor([text])).logits for text in TEXTS]
    close(torch.cat(alone), expected[:, None])
    close(scores(load_value_policy(str(tmp_path)), TEXTS), expected)


def test_gradients_reach_head_and_backbone() -> None:
    policy = with_head()
    scores(policy, TEXTS).sum().backward()
    without = [name for name, weight in policy.model.named_parameters() if weight.grad is None]
    assert without == []


def test_models_that_cannot_carry_one_are_refused(tmp_path: Path) -> None:
    words = Make24().words
    with pytest.raises(ValueError, match="cannot carry a value head; choose a text model"):
        add_value_head(tiny_policy(words=words, modality="image", hidden_size=32, layers=1))
    tiny_policy(words=words, hidden_size=32, layers=1).save(tmp_path / "language")
    with pytest.raises(ValueError, match="it must give one trained number"):
        load_value_policy(str(tmp_path / "language"))
    with pytest.raises(ValueError, match="no such folder"):
        load_value_policy(str(tmp_path / "absent"))

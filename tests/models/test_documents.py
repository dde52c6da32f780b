"""Documents as training sequences: text is learned, pictures are whole and in their order."""

import pytest
import torch
from PIL import Image

from k15.config.errors import ConfigError
from k15.models.documents import Documents, joined
from k15.models.layouts.base import expanded_length
from k15.models.layouts.bucketed import Bucketed
from k15.models.layouts.packed import Packed
from k15.models.layouts.shared import Shared
from k15.models.logps import response_logps
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.types import Document, Example
from tests.closeness import close


def policy(modality: str = "image") -> Policy:
    torch.manual_seed(0)
    return tiny_policy(modality=modality, hidden_size=32, layers=1)


def picture(shade: int, patches: int = 2) -> Image.Image:
    """`patches` visual tokens, and two around them."""
    return Image.new("RGB", (14 * patches, 14), (shade, 255 - shade, shade))


def text_of(of: Policy, example: Example) -> str:
    return of.tokenizer.decode([*example.prompt_tokens, *example.response_tokens])


def test_a_text_is_learned_but_for_its_first_token_and_ends():
    of = policy("text")
    (example,) = Documents(of).examples(Document(id="1", parts=("abc",)), 100)
    assert text_of(of, example) == "abc<eos>"
    assert len(example.prompt_tokens) == 1 and all(example.loss_mask)


def test_pictures_stand_in_their_order_and_are_not_learned():
    of = policy()
    one, two = picture(0), picture(200)
    document = Document(id="1", parts=("ab", None, "c", None, "d"), images=(one, two))
    (example,) = Documents(of).examples(document, 100)
    shown = "<|vision_start|><|image_pad|><|vision_end|>"
    assert text_of(of, example) == f"ab{shown}c{shown}d<eos>"
    learned = "".join("#" if counts else "." for counts in example.loss_mask)
    assert learned == "#...#...##"
    assert example.images == (one, two)
    assert expanded_length(of, example) == 2 + 4 + 1 + 4 + 1 + 1


def test_long_documents_are_cut_between_units():
    """A picture of four tokens begins the next piece rather than ending one without text."""
    of = policy()
    document = Document(id="1", parts=("abcde", None, "fghijk"), images=(picture(9),))
    found = Documents(of).examples(document, 10)
    shown = "<|vision_start|><|image_pad|><|vision_end|>"
    assert [text_of(of, one) for one in found] == [f"abcde{shown}f", "ghijk<eos>"]
    found = Documents(of).examples(document, 9)
    assert [text_of(of, one) for one in found] == ["abcde", f"{shown}fghij", "k<eos>"]
    assert all(expanded_length(of, one) <= 9 for one in found)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (Document(id="7", parts=("  ",)), "document 7: it is empty"),
        (Document(id="7", parts=("a<|image_pad|>",)), "document 7: its text holds '<|image_pad|>'"),
        (
            Document(id="7", parts=(None, "a"), images=(picture(0, 9),)),
            "document 7: a picture of 11 tokens does not fit into a sequence of 10",
        ),
        (
            Document(id="7", parts=(None, None, "a"), images=(picture(0, 4), picture(1, 4))),
            "document 7: pictures in a row do not fit",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(document: Document, reason: str):
    with pytest.raises(ConfigError, match=reason.replace("|", r"\|")):
        Documents(policy()).examples(document, 10)


def test_a_text_model_takes_no_pictures():
    with pytest.raises(ConfigError, match="takes text alone"):
        Documents(policy("text")).examples(
            Document(id="1", parts=(None, "a"), images=(picture(0),)), 10
        )


def interleaved(of: Policy) -> list[Example]:
    documents = [
        Document(id="1", parts=("ab", None, "cd", None, "e"), images=(picture(0), picture(90, 3))),
        Document(id="2", parts=("abcdefg",)),
        Document(id="3", parts=(None, "xyz", None, "w"), images=(picture(30, 1), picture(60))),
    ]
    return [one for document in documents for one in Documents(of).examples(document, 100)]


def by_hand(of: Policy, example: Example) -> torch.Tensor:
    """log p of each token in the loss, by the model's own forward over this text alone."""
    whole = of.expand((*example.prompt_tokens, *example.response_tokens), example.images)
    inputs = {"input_ids": torch.tensor([whole.tokens]), **whole.features}
    if of.multimodal_positions:
        inputs["position_ids"] = whole.positions[:, None]
    with torch.no_grad():
        logp = of.model(**inputs).logits[0].log_softmax(-1)
    tokens = of.tokenizer.convert_ids_to_tokens(whole.tokens)
    return torch.stack(
        [
            logp[place - 1, token]
            for place, token in enumerate(whole.tokens)
            if place and not tokens[place].startswith("<|")
        ]
    )


@pytest.mark.parametrize("layout", [Bucketed(), Packed(), Shared()], ids=lambda it: it.name)
def test_every_layout_has_the_numbers_of_the_models_own_forward(layout):
    """Two pictures in one document, in each of its places; several documents in a row."""
    of = policy()
    examples = interleaved(of)
    batch = layout.collate(of, examples)
    logp = response_logps(of, batch)
    for row, mask, example in zip(logp, batch.mask, examples, strict=True):
        close(row[mask], by_hand(of, example))


def test_joined_documents_attend_to_those_before_them():
    """As one text, in which only what was learned before is learned."""
    of = policy()
    examples = interleaved(of)
    one = joined(examples)
    assert text_of(of, one) == "".join(text_of(of, example) for example in examples)
    assert len(one.images) == 4
    learned = sum(sum(example.loss_mask) for example in examples)
    assert sum(one.loss_mask) == learned
    alone = response_logps(of, Bucketed().collate(of, examples[1:2]))[0]
    batch = Bucketed().collate(of, [one])
    together = response_logps(of, batch)[0][batch.mask[0]]
    first = sum(examples[0].loss_mask)
    assert (together[first : first + len(alone)] - alone).abs().max() > 1e-3

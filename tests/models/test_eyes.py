"""A text model that gets eyes keeps its words: the same logits for text, and pictures between."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import LlamaConfig, LlamaForCausalLM

from k15.config import ConfigError
from k15.models.documents import Documents
from k15.models.eyes import FLATTENED, IMAGE, Tower, policy_with_eyes
from k15.models.layouts.base import expanded_length
from k15.models.parts import parts_of
from k15.models.tiny import byte_tokenizer, tiny_policy
from k15.types import Document, Problem

TOWER = Tower(
    hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=28
)
CHAT = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] + '\\n' }}"
    "{% endfor %}"
)
"""As many text models' templates: contents are strings, and a list cannot be added to one."""


def llama(folder: Path, tied: bool = True) -> Path:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = CHAT
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=tied,
        initializer_range=0.3,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def asked(*pictures: Image.Image) -> Problem:
    content = [*({"type": "image"} for _ in pictures), {"type": "text", "text": "red?"}]
    return Problem(
        id="1", prompt=({"role": "user", "content": content},), answer="yes", images=pictures
    )


@pytest.mark.parametrize("tied", [True, False])
def test_text_is_said_as_before(tmp_path: Path, tied: bool) -> None:
    folder = llama(tmp_path / "text", tied)
    text = LlamaForCausalLM.from_pretrained(folder)
    seeing = policy_with_eyes(str(folder), tower=TOWER).model.eval()
    ids = torch.tensor([[7, 20, 33, 9]])
    words = text.config.vocab_size
    torch.testing.assert_close(seeing(input_ids=ids).logits[..., :words], text(ids).logits)


def test_a_picture_is_four_tokens_and_is_seen(tmp_path: Path) -> None:
    """28 pixels square in patches of 14: 2 x 2; another picture gives other logits."""
    policy = policy_with_eyes(str(llama(tmp_path / "text")), tower=TOWER)
    red, blue = (Image.new("RGB", (28, 28), colour) for colour in ("red", "blue"))
    tokens = policy.encode(asked(red))
    assert policy.tokenizer.decode(tokens) == f"<user>{IMAGE}red?\n"
    places = [policy.expand(tokens, [picture]) for picture in (red, blue)]
    assert len(places[0].tokens) == len(tokens) + 3
    policy.model.eval()
    seen, other = (
        policy.model(input_ids=torch.tensor([place.tokens]), **place.features).logits
        for place in places
    )
    assert torch.equal(seen[:, :6], other[:, :6])  # <user> in bytes: before the picture
    assert not torch.allclose(seen[:, -1], other[:, -1])


def test_what_was_saved_is_loaded_with_its_eyes(tmp_path: Path) -> None:
    policy = policy_with_eyes(str(llama(tmp_path / "text")), tower=TOWER)
    policy.save(tmp_path / "seeing")
    again = policy_with_eyes(str(tmp_path / "seeing"), tower=Tower())  # its own tower counts
    picture = Image.new("RGB", (90, 40), "green")
    assert again.encode(asked(picture)) == policy.encode(asked(picture))
    for name, weight in policy.model.state_dict().items():
        assert torch.equal(weight, again.model.state_dict()[name]), name


def test_each_part_is_there_and_can_be_trained_alone(tmp_path: Path) -> None:
    parts = parts_of(policy_with_eyes(str(llama(tmp_path / "text")), tower=TOWER).model)
    assert parts.keys() == {"vision", "projector", "language"}
    projector = 32 * 32 + 32 + 32 * 32 + 32  # two layers of width 32 with biases
    assert sum(weight.numel() for weight in parts["projector"]) == projector


def test_a_template_of_parts_writes_the_same_as_its_strings() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = FLATTENED + CHAT
    string, parts = (
        tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
        for content in ("a{b}", [{"type": "text", "text": "a{b}"}])
    )
    assert string == parts == "<user>a{b}\n"


def test_other_families_get_eyes_too(tmp_path: Path) -> None:
    tiny_policy(hidden_size=32, layers=1).save(tmp_path / "text")
    policy = policy_with_eyes(str(tmp_path / "text"), tower=TOWER)
    assert policy.model.config.text_config.model_type == "qwen3"
    policy.model(input_ids=torch.tensor([policy.encode(asked())]))


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"image_size": 50}, r"tower\.image_size=50: must be a multiple of 14"),
        ({"hidden_size": 100}, r"tower\.hidden_size=100: must be a multiple of 3"),
        ({"patch_size": 0}, r"tower\.patch_size=0: must be at least 1"),
        ({"num_hidden_layers": 0}, r"tower\.num_hidden_layers=0: must be at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_named(sizes: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Tower(**sizes)


def test_no_document_begins_with_a_patch(tmp_path: Path) -> None:
    """Four patches and the words behind them; a picture that begins the next piece, too.

    A tokenizer without a begin token: the end token, which closes each text, stands there.
    """
    policy = policy_with_eyes(str(llama(tmp_path / "text")), tower=TOWER)
    end, red = policy.tokenizer.eos_token, Image.new("RGB", (28, 28), "red")
    documents = Documents(policy)
    told = Document(id="1", parts=(None, "red"), images=(red,))
    (example,) = documents.examples(told, 20)
    assert policy.tokenizer.decode(example.prompt_tokens) == end
    assert policy.tokenizer.decode(example.response_tokens) == f"{IMAGE}red{end}"
    assert example.loss_mask == (False, True, True, True, True)
    behind = Document(id="2", parts=("abcdef", None, "gh"), images=(red,))
    first, second = documents.examples(behind, 9)
    assert policy.tokenizer.decode([*first.prompt_tokens, *first.response_tokens]) == "abcdef"
    shown = policy.tokenizer.decode([*second.prompt_tokens, *second.response_tokens])
    assert shown == f"{end}{IMAGE}gh{end}"
    assert expanded_length(policy, second) == 1 + 4 + 3

"""Policies encode, expand pictures, save as Hugging Face folders, and refuse what cannot work."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)

from k15.models.loading import load_policy
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from tests.closeness import close

TASK, PICTURES = Make24(), Make24(modality="image")


def tiny_text() -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=TASK.words)


def logits(policy: Policy, tokens: tuple[int, ...], images=()) -> torch.Tensor:
    expanded = policy.expand(tokens, images)
    with torch.no_grad():
        return policy.model(
            input_ids=torch.tensor([expanded.tokens]),
            position_ids=expanded.positions.unsqueeze(-2),
            **expanded.features,
        ).logits


def test_the_tiny_default_has_115k_parameters() -> None:
    assert sum(p.numel() for p in tiny_text().model.parameters()) == 115_072


def test_words_are_tokens_and_decode_to_the_same_text() -> None:
    policy, problem = tiny_text(), TASK.problem(0)
    response = "<think>+a 27-b 26 no</think>\\boxed{+a-b}"
    tokens = policy.encode_response(response)
    assert policy.decode(tokens) == response
    assert tokens[-1] == policy.tokenizer.eos_token_id
    assert (
        len(tokens)
        == len(["<think>", "+a", 27, "-b", 26, "no", "</think>", "box", "+a", "-b", "}"]) + 1
    )
    assert policy.decode(policy.encode(problem)) == problem.prompt[0]["content"]


def test_bytes_read_any_text() -> None:
    policy = tiny_policy(context=256)
    text = "é √2 \\frac{1}{2}\n"
    assert len(policy.encode_response(text)) == len(text.encode()) + 1
    assert policy.decode(policy.encode_response(text)) == text
    problem = TASK.problem(0)
    assert policy.decode(policy.encode(problem)) == problem.prompt[0]["content"] + "\n"


def test_eyes_leave_the_language_as_it_was() -> None:
    text = tiny_text()
    folder_policy = tiny_policy(words=TASK.words)
    folder_policy.model.load_state_dict(text.model.state_dict())
    from k15.models.tiny import add_vision

    seeing = add_vision(folder_policy)
    tokens = text.encode(TASK.problem(1))
    close(logits(seeing, tokens), logits(text, tokens))


def test_a_picture_becomes_sixteen_visual_tokens_with_its_own_positions() -> None:
    policy = tiny_policy(words=TASK.words, modality="image")
    problem = PICTURES.problem(0)
    tokens = policy.encode(problem)
    image = policy.model.config.image_token_id
    assert tokens.count(image) == 1
    expanded = policy.expand(tokens, problem.images)
    assert expanded.tokens.count(image) == 16  # 28 x 112 pixels in patches of 14
    # positions: <start> 0; 2 rows x 8 columns from 1; then on from 1 + 8
    assert expanded.positions[1, 1:17].tolist() == [1] * 8 + [2] * 8
    assert expanded.positions[2, 1:17].tolist() == [*range(1, 9)] * 2
    assert expanded.positions[:, 17].tolist() == [9] * 3


def test_expanding_equals_the_processor() -> None:
    policy, problem = tiny_policy(words=TASK.words, modality="image"), PICTURES.problem(2)
    text = policy.processor.apply_chat_template(
        list(problem.prompt), tokenize=False, add_generation_prompt=True
    )
    official = policy.processor(text=[text], images=list(problem.images), return_tensors="pt")
    expanded = policy.expand(policy.encode(problem), problem.images)
    assert list(expanded.tokens) == official["input_ids"][0].tolist()
    with torch.no_grad():
        theirs = policy.model(**official).logits
    ours = logits(policy, policy.encode(problem), problem.images)
    close(ours, theirs)


@pytest.mark.parametrize("modality", ["text", "image"])
def test_a_saved_folder_is_plain_hugging_face(tmp_path: Path, modality) -> None:
    policy = tiny_policy(words=TASK.words, modality=modality)
    policy.save(tmp_path)
    auto = AutoModelForCausalLM if modality == "text" else AutoModelForImageTextToText
    (AutoTokenizer if modality == "text" else AutoProcessor).from_pretrained(tmp_path)
    theirs, ours = auto.from_pretrained(tmp_path).state_dict(), policy.model.state_dict()
    assert all(torch.equal(theirs[name], weight) for name, weight in ours.items())
    problem = (TASK if modality == "text" else PICTURES).problem(0)
    again = load_policy(str(tmp_path))
    assert again.encode(problem) == policy.encode(problem)
    assert again.stop_ids == policy.stop_ids == (1,)


def test_a_text_folder_gets_eyes_when_pictures_are_asked_for(tmp_path: Path) -> None:
    text = tiny_text()
    text.save(tmp_path)
    seeing = tiny_policy(str(tmp_path), modality="image")
    tokens = text.encode(TASK.problem(1))
    close(logits(seeing, tokens), logits(text, tokens))


def test_what_cannot_work_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.path='\./absent'"):
        load_policy("./absent")
    policy = tiny_text()
    policy.model.save_pretrained(tmp_path)  # weights without tokenizer
    with pytest.raises(ValueError, match="tokenizer"):
        load_policy(str(tmp_path))
    with pytest.raises(ValueError, match="no image processor"):
        policy.expand((1, 2), PICTURES.problem(0).images)
    seeing = tiny_policy(words=TASK.words, modality="image")
    with pytest.raises(ValueError, match="0 picture placeholders for 1 pictures"):
        seeing.expand((1, 2), PICTURES.problem(0).images)


def test_a_policy_of_another_task_is_refused(tmp_path: Path) -> None:
    tiny_text().save(tmp_path)
    with pytest.raises(ValueError, match="no word ' eleven'"):
        tiny_policy(str(tmp_path), words=(*TASK.words, " eleven"))

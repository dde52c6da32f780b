"""Folders whose tokenizer, chat template, configuration and weights do not fit together: made to
work where it is plain how, else refused in one line with folder, field, value and way out.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from k15.models.loading import load_policy
from k15.models.policy import Policy
from k15.models.tiny import IMAGE, tiny_policy
from k15.tasks.make24 import Make24
from k15.types import Problem
from tests.models.templates import GEMMA, LLAMA, QWEN

TASK, PICTURES = Make24(), Make24(modality="image")
ROWS = 127  # of the embedding: 5 special tokens and 122 words
Edit = Callable[[Path], object]


def text() -> Policy:
    return tiny_policy(words=TASK.words)


def seeing() -> Policy:
    return tiny_policy(words=TASK.words, modality="image")


def loaded(folder: Path, policy: Policy, *edits: Edit) -> Policy:
    policy.save(folder)
    for edit in edits:
        edit(folder)
    return load_policy(str(folder))


def setting(file: str, **values: Any) -> Edit:
    """Change a JSON file of the folder; None takes a field out."""

    def edit(folder: Path) -> None:
        path = folder / file
        content = {**json.loads(path.read_text()), **values}
        kept = {name: value for name, value in content.items() if value is not None}
        path.write_text(json.dumps(kept))

    return edit


def without(pattern: str) -> Edit:
    return lambda folder: [path.unlink() for path in folder.glob(pattern)]


def writing(file: str, content: str) -> Edit:
    return lambda folder: (folder / file).write_text(content)


NO_EOS = setting("tokenizer_config.json", eos_token=None)


def larger_tokenizer() -> Policy:
    policy = text()
    policy.tokenizer.add_tokens([" eleven", " twelve"])
    return policy


def eos_beyond() -> Policy:
    policy = text()
    policy.tokenizer.add_special_tokens({"eos_token": "<end>"})
    return policy


@pytest.mark.parametrize(
    ("policy", "edits", "message"),
    [
        (larger_tokenizer, [],
         rf"tokens up to 128 \(' twelve'\), its embedding has {ROWS} rows .*resize_token_emb"),
        (eos_beyond, [], rf"eos_token in tokenizer_config.json is {ROWS}, which is none of the"),
        (text, [setting("generation_config.json", eos_token_id=9999)],
         rf"eos_token_id in generation_config.json .* is 9999, which is none of the {ROWS} tokens"),
        (text, [setting("generation_config.json", eos_token_id=[1, 9999])], "is 9999, which is"),
        (text, [setting("generation_config.json", eos_token_id=-1)], "is -1, which is none"),
        (text, [setting("generation_config.json", eos_token_id="</s>")], "is '</s>', which is"),
        (text, [setting("config.json", eos_token_id=9999), without("generation*")], "is 9999, whi"),
        (text, [NO_EOS, setting("config.json", eos_token_id=None), without("generation*"),
                writing("chat_template.jinja", "{{ messages[0].content }}")],
         "no end-of-sequence token is configured; set eos_token in tokenizer_config.json"),
        (text, [without("chat_template*")], "no chat template.*add a chat_template.jinja"),
        (text, [writing("chat_template.jinja", "{% for")], "its chat template cannot write a ques"),
        (text, [writing("chat_template.jinja", "{{ raise_exception('no user') }}")], "no user"),
        (seeing, [without("chat_template*")], "no chat template.*add a chat_template.jinja"),
        (seeing, [without("token*")], "its tokenizer knows no tokens; save it beside"),
        (seeing, [without("processor*")], "no usable tokenizer or processor there"),
        (text, [without("config.json")], "its config.json cannot be read"),
        (text, [writing("config.json", "{")], "its config.json cannot be read"),
        (text, [setting("config.json", model_type="nonsense")], "config.json cannot .*nonsense"),
        (text, [without("model.safetensors")], "its weights cannot be read"),
        (text, [writing("model.safetensors", "x")], "its weights cannot be read"),
        (text, [setting("config.json", vocab_size=10)], "its weights cannot be read"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_work_is_refused_by_name(
    tmp_path: Path, policy: Callable[[], Policy], edits: list[Edit], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        loaded(tmp_path, policy(), *edits)
    [line] = str(caught.value).splitlines()
    assert line.startswith(f"model.path='{tmp_path}': ")


def test_a_dtype_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    text().save(tmp_path)
    with pytest.raises(ValueError, match=r"model\.dtype='float99': choose float32"):
        load_policy(str(tmp_path), dtype="float99")


def test_the_configured_end_closes_a_response_where_the_tokenizer_has_none(tmp_path: Path) -> None:
    policy = loaded(tmp_path, text(), NO_EOS)
    assert policy.tokenizer.eos_token_id is None
    assert policy.stop_ids == (1,) and policy.encode_response("no")[-1] == 1


def test_the_end_of_the_tokenizer_comes_before_those_of_the_configuration(tmp_path: Path) -> None:
    edit = setting("generation_config.json", eos_token_id=[7, 1])
    assert loaded(tmp_path, text(), edit).stop_ids == (1, 7)


PHI = (  # the whole conversation ends in another token than a turn
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}<eos>{% endif %}"
)
SPACED = (  # the token comes behind other text
    "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %}"
    "{{ m.content }} \n<eos>{% endif %}{% endfor %}"
)
PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
QUESTIONS = "{{ raise_exception('a question') if messages | length > 1 }}{{ messages[0].content }}"


@pytest.mark.parametrize(
    ("template", "end"),
    [
        (QWEN, "<|im_end|>"),
        (GEMMA, "<end_of_turn>"),
        (LLAMA, "<|eot_id|>"),
        (PHI, "<|end|>"),
        (SPACED, "<eos>"),
    ],
    ids=["qwen", "gemma", "llama", "phi", "spaced"],
)
def test_a_written_response_ends_as_the_template_ends_a_turn(
    tmp_path: Path, template: str, end: str
) -> None:
    """Prompt and response are the template's own conversation, up to the end of the turn; there the
    engine stops, and so do others that take the folder.
    """
    policy = ending(template, end)
    asked = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    asked.append({"role": "user", "content": "1+1?"})
    problem = Problem(id="1", prompt=tuple(asked), answer="2")
    said = {"role": "assistant", "content": "2 <think>"}
    whole = policy.tokenizer.apply_chat_template([*asked, said], tokenize=False)
    whole = whole[: whole.rindex(end) + len(end)]
    tokens = policy.encode(problem) + policy.encode_response("2 <think>")
    assert list(tokens) == policy.tokenizer(whole, add_special_tokens=False)["input_ids"]
    stop = policy.tokenizer.convert_tokens_to_ids(end)
    assert tokens[-1] == policy.stop_ids[0] == stop
    assert set(policy.stop_ids) == {stop, policy.tokenizer.eos_token_id}
    policy.save(tmp_path)
    again = load_policy(str(tmp_path))
    assert again.stop_ids == policy.stop_ids
    listed = again.model.generation_config.eos_token_id
    assert {*policy.stop_ids} == {*(listed if isinstance(listed, list) else [listed])}


@pytest.mark.parametrize("template", [PLAIN, QUESTIONS])
def test_where_the_template_has_no_end_of_a_turn_the_tokenizers_closes(template: str) -> None:
    policy = ending(template)
    assert policy.stop_ids == (policy.tokenizer.eos_token_id,)
    assert policy.encode_response("2") == (*policy.tokenizer("2")["input_ids"], policy.stop_ids[0])


def test_an_end_of_a_turn_beyond_the_embedding_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the end of a turn .* '<end>', is 261, which is none"):
        ending("{{ messages[-1].content }}<end>", "<end>", rows=261)


def ending(template: str, end: str | None = None, rows: int | None = None) -> Policy:
    """A byte-level policy with another template and, where there is one, its token."""
    made = tiny_policy(context=256)
    if end is not None:
        made.tokenizer.add_special_tokens(
            {"additional_special_tokens": [end]}, replace_extra_special_tokens=False
        )
    made.tokenizer.chat_template = template
    made.model.resize_token_embeddings(rows or len(made.tokenizer))
    return Policy(made.model, made.tokenizer)


def test_a_template_that_lies_with_the_tokenizer_serves_the_processor(tmp_path: Path) -> None:
    original = seeing()

    def move(folder: Path) -> None:
        template = (folder / "chat_template.jinja").read_text()
        without("chat_template*")(folder)
        setting("tokenizer_config.json", chat_template=template)(folder)

    policy, problem = loaded(tmp_path / "a", original, move), PICTURES.problem(0)
    assert policy.encode(problem) == original.encode(problem)
    policy.save(tmp_path / "b")
    assert load_policy(str(tmp_path / "b")).encode(problem) == original.encode(problem)


def test_a_special_token_beyond_the_embedding_matters_where_it_is_used(tmp_path: Path) -> None:
    """Gemma 3's text models have such a one: it stands for pictures."""
    policy = text()
    policy.tokenizer.add_special_tokens({"additional_special_tokens": ["<soft>"]})
    policy = loaded(tmp_path, policy)
    assert policy.encode(TASK.problem(0)) == text().encode(TASK.problem(0))
    asked = replace(TASK.problem(0), prompt=({"role": "user", "content": "no<soft>"},))
    with pytest.raises(ValueError, match=rf"problem make24-train-0-0: .*'<soft>' \({ROWS}\), and"):
        policy.encode(asked)


def asking(problem: Problem, *content: Any) -> Problem:
    items = [{"type": "image"} if c is None else {"type": "text", "text": c} for c in content]
    return replace(problem, prompt=({"role": "user", "content": items},))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ((None, f" no{IMAGE}"), f"the placeholder {IMAGE!r} (4) 2 times for 1 pictures"),
        ((f" no{IMAGE}",), "has 0 places for pictures and it has 1 of them"),
        ((None, None, " no"), "has 2 places for pictures and it has 1 of them"),
        ((" no",), "has 0 places for pictures and it has 1 of them"),
    ],
)
def test_a_prompt_with_other_than_a_place_per_picture_is_refused_by_id(content, reason) -> None:
    problem = asking(PICTURES.problem(0), *content)
    message = f"problem {problem.id}: its prompt .*{re.escape(reason)}"
    with pytest.raises(ValueError, match=message):
        seeing().encode(problem)
    with pytest.raises(ValueError, match="has 1 places for pictures and it has 0 of them"):
        seeing().encode(replace(PICTURES.problem(0), images=()))


def test_every_picture_reaches_the_model_on_white_or_is_refused_by_its_size() -> None:
    policy = seeing()
    clear, white = Image.new("RGBA", (28, 28), (0, 0, 0, 0)), Image.new("RGB", (28, 28), "white")
    tokens = policy.encode(PICTURES.problem(0))
    seen, wanted = (policy.expand(tokens, (image,)).features for image in (clear, white))
    assert torch.equal(seen["pixel_values"], wanted["pixel_values"])
    assert policy.length(tokens, (Image.new("RGB", (1, 1)),)) == len(tokens)  # one patch
    with pytest.raises(ValueError, match="refuses a picture of 1 x 1000 pixels"):
        policy.length(tokens, (Image.new("RGB", (1, 1000)),))

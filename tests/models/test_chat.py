"""A question reaches the model whatever form its template writes, and a response keeps its tags."""

import pytest

from k15.config import ConfigError
from k15.models.chat import as_parts
from k15.models.policy import Policy
from k15.models.tiny import IMAGE, byte_tokenizer, tiny_policy
from k15.types import Problem
from tests.models.seeing_classes import model_and_processor, problems

STRINGS = "{% for m in messages %}{{ m.role + ': ' + m.content }}{% endfor %}!"
REPR = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}!"
PARTS = (
    "{% for m in messages %}{{ m.role }}: {% for part in m.content %}{% if part.type == 'text' %}"
    "{{ part.text }}{% endif %}{% endfor %}{% endfor %}!"
)
BOTH = (
    "{% for m in messages %}{{ m.role }}: {% if m.content is string %}{{ m.content }}{% else %}"
    "{% for part in m.content %}{{ part.text }}{% endfor %}{% endif %}{% endfor %}!"
)


def asking(content) -> Problem:
    return Problem(
        id="p7", prompt=({"role": "user", "content": content},), answer="", domain="math"
    )


def with_template(template: str) -> Policy:
    policy = tiny_policy(context=64)
    policy.tokenizer.chat_template = template
    return Policy(policy.model, policy.tokenizer)


@pytest.mark.parametrize("template", [STRINGS, REPR, PARTS, BOTH])
@pytest.mark.parametrize("content", ["1+1?", as_parts("1+1?"), [*as_parts("1+"), *as_parts("1?")]])
def test_a_question_is_written_in_either_form(template, content) -> None:
    policy = with_template(template)
    assert policy.decode(policy.encode(asking(content))) == "user: 1+1?!"


def test_a_processor_whose_template_takes_parts_alone_is_given_parts() -> None:
    policy = Policy(*model_and_processor("llava"))
    assert policy.decode(policy.encode(asking("1+1?"))) == "1+1?:"


def test_a_template_that_leaves_the_question_out_is_refused() -> None:
    with pytest.raises(ConfigError, match="leaves the text of a user's message out"):
        with_template("{% for m in messages %}{{ m.role }}: {% endfor %}")


def test_tags_that_are_special_tokens_are_text_and_other_special_tokens_are_not() -> None:
    tokenizer = byte_tokenizer()
    special = ["<think>", "</think>", "<|turn|>", "<s>", "</s>"]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.bos_token, tokenizer.eos_token = "<s>", "</s>"
    model = tiny_policy(context=64).model
    model.resize_token_embeddings(len(tokenizer))
    policy = Policy(model, tokenizer)
    tokens = policy.encode_response("<s><think>2</think><|turn|>3")
    assert policy.decode(tokens) == "<think>2</think>3"


def test_what_stands_for_a_picture_is_refused_in_a_text() -> None:
    seeing = Policy(*model_and_processor("llava"))
    with pytest.raises(ConfigError, match=r"problem p7: .*'<image>' \(\d+\) 1 times for 0 pict"):
        seeing.encode(asking("what is <image>?"))
    with pytest.raises(ConfigError, match="a response holds '<image>', which stands for pictures"):
        seeing.encode_response("<image>")
    qwen = Policy(*model_and_processor("qwen3_vl"))
    with pytest.raises(ConfigError, match=r"problem p7: .*'<\|video_pad\|>'"):
        qwen.encode(asking("what is <|video_pad|>?"))
    text = tiny_policy(context=64)
    assert text.encode(asking(f"what is {IMAGE}?"))  # a word like any other where nobody sees


def test_one_picture_only_where_several_are_laid_out_in_another_way() -> None:
    policy = Policy(*model_and_processor("llava_onevision"))
    one, _, two, _ = problems()
    assert policy.encode(one)
    with pytest.raises(ConfigError, match="problem 2: it has 2 pictures, and models of the kind"):
        policy.encode(two)

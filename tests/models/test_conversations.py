"""Labels are what assistants say with their turn's end, behind what they would be asked with."""

import pytest
import torch

from k15.callbacks.show import marked
from k15.config import ConfigError
from k15.losses.language import cross_entropy
from k15.models.conversations import examples_of
from k15.models.layouts.bucketed import Bucketed
from k15.models.layouts.packed import Packed
from k15.models.logps import response_predictions
from k15.models.policy import Policy
from k15.types import Example, Problem
from tests.closeness import close
from tests.models.seeing_classes import model_and_processor, pictures
from tests.models.templates import GEMMA, LLAMA, LLAVA, QWEN, THINKING, WITH_SYSTEM, with_template


def turns(*contents):
    roles = ("user", "assistant") * len(contents)
    return [{"role": role, "content": c} for role, c in zip(roles, contents, strict=False)]


def asked(*prompt, images=()) -> Problem:
    return Problem(id="p7", prompt=prompt, answer=None, domain="open", images=images)


def shown(policy: Policy, *contents, images=()) -> list[str]:
    """The sequences of a conversation, with the tokens in the loss between ⟦ and ⟧."""
    question, *others = turns(*contents)
    return [text_of(policy, e) for e in examples_of(policy, asked(question, images=images), others)]


def text_of(policy: Policy, example: Example) -> str:
    mask = example.loss_mask or (True,) * len(example.response_tokens)
    tokens = (*example.prompt_tokens, *example.response_tokens)
    return marked(policy, tokens, (*(False for _ in example.prompt_tokens), *mask))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            QWEN,
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n⟦b<|im_end|>⟧\n"
            "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n⟦d<|im_end|>⟧",
        ),
        (
            GEMMA,
            "<start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\n⟦b<end_of_turn>⟧\n"
            "<start_of_turn>user\nc<end_of_turn>\n<start_of_turn>model\n⟦d<end_of_turn>⟧",
        ),
        (
            LLAMA,
            "<|header|>user<|/header|>\n\na<|eot_id|><|header|>assistant<|/header|>\n\n"
            "⟦b<|eot_id|>⟧<|header|>user<|/header|>\n\nc<|eot_id|>"
            "<|header|>assistant<|/header|>\n\n⟦d<|eot_id|>⟧",
        ),
    ],
    ids=["qwen", "gemma", "llama"],
)
def test_a_conversation_is_one_sequence(template: str, expected: str) -> None:
    assert shown(with_template(template), "a", "b", "c", "d") == [expected]


def test_a_template_without_an_end_of_a_turn_makes_a_sequence_of_each_answer() -> None:
    """In front of LLaVA's words stands the space that its template writes there."""
    policy = Policy(*model_and_processor("llava"))
    policy.processor.chat_template = LLAVA
    policy = Policy(policy.model, policy.processor)
    question = [{"type": "image"}, {"type": "text", "text": "a"}]
    assert shown(policy, question, "b", "c", "d", images=pictures()[:1]) == [
        "USER: <image>\na ASSISTANT:⟦ b<eos>⟧",
        "USER: <image>\na ASSISTANT: b USER: c ASSISTANT:⟦ d<eos>⟧",
    ]


def test_a_picture_of_a_later_turn_begins_a_sequence() -> None:
    """The first one of two is in both; each has the pictures that its prompt shows."""
    policy = Policy(*model_and_processor("qwen3_vl"))
    parts = (
        "{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
        "{{ part.text if part.type == 'text' else '<|image_pad|>' }}{% endfor %}{% endif %}"
    )
    template = QWEN.replace("{{ m.content }}", parts).replace("<|im_end|>", "<eos>")
    policy.processor.chat_template = template
    policy = Policy(policy.model, policy.processor)
    picture = {"type": "image"}
    question, *others = turns([picture], "b", "c", "d", [picture], "f")
    images = tuple(pictures()[:2])
    one, two = examples_of(policy, asked(question, images=images), others)
    assert (one.images, two.images) == (images[:1], images)
    assert text_of(policy, one).count("⟦") == 2 and text_of(policy, two).count("⟦") == 1
    batch = Bucketed().collate(policy, [one, two])
    last = len(two.response_tokens)
    assert tuple(batch.targets[1, :last].tolist()) == two.response_tokens


def test_earlier_thoughts_that_the_template_drops_are_dropped() -> None:
    first, second = shown(
        with_template(THINKING), "a", "<think>x</think>b", "c", "<think>y</think>d"
    )
    assert first.endswith("assistant\n⟦<think>x</think>b<|im_end|>⟧")
    assert "assistant\nb<|im_end|>" in second
    assert second.endswith("assistant\n⟦<think>y</think>d<|im_end|>⟧")


def test_one_sequence_has_the_loss_of_all_its_answers() -> None:
    """The same tokens in the loss, and the same sum, as with each answer behind its own prompt."""
    torch.manual_seed(0)
    policy = with_template(QWEN)
    question, *others = turns("a", "bb", "ccc", "d", "e", "ff")
    [whole] = examples_of(policy, asked(question), others)
    alone = [
        example
        for place in (0, 2, 4)
        for example in examples_of(
            policy, asked(question, *others[:place]), others[place : place + 1]
        )
    ]
    for layout in (Bucketed(), Packed()):
        one, each = (
            terms_of(policy, layout.collate(policy, examples)) for examples in ([whole], alone)
        )
        assert one.count == each.count == 2 + 1 + 2 + 3
        close(one.loss, each.loss)


def terms_of(policy, batch):
    with torch.no_grad():
        return cross_entropy(*response_predictions(policy, batch), batch.mask)


@pytest.mark.parametrize(
    ("template", "prompt", "reason"),
    [
        (GEMMA, ["system", "user"], r"refuses its messages \(no system turn\); leave the system t"),
        (WITH_SYSTEM, ["user"], r".* \(who am I\?\); data\.system=<text> puts a system turn "),
        (LLAVA.replace("user", "x").replace("{% for m in messages %}",
         "{% for m in messages if m.role != 'system' %}"), ["system", "user"],
         "leaves its system turn out; leave"),
    ],
    ids=["none allowed", "one wanted", "dropped"],
)  # fmt: skip
def test_a_system_turn_that_the_template_forbids_wants_or_drops(template, prompt, reason) -> None:
    policy = with_template(template)
    messages = [{"role": role, "content": f"{role}!"} for role in prompt]
    with pytest.raises(ConfigError, match=f"problem p7: the chat template {reason}") as caught:
        policy.encode(asked(*messages))
    assert "model.chat_template=<file>" in str(caught.value)


def test_a_template_that_wants_a_system_turn_works_with_one() -> None:
    policy = with_template(WITH_SYSTEM)
    first, second, answer = [{"role": "system", "content": "s"}, *turns("a", "b")]
    [example] = examples_of(policy, asked(first, second), [answer])
    assert text_of(policy, example).endswith("system: s<|im_end|>user: a<|im_end|>⟦b<|im_end|>⟧")

"""Chat templates as families of models have them, and a byte-level policy with one."""

from k15.models.policy import Policy
from k15.models.tiny import tiny_policy

QWEN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
LLAMA = (
    "{% for m in messages %}<|header|>{{ m.role }}<|/header|>\n\n{{ m.content }}<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|header|>assistant<|/header|>\n\n{% endif %}"
)
LLAVA = (  # contents in parts, words behind a space, and no end of a turn
    "{% for m in messages %}{% if m.role != 'system' %}{{ m.role | upper }}: {% endif %}"
    "{% for part in m.content %}{% if part.type == 'image' %}<image>\n{% endif %}{% endfor %}"
    "{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }} {% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
THINKING = (  # of earlier answers only what stands behind the thought
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] if not "
    "loop.last else m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITH_SYSTEM = (
    "{% if messages[0].role != 'system' %}{{ raise_exception('who am I?') }}{% endif %}"
    "{% for m in messages %}{{ m.role }}: {{ m.content }}<|im_end|>{% endfor %}"
)
TOKENS = ("<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>", "<|eot_id|>")


def with_template(template: str, context: int = 512) -> Policy:
    """A byte-level policy that knows the special tokens of all of them."""
    made = tiny_policy(context=context)
    made.tokenizer.add_special_tokens(
        {"additional_special_tokens": [*TOKENS, "<|header|>", "<|/header|>"]},
        replace_extra_special_tokens=False,
    )
    made.tokenizer.chat_template = template
    made.model.resize_token_embeddings(len(made.tokenizer))
    return Policy(made.model, made.tokenizer)

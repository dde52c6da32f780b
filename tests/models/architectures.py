"""Tiny policies of several architectures, and sequences for them."""

from functools import cache
from random import Random

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.types import Example


def hugging_face(model_type, wordless=0, **sizes):
    """A tiny policy of another architecture: 4 heads that share 2 key-value heads, and a vocabulary
    that is padded by `wordless` rows without a token.
    """
    tokenizer = tiny_policy(words=Make24().words).tokenizer
    sizes |= {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    special = {"vocab_size": len(tokenizer) + wordless, "pad_token_id": 0, "eos_token_id": 1}
    config = AutoConfig.for_model(
        model_type, initializer_range=0.2, bos_token_id=None, **sizes, **heads, **special
    )
    return Policy(AutoModelForCausalLM.from_config(config), tokenizer)


def build(name, wordless=0):
    """Weights are large, so that differences show."""
    torch.manual_seed(0)
    if name in ("qwen2", "llama"):
        return hugging_face(name, wordless)
    if name == "gemma2":  # soft-capped logits, every other layer looks 8 tokens back
        window = {"head_dim": 8, "sliding_window": 8}
        return hugging_face(name, wordless, final_logit_softcapping=2.0, **window)
    modality = "image" if name == "qwen3_vl" else "text"
    policy = tiny_policy(words=Make24().words, modality=modality, initializer_range=0.2)
    if name == "qwen3 eager":
        policy.model.set_attn_implementation("eager")
    return policy


policy_named = cache(build)


@cache
def examples_for(name):
    """Five problems; some tokens, and one whole response, are left out of the loss."""
    task = Make24(modality="image" if name == "qwen3_vl" else "text")
    policy, rng, examples = policy_named(name), Random(0), []
    for index in range(5):
        problem = task.problem(index)
        text = task.demonstrate(problem, rng, max_trials=4, give_up=0.3)
        response = policy.encode_response(text)
        mask = tuple(index != 3 and (index != 1 or token > 4) for token in range(len(response)))
        prompt = policy.encode(problem)
        examples.append(
            Example(
                prompt_tokens=prompt,
                response_tokens=response,
                loss_mask=mask,
                images=problem.images,
            )
        )
    return examples


def own_forward(policy, example, temperature=1.0):
    """[T] by the model's own forward on this sequence alone, positions left to transformers."""
    tokens = (*example.prompt_tokens, *example.response_tokens)
    expanded = policy.expand(tokens, example.images)
    ids = torch.tensor([expanded.tokens])
    kinds = {}
    if example.images:
        kinds["mm_token_type_ids"] = (ids == policy.model.config.image_token_id).int()
    logits = policy.model(input_ids=ids, **expanded.features, **kinds).logits[0]
    first = len(expanded.tokens) - len(example.response_tokens)
    logp = (logits[first - 1 : -1] / temperature).log_softmax(-1)
    return logp.gather(-1, ids[0, first:, None])[:, 0]


def gradients(policy):
    named = policy.model.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}

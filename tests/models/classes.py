"""Tiny models of many transformers classes, made from their configurations with random weights."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24

TOKENIZER = tiny_policy(words=Make24().words).tokenizer
WINDOW = 8  # tokens, shorter than the sequences that are compared
HEADS = {
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "num_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8,
}  # fmt: skip
SIZES = {
    "hidden_size": 32, "n_embd": 32, "d_model": 32, "intermediate_size": 48, "n_inner": 48,
    "ffn_hidden_size": 48, "ffn_dim": 48, "intermediate_size_mlp": 48, "word_embed_proj_dim": 32,
    "num_hidden_layers": 2, "n_layer": 2, "n_layers": 2, "num_layers": 2, **HEADS,
    "max_position_embeddings": 256, "n_positions": 256, "sliding_window": WINDOW,
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16, "n_group": 1,
    "topk_group": 1, "first_k_dense_replace": 1, "q_lora_rank": 16, "kv_lora_rank": 16,
    "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "mamba_d_state": 8,
    "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_expand": 2, "mamba_n_groups": 1, "state_size": 8,
    "rotary_dim": 8, "attention_dropout": 0.0, "hidden_dropout": 0.0, "resid_pdrop": 0.0,
    "embd_pdrop": 0.0, "attn_pdrop": 0.0, "initializer_range": 0.2, "n_shared_experts": 1,
}  # fmt: skip
SPECIAL = {"vocab_size": len(TOKENIZER), "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
LATENT = {"head_dim": 8, "num_key_value_heads": 4}
OWN = {
    "cohere": {"logit_scale": 0.5},
    "cohere2": {"logit_scale": 0.5},
    "deepseek_v2": LATENT,
    "deepseek_v3": LATENT,
    "gemma2": {"final_logit_softcapping": 2.0},
    "granitemoehybrid": {"num_local_experts": 0, "layer_types": ["mamba", "attention"]},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": WINDOW},
    "granite": {"logits_scaling": 2.0, "attention_multiplier": 0.5, "residual_multiplier": 0.5},
    "granitemoe": {"logits_scaling": 2.0},
    "hyperclovax": {"logits_scaling": 0.5},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "mistral": {"sliding_window": None},
    "mixtral": {"sliding_window": None},
    "qwen2": {"use_sliding_window": True, "max_window_layers": 1},
}
TEXT = (
    "afmoe", "apertus", "arcee", "bamba", "bert", "biogpt", "bitnet", "bloom", "codegen", "cohere",
    "cohere2", "ctrl", "deepseek_v2", "deepseek_v3", "doge", "ernie4_5", "ernie4_5_moe", "exaone4",
    "falcon", "falcon_mamba", "flex_olmo", "gemma", "gemma2", "gemma3_text", "glm", "glm4",
    "glm4_moe", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gpt_oss", "gptj", "granite",
    "granitemoe", "granitemoehybrid", "helium", "hunyuan_v1_dense", "hyperclovax", "jamba", "lfm2",
    "llama", "llama4_text", "mamba", "minimax", "minimax_m2", "ministral", "mistral", "mixtral",
    "mpt", "nanochat", "nemotron", "olmo", "olmo2", "olmo3", "olmoe", "opt",
    "persimmon", "phi", "phi3", "phimoe", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next",
    "seed_oss", "smollm3", "stablelm", "starcoder2", "vaultgemma", "xglm",
)  # fmt: skip


def config_of(kind: str) -> PretrainedConfig:
    """Of a text class, by its model_type."""
    known = {*CONFIG_MAPPING[kind]().to_dict(), *CONFIG_MAPPING[kind].attribute_map}
    sizes = {name: size for name, size in SIZES.items() if name in known}
    return CONFIG_MAPPING[kind](**{**sizes, **SPECIAL, **OWN.get(kind, {})})


def model_of(kind: str):
    """With weights so large that differences show; in evaluation mode."""
    torch.manual_seed(0)
    return lively(AutoModelForCausalLM.from_config(config_of(kind)))


def lively(model):
    """Matrices of standard deviation 0.2 where a class starts with smaller ones."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1 and parameter.std() < 0.15:
                parameter.normal_(0, 0.2)
    return model.float().eval()


def policy_of(kind: str) -> Policy:
    return Policy(model_of(kind), TOKENIZER)

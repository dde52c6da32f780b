"""Tiny vision-language models of many classes, with processors made here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import torch
import transformers
from PIL import Image
from transformers import AutoModelForImageTextToText
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from k15.models.policy import Policy
from k15.models.tiny import byte_tokenizer
from k15.types import Example, Problem
from tests.models.classes import lively

PATCH = 7
SIDE = 28  # pixels of a tile: 4 x 4 patches
VISION = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": SIDE, "patch_size": PATCH,
}  # fmt: skip
TEMPLATE = (
    "{% for message in messages %}{% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}:{% endif %}"
)
KINDS = (
    "gemma3", "idefics3", "internvl", "kimi_k25", "llava", "llava with pixtral", "llava_next",
    "llava_onevision", "mistral3", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "smolvlm",
)  # fmt: skip
SIZE = {"height": SIDE, "width": SIDE}


def tokenizer(image: str, *others: str, **named: str) -> Any:
    """Byte-level, with the special tokens of a class, and a template that takes content parts."""
    made = byte_tokenizer()
    made.add_special_tokens({"additional_special_tokens": list(dict.fromkeys([image, *others]))})
    if named:
        made = transformers.PreTrainedTokenizerFast(
            tokenizer_object=made.backend_tokenizer, eos_token=made.eos_token,
            pad_token=made.pad_token, extra_special_tokens=made.extra_special_tokens,
            model_specific_special_tokens=named, clean_up_tokenization_spaces=False,
        )  # fmt: skip
    made.chat_template = TEMPLATE.replace("IMAGE", image)
    return made


def language(kind: str, tokens: Any, **more: Any) -> dict[str, Any]:
    """A text configuration."""
    return {
        "model_type": kind, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "max_position_embeddings": 512, "vocab_size": len(tokens), "pad_token_id": 0,
        "eos_token_id": 1, "bos_token_id": None, "sliding_window": None, **more,
    }  # fmt: skip


def processor_of(name: str, tokens: Any, image_processor: Any, **more: Any) -> Any:
    """With the tokenizer's template."""
    cls = getattr(transformers, name)
    return cls(image_processor, tokens, chat_template=tokens.chat_template, **more)


def llava():
    tokens = tokenizer("<image>")
    images = transformers.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=SIZE)
    sizes = {"patch_size": PATCH, "vision_feature_select_strategy": "default"}
    made = processor_of("LlavaProcessor", tokens, images, num_additional_image_tokens=1, **sizes)
    vision = {"model_type": "clip_vision_model", **VISION}
    return made, {"vision_config": vision, "text_config": language("llama", tokens)}


def llava_next():
    tokens = tokenizer("<image>")
    grid = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    images = transformers.LlavaNextImageProcessor(
        size={"shortest_edge": SIDE}, crop_size=SIZE, image_grid_pinpoints=grid
    )
    sizes = {"patch_size": PATCH, "vision_feature_select_strategy": "default"}
    made = processor_of(
        "LlavaNextProcessor", tokens, images, num_additional_image_tokens=1, **sizes
    )
    vision = {"model_type": "clip_vision_model", **VISION}
    text = language("mistral", tokens)
    return made, {"vision_config": vision, "text_config": text, "image_grid_pinpoints": grid}


def pixtral(kind: str, merge: int):
    tokens = tokenizer("[IMG]", "[IMG_BREAK]", "[IMG_END]")
    images = transformers.PixtralImageProcessor(
        size={"longest_edge": 2 * SIDE},
        patch_size={"height": PATCH * merge, "width": PATCH * merge},
    )
    sizes = {"patch_size": PATCH, "spatial_merge_size": merge}
    made = processor_of("PixtralProcessor", tokens, images, **sizes)
    vision = {"model_type": "pixtral", **VISION, "image_size": 2 * SIDE, "head_dim": 16}
    own = {"vision_feature_select_strategy": "full"} if merge == 1 else {"spatial_merge_size": 2}
    config = {"vision_config": vision, "text_config": language(kind, tokens), **own}
    return made, {**config, "vision_feature_layer": -1}


def llava_onevision():
    tokens = tokenizer("<image>", "<video>")
    grid = [[SIDE, SIDE], [SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    images = transformers.LlavaOnevisionImageProcessor(size=SIZE, image_grid_pinpoints=grid)
    made = processor_of(
        "LlavaOnevisionProcessor", tokens, images, num_image_tokens=16,
        video_processor=transformers.LlavaOnevisionVideoProcessor(),
        vision_feature_select_strategy="full",
    )  # fmt: skip
    vision = {"model_type": "siglip_vision_model", **VISION, "vision_use_head": False}
    text = language("qwen2", tokens)
    config = {"vision_config": vision, "text_config": text, "image_grid_pinpoints": grid}
    return made, {**config, "video_token_id": made.video_token_id}


def internvl():
    names = {
        "start_image_token": "<img>", "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>", "video_token": "<video>",
    }  # fmt: skip
    tokens = tokenizer("<IMG_CONTEXT>", *names.values(), **names)
    images = transformers.GotOcr2ImageProcessor(size=SIZE, crop_to_patches=True, max_patches=3)
    made = processor_of(
        "InternVLProcessor", tokens, images, image_seq_length=4,
        video_processor=transformers.InternVLVideoProcessor(),
    )  # fmt: skip
    vision = {**VISION, "image_size": [SIDE, SIDE], "patch_size": [PATCH, PATCH]}
    return made, {"vision_config": vision, "text_config": language("qwen2", tokens)}


def idefics3():
    tokens = tokenizer("<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>")
    images = transformers.Idefics3ImageProcessor(
        size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}
    )
    made = processor_of("Idefics3Processor", tokens, images, image_seq_len=4)
    text = language("llama", tokens, vocab_size=len(made.tokenizer))
    return made, {"vision_config": VISION, "text_config": text, "scale_factor": 2}


def smolvlm():
    named = {"image_token": "<image>", "fake_image_token": "<fake_token_around_image>"}
    tokens = tokenizer("<image>", *named.values(), "<global-img>", "<video>", **named)
    images = transformers.SmolVLMImageProcessor(
        size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}
    )
    videos = transformers.SmolVLMVideoProcessor()
    made = processor_of("SmolVLMProcessor", tokens, images, video_processor=videos, image_seq_len=4)
    text = language("llama", tokens)
    return made, {"vision_config": VISION, "text_config": text, "scale_factor": 2}


def kimi():
    tokens = tokenizer("<|media_pad|>", "<|kimi_k25_video_placeholder|>")
    images = transformers.Kimi_K25ImageProcessor(
        patch_size=PATCH, size={"max_height": 8, "max_width": 8}
    )
    videos = transformers.Kimi_K25VideoProcessor()
    made = processor_of("Kimi_K25Processor", tokens, images, video_processor=videos)
    latent = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8}
    latent |= {"v_head_dim": 8, "num_key_value_heads": 4}
    experts = {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    experts |= {"n_group": 1, "topk_group": 1, "first_k_dense_replace": 1}
    text = language("deepseek_v3", tokens, **latent, **experts)
    place = {"pos_emb_height": 8, "pos_emb_width": 8}
    sizes = {"projection_hidden_size": 32, "video_token_id": made.video_token_id}
    return made, {"vision_config": {**VISION, **place}, "text_config": text, **sizes}


def gemma3():
    names = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<soft>"}
    tokens = tokenizer("<boi>", *names.values(), **names)
    made = processor_of(
        "Gemma3Processor", tokens, transformers.Gemma3ImageProcessor(size=SIZE), image_seq_length=4
    )
    config = {"vision_config": VISION, "text_config": language("gemma3_text", tokens)}
    return made, {**config, "mm_tokens_per_image": 4}


def qwen(kind: str):
    tokens = tokenizer("<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>")
    tokens.chat_template = TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    images = transformers.Qwen2VLImageProcessor(
        patch_size=PATCH, size={"shortest_edge": SIDE * SIDE, "longest_edge": 9 * SIDE * SIDE}
    )
    name = {"qwen2_vl": "Qwen2VL", "qwen2_5_vl": "Qwen2_5_VL"}.get(kind, "Qwen3VL")
    videos = "Qwen3VLVideoProcessor" if name == "Qwen3VL" else "Qwen2VLVideoProcessor"
    made = processor_of(
        f"{name}Processor", tokens, images, video_processor=getattr(transformers, videos)()
    )
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    text = language(f"{kind}_text", tokens, rope_parameters=rope, **experts)
    vision = {"depth": 2, "num_heads": 2, "patch_size": PATCH, "intermediate_size": 48}
    vision |= {"qwen2_vl": {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}}.get(
        kind, {"hidden_size": 32, "out_hidden_size": 32}
    )
    if kind == "qwen2_5_vl":
        vision |= {"window_size": 4 * PATCH, "fullatt_block_indexes": [1]}
    if name == "Qwen3VL":
        vision |= {"deepstack_visual_indexes": [0], "num_position_embeddings": 16}
    ids = {
        f"{name}_token_id": tokens.convert_tokens_to_ids(f"<|{token}|>")
        for name, token in (("image", "image_pad"), ("video", "video_pad"),
                            ("vision_start", "vision_start"), ("vision_end", "vision_end"))
    }  # fmt: skip
    return made, {"vision_config": vision, "text_config": text, **ids}


MADE: dict[str, Callable[[], tuple[Any, dict[str, Any]]]] = {
    "gemma3": gemma3,
    "idefics3": idefics3,
    "internvl": internvl,
    "llava": llava,
    "llava with pixtral": lambda: pixtral("llama", 1),
    "llava_next": llava_next,
    "llava_onevision": llava_onevision,
    "mistral3": lambda: pixtral("mistral", 2),
    "qwen2_vl": lambda: qwen("qwen2_vl"),
    "qwen2_5_vl": lambda: qwen("qwen2_5_vl"),
    "qwen3_vl": lambda: qwen("qwen3_vl"),
    "qwen3_vl_moe": lambda: qwen("qwen3_vl_moe"),
    "kimi_k25": kimi,
    "smolvlm": smolvlm,
}


def model_and_processor(kind: str) -> tuple[Any, Any]:
    """With random weights, in evaluation mode."""
    torch.manual_seed(0)
    processor, config = MADE[kind]()
    kind = kind.split()[0]
    config.setdefault("image_token_id", processor.image_token_id)
    if kind == "gemma3":
        config["image_token_id"] = processor.tokenizer.convert_tokens_to_ids("<soft>")
    special = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    made = CONFIG_MAPPING[kind](**config, **special)
    return lively(AutoModelForImageTextToText.from_config(made)), processor


def here(kind: str) -> bool:
    """Whether what its processor needs is installed."""
    return kind != "smolvlm" or find_spec("num2words") is not None


def pictures() -> list[Image.Image]:
    """Of noise, of several sizes."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for height, width in ((28, 28), (28, 56), (56, 42)):
        pixels = torch.randint(0, 256, (height, width, 3), generator=generator)
        made.append(Image.fromarray(pixels.numpy().astype("uint8")))
    return made


def problems() -> list[Problem]:
    """With one picture, another one, two of them, none."""
    one, two, three = pictures()
    image, text = {"type": "image"}, {"type": "text", "text": "ab?"}
    contents = (
        ([image, text], (one,)),
        ([text, image], (two,)),
        ([image, text, image, text], (three, one)),
        ("What?", ()),
    )
    return [
        Problem(
            id=str(index), prompt=({"role": "user", "content": content},), images=images,
            answer="", domain="vision",
        )
        for index, (content, images) in enumerate(contents)
    ]  # fmt: skip


def examples_and_inputs(kind: str, plain: Any, processor: Any) -> tuple[list[Example], Callable]:
    """Sequences as k15 encodes them, and what transformers' processor makes of the same text."""
    policy = Policy(plain, processor, fast_norms=False)
    asked = problems()
    if kind == "llava_onevision":  # lays out a picture among several in another way
        asked = [problem for problem in asked if len(problem.images) < 2]
    prompts = {policy.encode(problem): problem for problem in asked}
    responses = ((40, 41, 42, 43), (50, 51, 52, 53, 54, 55), (60, 1))
    examples = [
        Example(prompt_tokens=prompt, response_tokens=responses[i % 3], images=problem.images)
        for prompt, problem in prompts.items()
        for i in range(2)
    ]

    def inputs(tokens: Sequence[int], images: Sequence[Any]) -> dict[str, Any]:
        prompt = next(p for p in prompts if tuple(tokens[: len(p)]) == p)
        text = processor.apply_chat_template(
            [policy.forms.fitted(m) for m in prompts[prompt].prompt],
            tokenize=False, add_generation_prompt=True,
        )  # fmt: skip
        pictured = {"images": list(images)} if images else {}
        made = processor(text=[text], return_tensors="pt", add_special_tokens=False, **pictured)
        made = {
            name: value for name, value in made.items() if "mask" not in name or "pixel" in name
        }
        rest = torch.tensor([tokens[len(prompt) :]], dtype=torch.long)
        made["input_ids"] = torch.cat([made["input_ids"], rest], 1)
        if kind.startswith("qwen"):
            made["mm_token_type_ids"] = (made["input_ids"] == plain.config.image_token_id).int()
        else:
            made.pop("mm_token_type_ids", None)
        return made

    return examples, inputs

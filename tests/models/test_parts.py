"""Tower, projector and decoder are told apart in every class, and stay frozen if they are."""

import pytest

from k15.config import ConfigError
from k15.models.parts import check_parts, freeze_all_but, part_of, parts_of
from tests.models import classes, seeing_classes

KINDS = [kind for kind in seeing_classes.KINDS if seeing_classes.here(kind) and kind != "gemma3"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_language_part_is_the_decoder_and_its_output(kind: str) -> None:
    """As transformers has it; the other two are there, and each block of the tower is in one."""
    model, _ = seeing_classes.model_and_processor(kind)
    parts = parts_of(model)
    assert parts.keys() == {"vision", "projector", "language"}
    decoder = [*model.get_decoder().parameters(), *model.get_output_embeddings().parameters()]
    assert {*parts["language"]} == {*decoder}
    tower = {n.split(".")[1] for n, _ in model.named_parameters() if part_of(n) == "vision"}
    assert len(tower) == 1  # one module of the base model
    widths = {p.shape[0] for p in parts["projector"]}
    assert model.config.get_text_config().hidden_size in widths  # it ends in the decoder's


def test_text_is_all_language() -> None:
    model = classes.model_of("deepseek_v3")
    assert [*parts_of(model)] == ["language"]
    assert check_parts(model, {"vision": 1.0, "language": 2.0}) == {"language": 2.0}
    with pytest.raises(ConfigError, match=r"train=vision: DeepseekV3ForCausalLM has no"):
        check_parts(model, {"vision": 1.0, "projector": 1.0})


def test_what_is_frozen_once_is_not_thawed() -> None:
    model, _ = seeing_classes.model_and_processor("llava")
    first = next(model.get_decoder().parameters()).requires_grad_(False)
    freeze_all_but(model, {"language"})
    trained = {part_of(name) for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"language"} and not first.requires_grad
    with pytest.raises(ConfigError, match=r"module\.train: model\.lora\.modules names no layer"):
        freeze_all_but(model, {"projector"})

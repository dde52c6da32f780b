"""Every class is right in all that k15 does not refuse, and docs/models.md says which.

`python -m tests.models.table` writes the page anew.
"""

import pytest

from k15.config import ConfigError
from k15.models.loading import load_policy
from tests.models import classes, seeing_classes, table


@pytest.mark.parametrize("kind", classes.TEXT)
def test_a_text_class_is_right_or_refused(kind: str) -> None:
    assert table.text_row(kind).kind == kind


@pytest.mark.parametrize("kind", seeing_classes.KINDS)
def test_a_vision_language_class_is_right_or_refused(kind: str) -> None:
    if not seeing_classes.here(kind):
        pytest.skip("pip install num2words")
    assert table.seeing_row(kind).kind == kind


def test_the_page_says_so() -> None:
    assert table.PAGE.read_text() == table.page(), "python -m tests.models.table"


@pytest.mark.parametrize("kind", ["bert", "prophetnet", "llama4_text"])
def test_what_is_right_in_nothing_is_refused_before_weights_are_loaded(kind, tmp_path) -> None:
    classes.config_of(kind).save_pretrained(tmp_path)  # and nothing else
    message = rf"model\.path='{tmp_path}' is of the kind {kind}, and .*; choose another model"
    with pytest.raises(ConfigError, match=message):
        load_policy(str(tmp_path))


def test_a_vision_language_class_that_is_not_known_is_refused_before_weights_are_loaded(
    tmp_path,
) -> None:
    plain, _ = seeing_classes.model_and_processor("gemma3")
    plain.config.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"kind gemma3_text, and of vision-language models k15"):
        load_policy(str(tmp_path))

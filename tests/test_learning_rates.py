"""A number, or one by what is trained: which counts, and what is refused."""

import dataclasses

import pytest

from k15.config import ConfigError
from k15.learning_rates import LearningRates, rate_for, rates_by_part

STAGES = [f.name for f in dataclasses.fields(LearningRates) if f.name != "rl_warmup_steps"]


def rates(**changed) -> LearningRates:
    return LearningRates(**(dict.fromkeys(STAGES, 1e-5) | changed))


def test_there_is_one_for_every_stage() -> None:
    from k15.config import ROOT

    files = {file.stem for file in (ROOT / "stage").glob("*.yaml")}
    assert {*STAGES} == files - {"long2short_merge"}  # which trains nothing


@pytest.mark.parametrize(
    ("rate", "kinds", "taken"),
    [
        (3e-4, ("weights", "text"), 3e-4),
        ({"weights": 1e-6, "adapter": 1e-5}, ("weights", "text"), 1e-6),
        ({"weights": 1e-6, "adapter": 1e-5}, ("adapter", "image"), 1e-5),
        ({"text": 3e-4, "image": 2e-4}, ("weights", "image"), 2e-4),
        ({"weights": None, "text": 3e-4}, ("weights", "text"), 3e-4),  # taken away by a file
    ],
)
def test_the_one_for_the_model_is_taken(rate, kinds, taken) -> None:
    assert rate_for(rate, kinds) == taken


@pytest.mark.parametrize("rate", [{"adapter": 1e-5}, {"weights": 1e-6, "text": 1e-5}])
def test_none_or_two_are_refused(rate) -> None:
    with pytest.raises(ConfigError, match="give one number, or one for weights or text"):
        rate_for(rate, ("weights", "text"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rl": -1e-6}, r"^learning_rates\.rl=-1e-06: must be a number of at least 0"),
        ({"sft": {"weights": 1e-5, "adapter": float("nan")}}, r"learning_rates\.sft\.adapter=nan"),
        ({"sft": {"lora": 1e-4}}, r"learning_rates\.sft\.lora=0.0001: there is no such kind"),
        ({"rl_warmup_steps": -1}, r"learning_rates\.rl_warmup_steps=-1"),
    ],
)
def test_what_is_no_rate_is_refused_by_name(changed, said) -> None:
    with pytest.raises(ConfigError, match=said):
        rates(**changed)


KIND = ("weights", "image")
BY_PART = {"vision": 1e-4, "projector": 1e-3, "language": 2e-5}


@pytest.mark.parametrize(
    ("rate", "train", "found"),
    [
        (1e-3, "all", {"vision": 1e-3, "projector": 1e-3, "language": 1e-3}),
        ({"weights": 1e-3, "adapter": 1.0}, "vision", {"vision": 1e-3, "projector": 1e-3}),
        (1e-3, ["projector", "language"], {"projector": 1e-3, "language": 1e-3}),
        (BY_PART, "all", BY_PART),
        (BY_PART, "projector", {"projector": 1e-3}),
        ({"vision": 1e-4, "language": 0}, "all", {"vision": 1e-4, "projector": 1e-4}),
        ({**BY_PART, "vision": 0}, "all", {"projector": 1e-3, "language": 2e-5}),
    ],
)
def test_each_part_has_its_own_or_is_left_out(rate, train, found) -> None:
    """Left out are those that are frozen; the projector goes with the tower unless it is named."""
    assert rates_by_part(rate, KIND, train) == found
    assert rates(sft=rate) if isinstance(rate, dict) else True


def test_what_a_file_takes_away_is_not_there() -> None:
    """Of one that says all parts, all are there."""
    whole = {**BY_PART, "weights": None, "adapter": None}
    assert rates_by_part(whole, ("weights", "text")) == rates_by_part(BY_PART, ("weights", "text"))


@pytest.mark.parametrize("rate", [{"vision": 1e-4}, {**BY_PART, "text": 1e-4}])
def test_rates_by_part_are_for_all_parts_and_nothing_else(rate) -> None:
    with pytest.raises(ConfigError, match="give one for each of vision, projector, language and"):
        rates_by_part(rate, KIND)
    with pytest.raises(ConfigError, match=r"module\.train=\['tower'\]: choose all, vision, proj"):
        rates_by_part(1e-4, KIND, ["tower"])

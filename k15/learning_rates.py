"""Learning rates go with the model: by stage and by part, checked before any weight is loaded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from k15.config.errors import ConfigError

Rate = float | Mapping[str, float]
"""A number; or one by what is trained, `weights` or `adapter` (LoRA); or by what the model reads,
`text` or `image` (text with pictures); or one for each part of a vision-language model, `vision`,
`projector` and `language`, where 0 freezes a part and the projector goes with the vision tower
unless it is named. One that is None is not said: so a file takes away what another one gives.
"""
Part = Literal["vision", "projector", "language"]
PARTS: tuple[Part, ...] = get_args(Part)
KINDS = ("weights", "adapter", "text", "image", *PARTS)
Trained = str | Sequence[str]
"""all; vision, which is the tower with its projector; projector; language; or several of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRates:
    """AdamW's, of each stage; `rl_warmup_steps` are the optimizer steps of RL in which its own
    rises (the others rise over a share of their steps, `module.warmup`).

    Raises ConfigError for what is no rate, naming field and value.
    """

    pretrain: float | dict[str, float]
    pretrain_text: float | dict[str, float]
    pretrain_vision: float | dict[str, float]
    pretrain_joint: float | dict[str, float]
    cooldown: float | dict[str, float]
    long_context: float | dict[str, float]
    align: float | dict[str, float]
    vision: float | dict[str, float]
    joint: float | dict[str, float]
    sft: float | dict[str, float]
    long_cot_sft: float | dict[str, float]
    reward_model: float | dict[str, float]
    cot_reward_model: float | dict[str, float]
    rl: float | dict[str, float]
    long2short_rejection: float | dict[str, float]
    long2short_dpo: float | dict[str, float]
    long2short_rl: float | dict[str, float]
    rl_warmup_steps: int = 0

    def __post_init__(self) -> None:
        if self.rl_warmup_steps < 0:
            raise ConfigError(
                f"learning_rates.rl_warmup_steps={self.rl_warmup_steps}: must be at least 0"
            )
        for name in self.__dataclass_fields__:
            if name != "rl_warmup_steps":
                check_rate(f"learning_rates.{name}", getattr(self, name))


def check_rate(key: str, rate: Rate) -> None:
    """Raise ConfigError for a rate below 0, or a mapping with a kind that there is not, or with
    rates of some parts only or of parts and kinds.
    """
    by_kind = said(rate) if isinstance(rate, Mapping) else {"": rate}
    for kind, number in by_kind.items():
        name = f"{key}.{kind}".rstrip(".")
        if kind and kind not in KINDS:
            raise ConfigError(f"{name}={number}: there is no such kind; {', '.join(KINDS)} are")
        if isinstance(number, bool) or not isinstance(number, int | float) or not number >= 0:
            raise ConfigError(f"{name}={number!r}: must be a number of at least 0, 1.0e-6 say")
    complete(key, by_kind)


def complete(key: str, given: Mapping[str, float]) -> dict[str, float]:
    """The rates of all parts; empty where they are not given by part.

    Raises ConfigError if one is left out, or if there are others beside them.
    """
    if not given.keys() & {*PARTS}:
        return {}
    rates = {"projector": given.get("vision"), **given}
    if rates.keys() != {*PARTS} or None in rates.values():
        raise ConfigError(
            f"{key}={dict(given)}: give one for each of {', '.join(PARTS)} and "
            "nothing else; 0 freezes a part, and null takes away a rate that another file gives"
        )
    return rates  # type: ignore[return-value]


def said(rate: Mapping[str, float]) -> dict[str, float]:
    """The kinds that have a rate."""
    return {kind: number for kind, number in rate.items() if number is not None}


def rate_for(rate: Rate, kinds: Iterable[str]) -> float:
    """The number for a model of these kinds.

    Raises ConfigError if none of them has one, or several have.
    """
    if not isinstance(rate, Mapping):
        return float(rate)
    given = said(rate)
    found = [given[kind] for kind in kinds if kind in given]
    if len(found) != 1:
        raise ConfigError(
            f"module.learning_rate={dict(rate)}: give one number, or one for {' or '.join(kinds)}"
        )
    return float(found[0])


def rates_by_part(rate: Rate, kinds: Iterable[str], train: Trained = "all") -> dict[Part, float]:
    """The learning rates of the parts that are trained, which are those that `train` names but for
    those with a rate of 0 of their own.

    Raises ConfigError as `rate_for` does, for a part that `train` does not know, and for rates by
    part that leave one out.
    """
    trained = trained_parts(train)
    rates = complete("module.learning_rate", said(rate) if isinstance(rate, Mapping) else {})
    if not rates:
        return dict.fromkeys(trained, rate_for(rate, kinds))
    return {part: float(rates[part]) for part in trained if rates[part]}


def trained_parts(train: Trained) -> list[Part]:
    """The parts that `train` names; raises ConfigError for others."""
    named = {train} if isinstance(train, str) else {*train}
    if not named or named - {"all", *PARTS}:
        raise ConfigError(
            f"module.train={train!r}: choose all, {', '.join(PARTS)}, or a list of these"
        )
    if "vision" in named:
        named.add("projector")
    return [part for part in PARTS if {part, "all"} & named]

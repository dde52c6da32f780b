"""The sizes of an iteration and how its responses are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from k15.engines.protocol import Repetition, Sampling
from k15.sizes import Sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """What an iteration works on, when it ends, and how responses are drawn.

    Raises ValueError for sizes that cannot work, naming field and value.
    """

    sizes: Sizes
    max_response_tokens: int = 128
    """A response is cut here."""
    cut_unfinished: bool = False
    """The iteration ends with `problems_per_iteration` complete groups; what is unfinished then is
    cut where it stands and continued in the next one. Otherwise all that was started is waited for.
    """
    segment_tokens: int | None = None
    """Output tokens per response and iteration (k1.5 §2.6); None: as many as it takes."""
    max_staleness: int | None = 8
    """Iterations after which a group is finished, however long that takes; None: never."""
    overlap: bool = False
    """The next iteration is collected while this one is trained on, from the weights that this one
    starts with: all its tokens are at least one iteration old. For engines that may generate
    `beside_training`.
    """
    overlap_seconds: float = 3600.0
    """How long a training step waits at its end for what is collected meanwhile."""
    oversampling: float = 1.0
    """What is under way, per `problems_per_iteration` groups: in an iteration that waits the groups
    it works on, otherwise the responses that are unfinished at a time. Above 1, more groups end
    while old ones finish.
    """
    temperature: float = 1.0
    top_p: float = 1.0
    repetition: Repetition | None = None
    """When a response counts as repeating itself and is ended; None: never."""
    scoring_threads: int = 1
    """Groups scored at the same time; more than 1 takes rewards that any thread may call."""
    scoring_seconds: float = 3600.0
    """How long the reward of one group is waited for before the run stops."""
    seed: int = 0

    def __post_init__(self) -> None:
        self.sampling()  # says what is wrong with temperature and top_p
        if self.temperature == 0:
            raise ValueError(
                "temperature=0: greedy responses to a problem are all the same, and have no "
                "probability to train on; take a temperature above 0, usually 1"
            )
        for name, least in (
            ("max_response_tokens", 1),
            ("segment_tokens", 1),
            ("max_staleness", 1),
            ("scoring_threads", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name}={value}: must be at least {least}")
        if self.overlap and self.max_staleness == 1:
            raise ValueError(
                "max_staleness=1 with overlap=true: what is collected ahead is one iteration old "
                "before anything is put off; take 2 or more, or null"
            )
        if self.oversampling < 1:
            raise ValueError(
                f"oversampling={self.oversampling}: must be at least 1 (1 turns it off)"
            )

    @property
    def groups_in_flight(self) -> int:
        """Old and new groups that an iteration works on, where it waits for all of them; as many
        groups' responses are unfinished at a time where it does not.
        """
        return math.ceil(self.sizes.problems_per_iteration * self.oversampling)

    def sampling(self) -> Sampling:
        """How tokens are drawn; requests bring their own seeds."""
        return Sampling(temperature=self.temperature, top_p=self.top_p, repetition=self.repetition)

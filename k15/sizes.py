"""The sizes of an RL iteration, checked before any weight is loaded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is sampled and how it is cut for training.

    Raises ValueError for sizes that cannot work, naming field and value.
    """

    problems_per_iteration: int = 64
    """Groups that an iteration works on, before oversampling."""
    samples_per_problem: int = 8
    """k of k1.5 §2.3.2: responses per problem."""
    minibatches_per_iteration: int = 4
    """Optimizer steps per iteration; each sees whole groups."""
    tokens_per_microbatch: int = 4096
    """What goes through the model at once; gradients do not depend on it."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) < 1:
                raise ValueError(f"sizes.{name}={getattr(self, name)}: must be at least 1")
        if self.problems_per_iteration % self.minibatches_per_iteration:
            raise ValueError(
                f"sizes.problems_per_iteration={self.problems_per_iteration} does not divide into "
                f"sizes.minibatches_per_iteration={self.minibatches_per_iteration}; "
                "a minibatch holds whole groups"
            )

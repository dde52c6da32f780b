"""A real Trainer on a fixed experience, as for callbacks."""

from tests.callbacks.conftest import make_policy, run

__all__ = ["make_policy", "run"]

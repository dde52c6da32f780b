"""The sandboxes that run on this machine."""

from tests.sandbox.conftest import backends  # noqa: F401

"""Processes that train one model together: how they start, find and watch each other, and end."""

from k15.ranks.start import start
from k15.ranks.together import together

__all__ = ["start", "together"]

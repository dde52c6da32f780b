"""Runs: their folders, how they follow each other, how they are saved and resumed."""

from k15.runs.chain import stages_to_run, weights_fingerprint
from k15.runs.folders import opened, stage

__all__ = ["opened", "stage", "stages_to_run", "weights_fingerprint"]

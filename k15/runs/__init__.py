"""Runs: their folders, how they follow each other and how they are resumed."""

from k15.runs.chain import stages_to_run, weights_fingerprint
from k15.runs.folders import save, stage, unused_folder

__all__ = ["save", "stage", "stages_to_run", "unused_folder", "weights_fingerprint"]

"""A benchmark that asks what is trained on is named before training."""

import json
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from k15.callbacks.overlap import BenchmarkOverlap
from k15.evaluation.benchmarks.math import MathBenchmark
from k15.problems.record_source import RecordSource


def test_shared_questions_are_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """100 questions of which one in ten is held out; the benchmark asks them all, spaced otherwise,
    and without the instruction.
    """
    train, other, apart = (tmp_path / f"{name}.jsonl" for name in ("train", "other", "apart"))
    for file, form in ((train, "What is {0}+{0}?"), (other, "What is  {0}+{0}? "), (apart, "{0}?")):
        rows = [{"id": n, "problem": form.format(n), "answer": 2 * n} for n in range(100)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = RecordSource(str(train), instruction="Box it.")
    benchmarks = {file.stem: MathBenchmark(str(file), name=file.stem) for file in (other, apart)}
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    BenchmarkOverlap(source, benchmarks).on_fit_start(trainer, None)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"warning: benchmark other asks {len(source.train)} questions that are")
    assert line.endswith(f": {', '.join(sorted(p.id for p in source.train)[:5])}, ...")

"""Every configs/benchmark/*.yaml composes under evaluate.py, builds, and says what it measures."""

import pytest

from k15.config import ROOT, ConfigError, build, load
from k15.evaluation.benchmark import Benchmark

FILES = sorted((ROOT / "benchmark").glob("*.yaml"))
ASKING = ("limit", "samples", "temperature", "top_p", "max_response_tokens", "pass_at")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_benchmark_builds(file) -> None:
    config = load("evaluate", [f"benchmark={file.stem}"])
    node = config.benchmark[file.stem]
    assert config.prompting  # a benchmark says how it is usually asked
    benchmark = build(node)
    assert isinstance(benchmark, Benchmark)
    assert benchmark.name == file.stem or file.stem == "task"
    for key in ASKING:  # all of them are visible, and are what the benchmark has
        value = getattr(benchmark, key)
        assert (list(value) if isinstance(value, tuple) else value) == node[key], key


def test_aime_is_averaged_over_eight_runs() -> None:
    """k1.5 §3."""
    for year in (2024, 2025):
        node = load("evaluate", [f"benchmark=aime{year}"]).benchmark[f"aime{year}"]
        assert (node.samples, list(node.majority_at)) == (8, [8])
        assert node.temperature > 0


def test_the_windows_of_livecodebench_are_those_of_the_report() -> None:
    """k1.5 App. C: v4 24.08 to 24.11 for short, v5 24.12 to 25.02 for long responses."""
    windows = []
    for version in ("v4", "v5"):
        node = load("evaluate", [f"benchmark=livecodebench_{version}"]).benchmark
        windows.append([node[f"livecodebench_{version}"][key] for key in ("first", "last")])
    assert windows == [["2024-08-01", "2024-11-30"], ["2024-12-01", "2025-02-28"]]


def test_a_mistyped_setting_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"did you mean benchmark\.math500\.samples\?"):
        load("evaluate", ["benchmark=math500", "benchmark.math500.sampels=3"])

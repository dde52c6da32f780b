"""Scores for a terminal: aligned text, in blocks where it is too narrow for all columns."""

from __future__ import annotations

import math
import shutil
import unicodedata
from collections.abc import Sequence
from typing import Any

GAP = "  "


def scores_table(results: dict[str, Any], width: int | None = None) -> str:
    """One line per benchmark and way of prompting; shares in per cent.

    `width` in columns is the terminal's unless given.
    """
    scores = results["scores"]
    ks = sorted({name for score in scores for name in score["metrics"] if "@" in name}, key=by_k)
    head = ["benchmark", "prompting", "problems", "accuracy", "95 %", *ks]
    head += ["tokens", "p95", "cut %", "per 1k"]
    broken = any(score["ungraded"] for score in scores)
    rows = [score_row(score, ks) + ([str(score["ungraded"])] if broken else []) for score in scores]
    return columns([*head, "ungraded"] if broken else head, rows, labels=2, width=width)


def by_k(name: str) -> tuple[str, int]:
    """pass@2 before pass@10, all pass before maj."""
    kind, _, k = name.partition("@")
    return "" if kind == "pass" else kind, int(k)


def score_row(score: dict[str, Any], ks: Sequence[str]) -> list[str]:
    """The cells of one score."""
    metrics = score["metrics"]
    accuracy = metrics.get("accuracy", {})
    asked = f"{score['problems']:,}" + (f" x {score['samples']}" if score["samples"] > 1 else "")
    if score["questions"] < score["problems"]:
        asked += f" ({score['questions']:,} different)"
    cells = [score["benchmark"], score["prompting"], asked, percent(accuracy.get("value"))]
    cells.append(interval(accuracy))
    cells += [percent(metrics.get(name, {}).get("value")) for name in ks]
    cells += [number(metrics.get(name), ",.0f") for name in ("tokens_mean", "tokens_p95")]
    cells.append(percent(metrics.get("truncated")))
    return [*cells, number(metrics.get("score_per_1k_tokens"), ".3f")]


def groups_table(results: dict[str, Any], width: int | None = None) -> str:
    """Accuracy by group of problems; empty if no benchmark has groups."""
    rows = [
        [
            score["benchmark"],
            score["prompting"],
            key,
            value,
            f"{entry['problems']:,}",
            percent(entry["accuracy"]["value"]),
            interval(entry["accuracy"]),
        ]
        for score in results["scores"]
        for key, values in score["groups"].items()
        for value, entry in values.items()
    ]
    head = ["benchmark", "prompting", "by", "group", "problems", "accuracy", "95 %"]
    return columns(head, rows, labels=4, width=width) if rows else ""


def found_lines(results: dict[str, Any]) -> str:
    """Where the answers of each score were found; empty if nothing had to be found."""
    lines = (
        f"{score['benchmark']}, {score['prompting']}: "
        + ", ".join(f"{count:,} {rule}" for rule, count in score["found"].items())
        for score in results["scores"]
        if score["found"]
    )
    text = "\n  ".join(lines)
    return f"answers found:\n  {text}" if text else ""


def comparison_table(comparison: dict[str, Any], width: int | None = None) -> str:
    """Each run against the first; differences in points, with interval and p-value."""
    head = ["benchmark", "prompting", "run", "problems", "accuracy", "against", "points", "95 %"]
    head += ["p", "better", "worse", "tokens", "against"]
    rows = [
        [
            pair["benchmark"],
            " / ".join(dict.fromkeys(pair["prompting"])),
            pair["runs"][1],
            f"{pair['problems']:,}",
            percent(pair["accuracy"][1]),
            percent(pair["accuracy"][0]),
            f"{rounded(pair['difference']['value']):+.1f}",
            interval(pair["difference"], sign="+"),
            p_value(pair["p_value"]),
            f"{pair['better']:,}",
            f"{pair['worse']:,}",
            f"{pair['tokens_mean'][1]:,.0f}",
            f"{pair['tokens_mean'][0]:,.0f}",
        ]
        for pair in comparison["pairs"]
    ]
    table = columns(head, rows, labels=3, width=width)
    return f"against {comparison['runs'][0]}:\n{table}"


def percent(share: float | None) -> str:
    """A share in per cent."""
    return "-" if share is None else f"{rounded(share):.1f}"


def rounded(share: float) -> float:
    """Per cent to one place, a half upwards as in the report."""
    return math.floor(1000 * share + 0.5 + 1e-9) / 10


def number(value: float | None, form: str) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else format(value, form)


def interval(estimate: dict[str, float | None], sign: str = "") -> str:
    """The bounds in per cent."""
    low, high = estimate.get("low"), estimate.get("high")
    if low is None or high is None:
        return "-"
    return f"{rounded(low):{sign}.1f} .. {rounded(high):{sign}.1f}"


def p_value(value: float) -> str:
    """Three places, and no 0."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def columns(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, labels: int, width: int | None = None
) -> str:
    """Text aligned in columns, the first `labels` to the left and the others to the right.

    What does not fit beside the labels goes into a further block with the labels again; a block has
    one such column at least.
    """
    width = width or shutil.get_terminal_size().columns
    table = [list(head), *(list(row) for row in rows)]
    sizes = [max(cells(row[at]) for row in table) for at in range(len(head))]
    blocks = split(sizes, labels, width)
    lines = [
        [
            GAP.join(pad(row[at], sizes[at], left=at < labels) for at in shown).rstrip()
            for row in table
        ]
        for shown in blocks
    ]
    return "\n\n".join("\n".join(block) for block in lines)


def split(sizes: Sequence[int], labels: int, width: int) -> list[list[int]]:
    """Column numbers of each block."""
    fixed = list(range(labels))
    blocks = [fixed.copy()]
    for at in range(labels, len(sizes)):
        shown = [*blocks[-1], at]
        used = sum(sizes[i] for i in shown) + len(GAP) * (len(shown) - 1)
        if used > width and len(blocks[-1]) > labels:
            blocks.append([*fixed, at])
        else:
            blocks[-1] = shown
    return blocks


def cells(text: str) -> int:
    """Columns a text takes in a terminal: wide characters two, combining ones none."""
    return sum(cell(character) for character in text)


def cell(character: str) -> int:
    """Columns of one character."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, size: int, *, left: bool) -> str:
    """The text filled up with spaces."""
    space = " " * (size - cells(text))
    return text + space if left else space + text

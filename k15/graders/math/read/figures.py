r"""Points, segments, angles and other figures by the letters of their corners: `\triangle ABC`."""

from __future__ import annotations

import re

from k15.graders.math.read.kinds import Figure
from k15.graders.math.read.tokens import TEXT

KINDS = {
    "\\triangle": "triangle",
    "\\angle": "angle",
    "\\overline": "segment",
    "\\overleftrightarrow": "line",
    "\\overrightarrow": "vector",
    "\\vec": "vector",
    "\\widehat": "arc",
    "\\odot": "circle",
    "\\square": "quadrilateral",
    "\\parallelogram": "quadrilateral",
    "\\measuredangle": "angle",
    "triangle": "triangle",
    "angle": "angle",
    "segment": "segment",
    "line": "line",
    "line segment": "segment",
    "ray": "vector",
    "arc": "arc",
    "circle": "circle",
    "quadrilateral": "quadrilateral",
    "三角形": "triangle",
    "角": "angle",
    "线段": "segment",
    "直线": "line",
    "四边形": "quadrilateral",
}
CORNERS = r"\{?\s*((?:[A-Z]'*(?:_\{?\d\}?)?)+|\d)\s*\}?"
FIGURE = re.compile(rf"(?:{TEXT}\{{\s*)?(\\?[^\W\d_]+?(?: [a-z]+)?)\s*\}}?\s*{CORNERS}")
SIDES = re.compile(r"(.+?)\\(parallel|perp)(?![A-Za-z])(.+)")
CORNER = re.compile(r"[A-Z]'*(?:_\{?\d\}?)?|\d")


def figure_of(text: str) -> Figure | None:
    r"""`\overline{AB}`, `\text{triangle }ABC`, `线段AB`; None for anything else."""
    if sides := SIDES.fullmatch(text):
        ends = ["".join(sorted(CORNER.findall(side))) for side in (sides[1], sides[3])]
        return Figure(sides[2], tuple(sorted(ends)))
    found = FIGURE.fullmatch(text)
    kind = KINDS.get(found[1].lower() if found[1][0] != "\\" else found[1]) if found else None
    if found is None or kind is None or (found[2].isdigit() and kind != "angle"):
        return None
    return Figure(kind, in_order(kind, CORNER.findall(found[2])))


def in_order(kind: str, corners: list[str]) -> tuple[str, ...]:
    """The corners in the one order that stands for all in which the same figure may be named.

    A segment, a line, an arc and a triangle have any; an angle two, with its vertex in the middle;
    a quadrilateral those along its sides; a vector just one.
    """
    if kind == "vector":
        return tuple(corners)
    if kind == "angle":
        return tuple(min(corners, corners[::-1]))
    if kind == "quadrilateral":
        turns = [corners[turn:] + corners[:turn] for turn in range(len(corners))]
        return tuple(min(turns + [turn[::-1] for turn in turns]))
    return tuple(sorted(corners))

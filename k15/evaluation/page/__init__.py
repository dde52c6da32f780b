"""One self-contained HTML file from the assets beside this file and the data to show.

    page.html     the frame            theme.js    light and dark
    page.css      how it looks         dom.js      elements, numbers, text with formulas
    scores.js     tables of scores     scatter.js, histograms.js    charts
    comparison.js runs side by side    filters.js, browser.js       single samples
    main.js       puts them into the frame

Nothing is loaded from anywhere: the file's content security policy allows its own script by hash
and pictures out of the file, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

SCRIPTS = (
    "theme.js",
    "dom.js",
    "scores.js",
    "comparison.js",
    "scatter.js",
    "histograms.js",
    "filters.js",
    "browser.js",
    "main.js",
)


def render(title: str, data: Mapping[str, Any]) -> str:
    """The page; `data` is what `k15.evaluation.report.page_data` makes."""
    script = '"use strict";\n' + "\n".join(asset(name) for name in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "title": html.escape(title),
        "script_hash": digest,
        "style": asset("page.css"),
        "data": embedded(data),
        "script": script,
    }
    first, *rest = asset("page.html").split("{{")
    return first + "".join(fill(piece, parts) for piece in rest)


def fill(piece: str, parts: Mapping[str, str]) -> str:
    """A piece of the frame that begins with the name of a part."""
    name, _, text = piece.partition("}}")
    return parts[name] + text


def asset(name: str) -> str:
    """The text of a file beside this one."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def embedded(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element it stands in, nor open a comment in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("</", "<\\/").replace("<!", "\\u003c!")

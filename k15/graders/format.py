"""The shape of a response: thoughts first, then an answer in a box."""

from __future__ import annotations

from k15.graders.math.extract.boxes import last_box

OPEN, CLOSE = "<think>", "</think>"


def thinks_then_boxes(text: str) -> bool:
    r"""Whether a text is `<think>...</think>...\boxed{...}...` with one block of thoughts.

    White space may stand before it. Neither the thoughts nor the box may be empty, and the box is
    the last one, as for the verifier.
    """
    thoughts, closed, answer = text.strip().partition(CLOSE)
    opened = thoughts.startswith(OPEN) and closed and text.count(OPEN) == text.count(CLOSE) == 1
    if not opened or not thoughts.removeprefix(OPEN).strip():
        return False
    box = last_box(answer)
    return box is not None and bool(box.strip())

"""What a reward model's run achieved: held-out accuracy before and after, and `summary.json`."""

from __future__ import annotations

import json
from typing import Any

from k15.callbacks.summary import Summary


class JudgeSummary(Summary):
    """Writes `summary.json` with `held_out.accuracy_{before,after}`, `held_out.judgements`,
    `seconds`, `cpu_seconds` and `seed`.
    """

    def report(self, problems: int) -> None:
        """Write the file and print the table."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        file = self.run_dir / "summary.json"
        file.write_text(json.dumps(self.summary(problems), indent=2) + "\n")
        print(f"{self.table()}\nin {self.run_dir}: summary.json, model/")

    def summary(self, problems: int) -> dict[str, Any]:
        """The run in a few numbers."""
        before, after = self.history[0], self.history[-1]
        held_out: dict[str, float] = {"judgements": problems}
        held_out["accuracy_before"] = before["val/accuracy"]
        for name in sorted(after.keys() - {"iteration"}):
            held_out[f"{name.removeprefix('val/')}_after"] = after[name]
        return {"held_out": held_out, **self.clock(), "seed": self.seed}

"""The report's figures in miniature: python -m k15.figures fig9.

Runs of train.py and evaluate.py that are missing are made, three seeds of each; what is there is
not made again, and a run that was stopped goes on. Then <outputs>/figures/<name>.png is drawn, the
report's finding beside ours.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from k15.exits import exit_on_error
from k15.figures.figure import Figure
from k15.figures.runs import Folders, make

THERE = sorted(file.stem for file in Path(__file__).parent.glob("fig[0-9]*.py"))


@exit_on_error()
def main() -> None:
    """The command."""
    command = argparse.ArgumentParser(prog="python -m k15.figures", description=__doc__)
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_argument(
        "figures", nargs="+", choices=THERE, metavar="figure", help=" ".join(THERE)
    )
    command.add_argument("--outputs", type=Path, default=Path("outputs"))
    command.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    command.add_argument("--workers", type=int, default=2, help="seeds that are run side by side")
    asked = command.parse_args()
    for name in asked.figures:
        figure: Figure = import_module(f"k15.figures.{name}").FIGURE
        folders = Folders(asked.outputs, figure.runs())
        make(folders, asked.seeds, asked.workers)
        print(figure.write(folders, asked.seeds), flush=True)


if __name__ == "__main__":
    main()

"""Measure a model: python evaluate.py model.path=FOLDER benchmark=math500 [key=value ...].

--help lists the groups and choices, --cfg prints the composed configuration; neither loads torch.
"""

import sys
from collections.abc import Sequence

from k15.config import load
from k15.exits import exit_on_error


@exit_on_error()
def main(argv: Sequence[str]) -> None:
    """Run the benchmarks, or set finished runs side by side; print the scores."""
    config = load("evaluate", argv)
    from k15.evaluation import run

    print(run.compare(config) if config.compare is not None else run.evaluate(config))


if __name__ == "__main__":
    main(sys.argv[1:])

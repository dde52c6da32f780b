r"""Why a response is right or wrong:

python -m k15.graders.math '1/2' 'So the answer is **0.5**.' --extraction free
python -m k15.graders.math '\frac12' - < response.txt
"""

from __future__ import annotations

import argparse
import sys
from typing import get_args

from k15.graders.base import GraderFailure
from k15.graders.math.explain import explained
from k15.graders.math.verifier import Extraction, MathVerifier


def main() -> int:
    """Print the steps; the status is 0 for right, 1 for wrong, 2 for a gold that is none."""
    parser = argparse.ArgumentParser(prog="python -m k15.graders.math")
    parser.add_argument("gold", help="the reference answer")
    parser.add_argument("response", help="what is graded; - reads it from standard input")
    parser.add_argument("--extraction", choices=get_args(Extraction), default="boxed")
    asked = parser.parse_args()
    response = sys.stdin.read() if asked.response == "-" else asked.response
    verifier = MathVerifier(workers=1, extraction=asked.extraction)
    try:
        for name, text in explained(verifier, asked.gold, response):
            print(f"{name:<10} {text}".rstrip())
            right = (name, text) == ("verdict", "right")
    except (ValueError, GraderFailure) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        verifier.close()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())

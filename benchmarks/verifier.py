"""How many answers per CPU-second are verified: k15 against math-verify alone.

    python benchmarks/verifier.py --data math_train.jsonl   # lines with "answer"; 5 minutes

One run, both sides in turn, the same pairs: reference answers of the file, each against itself,
against other spellings of it (spaces, \\dfrac, decimals, terms in another order) and against wrong
answers. CPU seconds are those of this process and of k15's workers together, after both are warm;
caches are empty at the start of each repetition. Linux only: it reads /proc.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import logging
import re
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from math_verify import parse, verify

from k15.graders.math.compare.exact import rational
from k15.graders.math.normalise import normalise
from k15.graders.math.read.answers import read, split
from k15.graders.math.verifier import MathVerifier

REPETITIONS = 5
Pair = tuple[str, str, bool]  # answer, gold, whether they are the same


def spaced(answer: str) -> str:
    return re.sub(r"([-+=,])", r" \1 ", answer)


def with_dfrac(answer: str) -> str:
    return answer.replace(r"\frac", r"\dfrac")


def as_decimal(answer: str) -> str:
    value = rational(normalise(answer))
    return answer if value is None else f"{float(value):.10f}"


def reordered(answer: str) -> str:
    parts = split(answer, "+")
    simple = not re.search(r"[=<>,]|\\[lg]e|\\begin|\\text|\\cup", answer)
    return "+".join([*parts[1:], parts[0]]) if simple and len(parts) > 1 else answer


def wrong(answer: str) -> str:
    """The last digit one higher; a bracket turned, a word changed where there is no digit."""
    if digits := list(re.finditer(r"\d", answer)):
        place = digits[-1].start()
        return f"{answer[:place]}{(int(answer[place]) + 1) % 10}{answer[place + 1 :]}"
    return rf"{answer} + 1" if "text" not in answer else r"\text{none of these}"


RIGHT: tuple[Callable[[str], str], ...] = (str, spaced, with_dfrac, as_decimal, reordered)


def pairs_of(answers: Sequence[str], number: int) -> list[Pair]:
    """Two in six are wrong, the others evenly of the right kinds."""
    rng = Random(0)
    pairs: list[Pair] = []
    for gold in rng.sample(list(answers), number):
        if rng.random() < 1 / 3:
            pairs.append((wrong(gold), gold, False))
        else:
            pairs.append((rng.choice(RIGHT)(gold), gold, True))
    return pairs


def ours(verifier: MathVerifier, pairs: Sequence[Pair]) -> list[bool]:
    return [verifier.verify(rf"\boxed{{{answer}}}", gold).correct for answer, gold, _ in pairs]


def theirs(_: MathVerifier, pairs: Sequence[Pair]) -> list[bool]:
    return [
        verify(
            parse(rf"\boxed{{{gold}}}", parsing_timeout=None),
            parse(rf"\boxed{{{answer}}}", parsing_timeout=None),
            timeout_seconds=None,
        )
        for answer, gold, _ in pairs
    ]


def cpu_seconds() -> float:
    """Of this process, of its children that have ended and of those that live."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(pairs: Sequence[Pair]) -> dict[str, list[float]]:
    """Verifications per CPU-second of both sides, in turn."""
    speeds: dict[str, list[float]] = {"k15": [], "math-verify": []}
    for repetition in range(REPETITIONS):
        for name, side in (("k15", ours), ("math-verify", theirs)):
            verifier = MathVerifier(workers=1)
            verifier.start()
            side(verifier, pairs[:20])
            read.cache_clear()
            start = cpu_seconds()
            verdicts = side(verifier, pairs)
            speeds[name].append(len(pairs) / (cpu_seconds() - start))
            verifier.close()
            if repetition == 0:
                report_rates(name, pairs, verdicts)
    return speeds


def report_rates(name: str, pairs: Sequence[Pair], verdicts: Sequence[bool]) -> None:
    found = {
        same: [v for v, p in zip(verdicts, pairs, strict=True) if p[2] == same]
        for same in (True, False)
    }
    print(
        f"  {name:12} {sum(found[True])} of {len(found[True])} right ones accepted, "
        f"{sum(found[False])} of {len(found[False])} wrong ones"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help='lines of JSON with "answer"')
    parser.add_argument("--pairs", type=int, default=1000)
    arguments = parser.parse_args()
    logging.disable()
    lines = arguments.data.read_text().splitlines()
    answers = [json.loads(line)["answer"] for line in lines]
    for title, chosen in (
        ("all answers", answers),
        ("those that are no plain number", [a for a in answers if rational(normalise(a)) is None]),
    ):
        pairs = pairs_of(chosen, min(arguments.pairs, len(chosen)))
        print(f"{title}: {len(pairs)} pairs, {REPETITIONS} repetitions")
        speeds = measure(pairs)
        for name, values in speeds.items():
            median = statistics.median(values)
            spread = f"{min(values):,.0f} - {max(values):,.0f}"
            print(f"  {name:12} {median:8,.0f} per CPU-second ({spread})")
        ratios = [a / b for a, b in zip(*speeds.values(), strict=True)]
        print(
            f"  k15 / math-verify: {statistics.median(ratios):.1f} "
            f"({min(ratios):.1f} - {max(ratios):.1f})\n",
            flush=True,
        )


if __name__ == "__main__":
    main()

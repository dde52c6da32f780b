"""How fast programs start in a sandbox, beside a bare Python subprocess without any protection.

    python benchmarks/sandbox.py               half a minute; --help lists the options

Every side starts the Python program `pass`, again and again, by turns, in one run: the bare side is
`python -I -S -c pass` with this interpreter. Start-up latency is the time until the outcome of one
program is there, with one thread; starts per second are counted with 1 and with 4 threads. CPU time
per start is that of this process and of all processes it has waited for, the sandbox's among them,
less what opening and closing the sandbox takes. Ratios are taken within a round, to the bare side
of the same round: what else the machine does falls on both. The median over the rounds is given,
and the least and greatest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import Input, Program, Sandbox

NOTHING = Program(source="pass")
Side = Callable[[int], None]
"""Starts so many programs one after the other."""


def bare(count: int) -> None:
    for _ in range(count):
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)


def inside(sandbox: Sandbox) -> Side:
    def start(count: int) -> None:
        for outcome in sandbox.run(NOTHING, [Input()] * count):
            if outcome.cause != "ok":
                raise RuntimeError(f"a program did not run: {outcome}")

    return start


def open_sandboxes() -> Mapping[str, Sandbox]:
    """Those that start on this machine."""
    sandboxes: dict[str, Sandbox] = {"local": LocalSandbox()}
    for sandbox in sandboxes.values():
        sandbox.start()
    return sandboxes


def starts_per_second(side: Side, starts: int, threads: int) -> float:
    with ThreadPoolExecutor(threads) as pool:
        begin = time.perf_counter()
        list(pool.map(side, [starts // threads] * threads))
        return starts // threads * threads / (time.perf_counter() - begin)


def latencies_ms(side: Side, starts: int) -> list[float]:
    times = []
    for _ in range(starts):
        begin = time.perf_counter()
        side(1)
        times.append((time.perf_counter() - begin) * 1e3)
    return sorted(times)


def show(name: str, unit: str, values: list[float], reference: list[float]) -> None:
    ratios = [value / other for value, other in zip(values, reference, strict=True)]
    print(
        f"  {name:24} {median(values):8.1f} {unit}"
        f"   x {median(ratios):.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def measure(sides: Mapping[str, Side], rounds: int, starts: int) -> None:
    for side in sides.values():
        starts_per_second(side, 8, 4)  # as many jails as are needed
    print(f"{rounds} rounds of {starts} starts, {os.cpu_count()} processors; x: ratio to bare")
    for threads in (1, 4):
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, side in sides.items():
                rates[name].append(starts_per_second(side, starts, threads))
        print(f"starts per second, {threads} threads" if threads > 1 else "starts per second")
        for name, values in rates.items():
            show(name, "/s", values, rates["bare"])
    taken: dict[str, list[list[float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            taken[name].append(latencies_ms(side, starts))
    for label, at in (("median", 0.5), ("10th percentile", 0.1)):
        print(f"start-up latency, {label}")
        picked = {n: [times[int(len(times) * at)] for times in runs] for n, runs in taken.items()}
        for name, values in picked.items():
            show(name, "ms", values, picked["bare"])


def measure_cpu(sandboxes: Mapping[str, Sandbox], rounds: int, starts: int) -> None:
    """Closes the sandboxes: their processes have to be waited for."""
    spent: dict[str, list[float]] = {"bare": [], **{name: [] for name in sandboxes}}
    for _ in range(rounds):
        spent["bare"].append(cpu_ms(bare, starts) / starts)
        for name, sandbox in sandboxes.items():
            one, many = (
                cpu_ms(lambda count, s=sandbox: (inside(s)(count), s.close()), count)
                for count in (1, starts + 1)
            )
            spent[name].append((many - one) / starts)
    print("CPU time per start")
    for name, values in spent.items():
        show(name, "ms", values, spent["bare"])


def cpu_ms(side: Callable[[int], object], starts: int) -> float:
    before = os.times()
    side(starts)
    after = os.times()
    return sum(b - a for a, b in zip(before[:4], after[:4], strict=True)) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--starts", type=int, default=60, help="programs per side and round")
    options = parser.parse_args()
    sandboxes = open_sandboxes()
    try:
        sides = {"bare": bare, **{name: inside(box) for name, box in sandboxes.items()}}
        measure(sides, options.rounds, options.starts)
        for sandbox in sandboxes.values():
            sandbox.close()
        measure_cpu(sandboxes, options.rounds, options.starts)
    finally:
        for sandbox in sandboxes.values():
            sandbox.close()


if __name__ == "__main__":
    main()

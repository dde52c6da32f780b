"""Start-up of containers: crun as the report uses it, side by side with runc.

    python benchmarks/containers.py [--rounds 40]        as root; apt-get install crun runc

crun: control group made beforehand, overlay of the image and a size-limited tmpfs, seccomp.
runc: the same file system and filter, with the control groups that it makes itself, which is its
only way to have any. Both run the same program in the same container, once `true` and once a bare
Python. Third, the warm path: one more program in a container of `CrunSandbox` that is up already.
Rounds are interleaved; a line is the median over rounds with the quartiles, then the median of
the ratios within a round. CPU is that of this process and of all that it started and waited for,
and of the warm container.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from k15.sandbox import cgroups, images
from k15.sandbox.crun import CrunSandbox
from k15.sandbox.crun_bundle import config
from k15.sandbox.jail import kernel
from k15.sandbox.jailed import python_folders
from k15.sandbox.jailer import interpreter
from k15.sandbox.protocol import Input, Program

LIMIT_BYTES = 512 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    for tool in ("crun", "runc"):
        if shutil.which(tool) is None or os.geteuid() != 0:
            raise SystemExit("needs root and `apt-get install crun runc`")
    layout = cgroups.detect(Path("/proc/self/mountinfo").read_text())
    warm = CrunSandbox(slots=1)
    warm.start()
    folder = Path(tempfile.mkdtemp(prefix="k15-bench-"))
    group = cgroups.Group(layout, f"{cgroups.session_name()}/slot0")
    group.make()
    group.limit(memory_bytes=LIMIT_BYTES, processes=64, cpus=os.cpu_count() or 1)
    try:
        _compare(folder, layout, group, warm, rounds)
    finally:
        warm.close()
        group.remove()
        for path in group.folders:
            path.parent.rmdir()
        shutil.rmtree(folder)


def _compare(
    folder: Path, layout: cgroups.Layout, group: cgroups.Group, warm: CrunSandbox, rounds: int
) -> None:
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    for tree in layout.unused:  # crun refuses machines that have them beside v1
        kernel.unmount(str(tree))
    (folder / "image").mkdir()
    image = images.of_host(folder / "image", interpreter(), python_folders(interpreter()))
    commands = {
        "true": ["/bin/true"],
        "python": [image.python, "-I", "-S", "-c", "pass"],
    }
    for label, command in commands.items():
        content = config(command, image.binds)
        runc, crun = copy.deepcopy(content), content
        runc["linux"]["cgroupsPath"] = "/k15-bench/one"
        runc["linux"]["resources"] = {"memory": {"limit": LIMIT_BYTES}, "pids": {"limit": 64}}
        sides: dict[str, Callable[[int], float]] = {
            "runc": lambda n, c=runc: _start(folder, image, c, n, ["runc"], None),
            "crun": lambda n, c=crun: _start(
                folder, image, c, n, ["crun", "--cgroup-manager=disabled"], group
            ),
        }
        if label == "python":
            sides["warm"] = lambda n: _warm(warm)
        _report(label, sides, rounds)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        made = Path(line.split()[4], "k15-bench")  # by runc, in every tree
        if " - cgroup" in line and made.is_dir():
            made.rmdir()


def _start(folder, image, content, number, runtime, slot) -> float:
    """Mount, run one container to its end, unmount; CPU seconds that nobody here waits for."""
    name = f"{runtime[0]}{number}"
    bundle = folder / name
    upper, work, merged = (bundle / part for part in ("layers/upper", "layers/work", "merged"))
    (bundle / "layers").mkdir(parents=True)
    merged.mkdir()
    kernel.mount("t", str(bundle / "layers"), "tmpfs", kernel.MS_NOSUID, "size=64m,nr_inodes=16384")
    upper.mkdir()
    work.mkdir()
    layers = f"lowerdir={image.folder},upperdir={upper},workdir={work}"
    kernel.mount("o", str(merged), "overlay", kernel.MS_NOSUID, layers)
    content["root"] = {"path": str(merged), "readonly": False}
    (bundle / "config.json").write_text(json.dumps(content))
    command = [*runtime, "--root", f"{folder}/{runtime[0]}", "run", "--bundle", str(bundle), name]
    if slot:
        enter = "".join(f"echo 0 > {entrance}; " for entrance in slot.entrances)
        command = ["/bin/sh", "-ec", f'{enter}exec "$@"', "sh", *command]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    for path in (merged, bundle / "layers"):
        kernel.unmount(str(path))
    shutil.rmtree(bundle)
    return 0.0


def _warm(sandbox: CrunSandbox) -> float:
    (outcome,) = sandbox.run(Program(source="pass"), [Input()])
    assert outcome.cause == "ok", outcome
    return outcome.cpu_seconds


def _report(label: str, sides: dict[str, Callable[[int], float]], rounds: int) -> None:
    wall: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(-2, rounds):  # two to warm up
        for name in sorted(sides, reverse=bool(number % 2)):
            before, begin = _cpu_seconds(), time.perf_counter()
            inside = sides[name](number + 2)
            seconds = time.perf_counter() - begin
            if number >= 0:
                wall[name].append(1000 * seconds)
                cpu[name].append(1000 * (_cpu_seconds() - before + inside))
    for name in sides:
        print(f"{label:7} {name:5} wall ms {_spread(wall[name])}   CPU ms {_spread(cpu[name])}")
    for name in [name for name in sides if name != "runc"]:
        ratios = (
            _spread([a / b for a, b in zip(times["runc"], times[name], strict=True)])
            for times in (wall, cpu)
        )
        print("{:7} runc / {}: wall {}   CPU {}".format(label, name, *ratios), flush=True)


def _cpu_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _spread(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


if __name__ == "__main__":
    main()

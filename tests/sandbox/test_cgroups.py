import os
from pathlib import Path

import pytest

from k15.sandbox.cgroups import Group, detect, remove_abandoned, session_name
from k15.sandbox.jail.container import cpu_seconds, memory_kills

V1 = """\
30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:8 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
"""
UNIFIED = "35 30 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def test_v1_trees_by_controller_also_where_two_share_one():
    layout = detect(V1)
    assert (layout.kind, layout.unused) == ("v1", ())
    assert {name: str(tree) for name, tree in layout.trees.items()} == {
        "cpu": "/sys/fs/cgroup/cpu,cpuacct",
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "memory": "/sys/fs/cgroup/memory",
        "pids": "/sys/fs/cgroup/pids",
    }


def test_hybrid_is_v1_beside_a_tree_that_is_not_used():
    layout = detect(V1 + UNIFIED)
    assert layout.kind == "hybrid"
    assert layout.trees == detect(V1).trees
    assert layout.unused == (Path("/sys/fs/cgroup/unified"),)


def test_v2_is_one_tree_with_all_controllers():
    layout = detect(V2, {"/sys/fs/cgroup": "cpuset cpu io memory hugetlb pids\n"})
    assert layout.kind == "v2"
    assert set(layout.trees.values()) == {Path("/sys/fs/cgroup")}


def test_missing_controllers_are_named():
    without_memory = "\n".join(line for line in V1.splitlines() if "memory" not in line)
    with pytest.raises(RuntimeError, match=r"none for: memory$"):
        detect(without_memory)
    with pytest.raises(RuntimeError, match=r"none for: cpu, cpuacct, memory, pids$"):
        detect(V2, {"/sys/fs/cgroup": "cpuset hugetlb"})


def fake(tmp_path, kind):
    """A group in folders that only look like a kernel's tree."""
    if kind == "v2":
        layout = detect(
            V2.replace("/sys/fs/cgroup", str(tmp_path)), {str(tmp_path): "cpu memory pids"}
        )
    else:
        layout = detect(V1.replace("/sys/fs/cgroup", str(tmp_path)))
    for tree in layout.trees.values():
        tree.mkdir(exist_ok=True)
    group = Group(layout, "k15-1-2-3/slot0")
    group.make()
    return group


def contents(tmp_path):
    return {
        str(path.relative_to(tmp_path)): path.read_text()
        for path in sorted(tmp_path.rglob("*"))
        if path.is_file()
    }


def test_v2_hands_controllers_down_and_writes_its_own_files(tmp_path):
    group = fake(tmp_path, "v2")
    swap = tmp_path / "k15-1-2-3/slot0/memory.swap.max"
    swap.write_text("max")
    group.limit(memory_bytes=2**20, processes=7, cpus=0.5)
    group.weigh(4)
    assert contents(tmp_path) == {
        "cgroup.subtree_control": "+memory +pids +cpu",
        "k15-1-2-3/cgroup.subtree_control": "+memory +pids +cpu",
        "k15-1-2-3/slot0/cpu.max": "50000 100000",
        "k15-1-2-3/slot0/cpu.weight": "400",
        "k15-1-2-3/slot0/memory.max": "1048576",
        "k15-1-2-3/slot0/memory.swap.max": "0",
        "k15-1-2-3/slot0/pids.max": "7",
    }
    assert group.entrances == [str(tmp_path / "k15-1-2-3/slot0/cgroup.procs")]


def test_v1_writes_to_the_tree_of_each_controller(tmp_path):
    group = fake(tmp_path, "v1")
    group.limit(memory_bytes=2**20, processes=7, cpus=0.5)
    assert contents(tmp_path) == {
        "cpu,cpuacct/k15-1-2-3/slot0/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/k15-1-2-3/slot0/cpu.cfs_quota_us": "50000",
        "memory/k15-1-2-3/slot0/memory.limit_in_bytes": "1048576",
        "pids/k15-1-2-3/slot0/pids.max": "7",
    }
    assert len(group.entrances) == 3


@pytest.mark.parametrize(
    ("kind", "cpu", "memory"),
    [
        (
            "v2",
            ("cpu.stat", "usage_usec 1500000\nuser_usec 1\nsystem_usec 2\n"),
            ("memory.events", "low 0\nhigh 0\nmax 5\noom 1\noom_kill 3\n"),
        ),
        (
            "v1",
            ("cpuacct.usage", "1500000000\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ),
    ],
)
def test_counters_in_both_languages(tmp_path, kind, cpu, memory):
    group = fake(tmp_path, kind)
    for folder in group.folders:
        for name, text in (cpu, memory):
            (folder / name).write_text(text)
    first, second = group.open_counters()
    assert cpu_seconds(os.pread(first, 4096, 0).decode()) == 1.5
    assert memory_kills(os.pread(second, 4096, 0).decode()) == 3
    os.close(first)
    os.close(second)


def test_groups_of_the_dead_are_removed_and_those_of_the_living_kept(tmp_path):
    layout = detect(V1.replace("/sys/fs/cgroup", str(tmp_path)))
    living, dead = (
        session_name(),
        f"k15-{os.getpid()}-1-00000000",
    )  # a process of that id began earlier
    for tree in layout.trees.values():
        for name in (living, dead):
            (tree / name / "slot0").mkdir(parents=True, exist_ok=True)
    remove_abandoned(layout)
    for tree in layout.trees.values():
        assert [path.name for path in tree.iterdir()] == [living]

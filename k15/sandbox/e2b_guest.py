"""What k15 uploads into an E2B machine: it runs one job there and prints one line of JSON.

    python3 guest.py prepare|run JOB.json   as root; stdlib only, Python 3.8 or later

The machine itself is the wall against everyone else. Inside it, each run gets a user id of its own
and namespaces without network, in which all places for temporary files are one tmpfs of the size
of its disk limit. That keeps it from its limits' keeper (this process, root) and from the next run:
at the end every process of the id is killed, and the tmpfs goes with its namespace. A machine has
no cgroup of k15's, so CPU time and memory are watched over /proc, summed over the id's processes.
"""

import base64
import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time

WATCH_SECONDS = 0.05
FOLDER, PROGRAM = "/tmp/run", "/tmp/program"
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38  # linux/prctl.h
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWNET = 0x20000, 0x8000000, 0x40000000  # linux/sched.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32  # linux/mount.h
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(source, target, kind, flags, options=""):
    check(libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()))


def separate(job, what):
    """Into namespaces of its own: FOLDER is what the program may fill, PROGRAM what it is."""
    network = 0 if job["internet"] else CLONE_NEWNET
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | network))
    mount("", "/", "", MS_REC | MS_PRIVATE)
    disk, program = job["base"] + "/disk", job["base"] + "/program"
    os.makedirs(disk, exist_ok=True)
    os.makedirs(program, exist_ok=True)
    size = f"size={job['limits']['disk_mib']}m,nr_inodes=16384,mode=1777"
    mount("k15", disk, "tmpfs", MS_NOSUID | MS_NODEV, size)
    for path in (FOLDER, PROGRAM):
        os.mkdir(disk + path[4:])
    mount(program, disk + "/program", "", MS_BIND)
    if what == "prepare":
        mount(program, disk + "/run", "", MS_BIND)
    mount("", disk + "/program", "", MS_BIND | MS_REMOUNT | MS_RDONLY)
    for place in ("/dev/shm", "/var/tmp", "/tmp"):
        if os.path.isdir(place):
            mount(disk, place, "", MS_BIND | MS_REC)
    os.chown(FOLDER, job["uid"], job["uid"])


def processes_of(uid):
    """(CPU seconds, resident bytes) of all living processes of a user id."""
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    cpu, memory = 0.0, 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}").st_uid != uid:
                continue
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:  # it ended in between
            continue
        cpu += sum(map(int, fields[11:15])) / tick  # own time, and that of children waited for
        memory += int(fields[21]) * page
    return cpu, memory


def as_user(uid):
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def kill_all(process, uid):
    """A process of that id tells every process that it may signal to end: exactly its own."""
    child = os.fork()
    if child == 0:
        as_user(uid)
        os.kill(-1, signal.SIGKILL)
        os._exit(0)
    process.wait()
    with contextlib.suppress(ChildProcessError):
        while True:  # all its orphans are children of this process
            os.wait()


def write_files(folder, files):
    for name, content in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(content))


def enter(job, what):
    """In the child, before the program's first instruction."""
    limits = job["limits"]
    os.setsid()
    os.umask(0o022)
    seconds = int(limits["cpu_seconds"]) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["disk_mib"] << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (limits["processes"],) * 2)
    as_user(job["uid"])
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if what == "run":
        shutil.copytree(PROGRAM, FOLDER, symlinks=True, dirs_exist_ok=True)
    write_files(FOLDER, job["files"])
    resource.setrlimit(resource.RLIMIT_AS, (job["address_space"],) * 2)


def watch(process, uid, limits):
    """Read until it ends or reaches a limit: that limit, outputs, CPU seconds, peak bytes."""
    outputs = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    limit, cpu, memory, begin, open_ends = None, 0.0, 0, time.monotonic(), set(outputs)
    exited = False
    while limit is None and not exited:
        exited = process.poll() is not None
        ready, _, _ = select.select(list(open_ends), [], [], 0 if exited else WATCH_SECONDS)
        for end in ready:
            chunk = os.read(end, 1 << 16)
            outputs[end] += chunk
            if not chunk:
                open_ends.discard(end)
            exited = exited and not chunk  # read what it left before it ended
        if not exited:
            cpu, now = processes_of(uid)
            memory = max(memory, now)
        if any(len(output) > limits["output_bytes"] for output in outputs.values()):
            limit = "output"
        elif cpu > limits["cpu_seconds"]:
            limit = "cpu"
        elif memory > limits["memory_mib"] << 20:
            limit = "memory"
        elif time.monotonic() - begin > limits["wall_seconds"]:
            limit = "wall"
    return limit, list(outputs.values()), cpu, memory


def execute(job, what):
    limits, uid = job["limits"], job["uid"]
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    stdin = os.memfd_create("stdin")
    with open(stdin, "wb", closefd=False) as file:
        file.write(base64.b64decode(job["stdin"]))
    os.lseek(stdin, 0, os.SEEK_SET)
    process = subprocess.Popen(
        job["command"],
        cwd=FOLDER,
        env={**job["environment"], "HOME": FOLDER, "TMPDIR": FOLDER},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: enter(job, what),
    )
    limit, (stdout, stderr), cpu, memory = watch(process, uid, limits)
    kill_all(process, uid)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    waited = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    cut = limits["output_bytes"]
    return {
        "limit": limit,
        "exit": process.returncode,
        "stdout": base64.b64encode(stdout[:cut]).decode(),
        "stderr": base64.b64encode(stderr[:cut]).decode(),
        "cpu_seconds": max(cpu, waited),
        "wall_seconds": time.monotonic() - begin,
        "memory_mib": max(memory / 2**20, used.ru_maxrss / 1024),
    }


def main():
    what, path = sys.argv[1:]
    with open(path) as file:
        job = json.load(file)
    os.unlink(path)
    for name in job["executables"]:
        if shutil.which(name, path=job["environment"]["PATH"]) is None:
            print(json.dumps({"missing": name}))
            return
    os.chmod(job["base"], 0o711)
    check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    separate(job, what)
    result = execute(job, what)
    if what == "prepare":  # from now on it belongs to nobody that a program can be
        subprocess.run(["chown", "-hR", "0:0", FOLDER], check=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Programs that try to break out of a sandbox, for every backend that runs on this machine.

Each prints a line with ESCAPED for what it could do and should not. `sys.argv` of all of them:
a file of the host with a secret, a process of the host, TCP and UDP port on its loopback, the path
of a unix socket and the name of an abstract one.
"""

from __future__ import annotations

from dataclasses import dataclass

from k15.sandbox.protocol import Cause, Language, Limits

PRELUDE = """
import ctypes, errno, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(15, b"k15-" + sys.argv[2].encode(), 0, 0, 0)  # its name: none so named may be left
secret_path, host_pid, port, unix_path, abstract = sys.argv[1:]
host_pid, port = int(host_pid), int(port)

def attempt(what, act):
    try:
        result = act()
    except (OSError, ValueError) as error:
        return
    if result != -1:
        print("ESCAPED", what, repr(result)[:200], flush=True)

def call(what, number, *arguments):
    attempt(what, lambda: libc.syscall(number, *arguments))
"""
TIGHT = Limits(cpu_seconds=0.5, wall_seconds=20.0, memory_mib=256)
BOOKED = Limits(cpu_seconds=8.0, wall_seconds=20.0, memory_mib=512)


@dataclass(frozen=True, kw_only=True)
class Attack:
    name: str
    source: str
    causes: tuple[Cause, ...] = ("ok",)
    """How it may end."""
    limits: Limits = BOOKED
    language: Language = "python"
    needs_namespaces: bool = False
    """Not contained by `LocalSandbox(namespaces=False)`, as its warning says."""


def python(name: str, source: str, *causes: Cause, **options) -> Attack:
    return Attack(name=name, source=PRELUDE + source, causes=causes or ("ok",), **options)


ATTACKS = [
    python(
        "read_files",
        """
attempt("secret", lambda: open(secret_path).read())
homes = [f"/root/{name}" for name in (".bashrc", ".profile", ".ssh", ".cache", ".netrc")]
for path in ("/etc/shadow", "/home", "/var/lib", "/.host", "/proc/kcore", "/proc/keys", *homes):
    attempt(path, lambda: (os.listdir(path) or -1) if os.path.isdir(path) else open(path).read(1))
for path in ("/proc/1/root", "/proc/1/cwd", f"/proc/{host_pid}/root", f"/proc/{host_pid}/cwd"):
    attempt(path, lambda: os.listdir(path))
""",
    ),
    python(
        "write_files",
        """
for folder in ("/", "/usr", "/etc", "/bin", "/dev", "/proc", "/var/tmp", "/usr/local/bin"):
    attempt(folder, lambda: open(f"{folder}/k15-attack", "w"))
for path in ("/usr/bin/env", "/etc/passwd", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
    attempt(path, lambda: open(path, "r+"))
attempt("chmod", lambda: os.chmod("/usr/bin/env", 0o777) or "done")
attempt("rename", lambda: os.rename("/etc/passwd", "/etc/passwd2") or "done")
""",
    ),
    python(
        "devices",
        """
import glob
attempt("mknod", lambda: os.mknod("disk", 0o60666, os.makedev(254, 0)))
for path in ("/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/ptmx", *glob.glob("/dev/[vs]d*")):
    attempt(path, lambda: os.open(path, os.O_RDWR))
""",
    ),
    python(
        "network",
        """
address = ("127.0.0.1", port)
attempt("tcp", lambda: socket.create_connection(address, 2))
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.sendto(b"x", address)
    return s.recv(1)
attempt("udp", udp)
for family, kind in ((16, 3), (17, 3), (40, 1)):  # netlink, packet, vsock
    attempt(f"family {family}", lambda: socket.socket(family, kind).close() or family)
""",
    ),
    python(
        "unix_sockets",
        """
for address in (unix_path, chr(0) + abstract):
    attempt(address, lambda: socket.socket(socket.AF_UNIX).connect(address) or "connected")
""",
    ),
    python(
        "fork_bomb",
        """
children = 0
try:
    while children < 1000:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        children += 1
except OSError:
    pass
if children > 64:
    time.sleep(1)  # a plain user's jail without namespaces has to look: it ends this program
    print("ESCAPED", children)
""",
        "ok",
        "crash",
    ),
    python(
        "fork_bomb_without_end",
        """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
        "cpu",
        "crash",
        limits=TIGHT,
    ),
    python(
        "memory",
        """
block = bytearray(4 << 30)
print("ESCAPED", len(block))
""",
        "memory",
        "crash",
    ),
    python(
        "memory_bit_by_bit",
        """
blocks = []
while True:
    try:
        blocks.append(bytes([1]) * (1 << 20))
    except MemoryError:
        pass
    if len(blocks) > 1000:
        print("ESCAPED", len(blocks))
        break
""",
        "memory",
        "crash",
        "cpu",
    ),
    python(
        "memory_of_eight",
        """
read, write = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(b"x" * (384 << 20))
        os.write(write, b"x")
        time.sleep(30)
filled = 0
while filled < 4:
    filled += len(os.read(read, 8))
print("ESCAPED", filled)
""",
        "memory",
        "crash",
        "cpu",
        "wall",
        limits=Limits(cpu_seconds=8, wall_seconds=5, memory_mib=512),
    ),
    python(
        "memory_files",
        """
for number in range(4):
    file = os.memfd_create("x")
    os.write(file, b"x" * (60 << 20))
    print("ESCAPED memfd")
""",
        "crash",
    ),
    python(
        "shared_memory",
        """
call("shmget", 29, 0, 64 << 20, 0o1600)
call("mq_open", 240, b"/k15", 0o102, 0o600, 0)
""",
    ),
    python(
        "disk",
        """
import tempfile
total = 0
for folder in (".", "/tmp", "/dev/shm", tempfile.gettempdir()):
    for number in range(8):
        try:
            with open(f"{folder}/fill{number}", "wb", buffering=0) as file:
                while len(os.listdir(folder)) < 1000:
                    total += file.write(bytes(1 << 20))
        except OSError:
            pass
if total > 80 << 20:
    print("ESCAPED", total >> 20)
""",
        needs_namespaces=True,
    ),
    python(
        "inodes",
        """
made = 0
try:
    for made in range(30_000):
        os.close(os.open(f"file{made}", os.O_CREAT | os.O_WRONLY))
except OSError:
    pass
if made > 20_000:
    print("ESCAPED", made)
""",
        needs_namespaces=True,
    ),
    python(
        "deep_folders",
        """
for _ in range(2100):
    os.mkdir("d")
    os.chdir("d")
os.symlink("/etc", "link")
os.mkfifo("fifo")
""",
        "ok",
        "crash",
    ),
    python("loop", "while True: pass", "cpu", limits=TIGHT),
    python(
        "loop_ignoring_signals",
        """
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True: pass
""",
        "cpu",
        limits=TIGHT,
    ),
    python(
        "loop_in_children",
        """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        for _ in range(3_000_000): pass
        os._exit(0)
    time.sleep(0.1)
""",
        "cpu",
        limits=TIGHT,
    ),
    python(
        "many_short_children",
        """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
libc.sigaction(signal.SIGCHLD, (ctypes.c_long * 19)(1, *[2] * 18), None)  # SA_NOCLDWAIT
for _ in range(800):
    if os.fork() == 0:
        begin = time.process_time()
        while time.process_time() < begin + 0.005: pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        pass
print("ESCAPED", "with 4 s of CPU time")
""",
        "cpu",
        limits=TIGHT,
    ),
    python("sleep", "time.sleep(60)", "wall", limits=Limits(cpu_seconds=5, wall_seconds=1)),
    python(
        "daemon",
        """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(30)
    os._exit(0)
os.wait()
""",
    ),
    python(
        "daemon_that_holds_the_pipes",
        """
if os.fork() == 0:
    os.setsid()
    time.sleep(30)
    os._exit(0)
""",
    ),
    python("output", 'while True: sys.stdout.write("x" * 65536)', "output"),
    python("output_to_stderr", 'while True: os.write(2, b"x" * 65536)', "output"),
    python(
        "processes_outside",
        """
attempt("kill host", lambda: os.kill(host_pid, 0) or "done")
libc.prlimit.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
for pid in (1, host_pid, os.getppid()):
    attempt("prlimit", lambda: libc.prlimit(pid, 0, ctypes.create_string_buffer(16), 0))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        if pid != host_pid:
            attempt("kill", lambda: os.kill(pid, number) or -1)
    call("ptrace", 101, 16, pid, 0, 0)
    for name in ("mem", "environ", "maps", "fd/0"):
        attempt(f"{pid} {name}", lambda: open(f"/proc/{pid}/{name}", "rb").read(1))
    attempt(f"{pid} mem", lambda: os.open(f"/proc/{pid}/mem", os.O_RDWR))
    attempt(f"{pid} pidfd", lambda: libc.syscall(438, os.pidfd_open(pid), 0, 0))
time.sleep(0.1)
""",
    ),
    python(
        "kill_all",
        """
try:
    os.kill(-1, signal.SIGTERM)
except OSError:
    pass
""",
        "ok",
        "crash",
    ),
    python(
        "environment",
        """
for name, value in os.environ.items():
    if "SECRET" in name + value:
        print("ESCAPED", name)
for entry in os.listdir("/proc") if os.access("/proc", os.R_OK) else []:
    try:
        if b"SECRET" in open(f"/proc/{entry}/environ", "rb").read():
            print("ESCAPED", entry)
    except OSError:
        pass
""",
        "ok",
        "crash",
    ),
    python(
        "descriptors",
        """
for number in range(3, 1024):
    attempt(f"descriptor {number}", lambda: os.fstat(number))
""",
    ),
    python(
        "privileges",
        """
import subprocess
attempt("setuid", lambda: os.setuid(0) or "done" if os.getuid() else -1)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
    if int(status[name], 16):
        print("ESCAPED", name)
for command in (["su", "-c", "id"], ["mount", "-t", "tmpfs", "t", "."], ["chroot", ".", "true"]):
    attempt(command, lambda: -1 if subprocess.run(command, capture_output=True).returncode else 0)
""",
    ),
    python(
        "system_calls",
        """
import platform
if platform.machine() == "x86_64":
    buffer = ctypes.create_string_buffer(256)
    call("unshare user", 272, 0x10000000)
    call("clone user", 56, 0x10000000 | 17, 0, 0, 0, 0)
    call("clone3", 435, buffer, 64)
    call("mount", 165, b"t", b".", b"tmpfs", 0, 0)
    call("fsopen", 430, b"tmpfs", 0)
    call("open_tree", 428, -100, b"/", 1)
    call("pivot_root", 155, b".", b".")
    call("chroot", 161, b".")
    call("setns", 308, 0, 0)
    call("io_uring_setup", 425, 8, buffer)
    call("keyctl", 250, 0, -3, 1)
    call("add_key", 248, b"user", b"k", b"v", 1, -3)
    call("bpf", 321, 0, buffer, 72)
    call("perf_event_open", 298, buffer, 0, -1, -1, 0)
    call("userfaultfd", 323, 1)
    call("open_by_handle_at", 304, -100, buffer, 0)
    call("process_vm_readv", 310, host_pid, buffer, 1, buffer, 1, 0)
    call("reboot", 169, 0xfee1dead, 672274793, 0, 0)
    call("syslog", 103, 3, buffer, 256)
""",
    ),
    python("exit_status", "os._exit(0)"),
    python("signal_of_its_own", "os.kill(os.getpid(), 9)", "crash"),
    Attack(
        name="compile_in_a_file",
        language="cpp",
        source='#include "/etc/shadow"\nint main(){}',
        causes=("compile",),
    ),
    Attack(
        name="compile_to_a_giant",
        language="cpp",
        source="int a[300000000] = {1};\nint main(){return a[5];}",
        causes=("compile",),
    ),
]

"""A seccomp filter: system calls that no program of ours needs, refused before they are made.

Default is to allow: eight languages' runtimes use most of the rest. Refused are calls that leave
the jail or look into other processes, create what no limit counts (memory files, System V and
POSIX queues, keys), or have a history of holes in the kernel (io_uring, bpf, userfaultfd, other
socket families than unix). A filter that was installed stays, also across exec.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from . import kernel

_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
# name: number on x86_64, on aarch64
REFUSED = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (170, 170),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
MISSING = {  # as on a kernel that lacks them: runtimes fall back on something else
    "clone3": (435, 435),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "semget": (64, 190),
    "shmget": (29, 194),
}
_IGNORED = {  # settings of other processes too, the guard among them; Mono wants them to succeed
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "setpriority": (141, 140),
}
WAITED_FOR = (13, 134)
"""rt_sigaction, which changes nothing for SIGCHLD: where that is ignored the kernel waits for
children itself, and nobody learns what CPU time they took. A filter does not see which handler is
meant, so that none is ever called; `wait` works as ever.
"""
_PRLIMIT = (302, 261)
_CLONE, _SOCKET = (56, 220), (41, 198)
_NAMESPACES = 0x7E020000  # CLONE_NEW* flags, those that clone takes
_UNIX = 1  # AF_UNIX

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _MACHINE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24  # in struct seccomp_data
_SIGCHLD = 17


def compile_filter(*, namespaces: bool) -> bytes:
    """The filter for this processor, as bytes of struct sock_filter.

    Where programs have no namespaces of their own, sockets are refused but for connected pairs: one
    with a path is out of Landlock's reach.
    """
    tables = ((REFUSED, errno.EPERM), (MISSING, errno.ENOSYS), (_IGNORED, 0))
    column = 0 if kernel.MACHINE == "x86_64" else 1
    program = [
        _instruction(_LOAD, _MACHINE),
        _instruction(_JUMP_EQUAL, _ARCHITECTURE[kernel.MACHINE], 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
    ]
    if column == 0:
        program += _refuse_if(_instruction(_JUMP_AT_LEAST, _X32, 0, 1), errno.ENOSYS)
    for table, error in tables:
        for numbers in table.values():
            program += _refuse_if(_instruction(_JUMP_EQUAL, numbers[column], 0, 1), error)
    flags = _refuse_if(_instruction(_JUMP_BITS, _NAMESPACES, 0, 1), errno.EPERM)
    program += _check_argument(_CLONE[column], flags)
    program += _check_argument(_PRLIMIT[column], _refuse_if_not(0, errno.EPERM))  # 0: its own
    program += _check_argument(WAITED_FOR[column], _keep_waiting())
    families = _refuse_if_not(_UNIX, errno.EAFNOSUPPORT)
    if not namespaces:
        families = [_instruction(_RETURN, _ERRNO | errno.EAFNOSUPPORT)]
    program += _check_argument(_SOCKET[column], families)
    program.append(_instruction(_RETURN, _ALLOW))
    return b"".join(program)


def install(program: bytes) -> None:
    """Filter this process and its children from now on. Needs PR_SET_NO_NEW_PRIVS."""
    code = ctypes.create_string_buffer(program, len(program))
    descriptor = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    holder = ctypes.create_string_buffer(descriptor, len(descriptor))
    kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.addressof(holder))


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse_if(jump: bytes, error: int) -> list[bytes]:
    return [jump, _instruction(_RETURN, _ERRNO | error)]


def _refuse_if_not(value: int, error: int) -> list[bytes]:
    return _refuse_if(_instruction(_JUMP_EQUAL, value, 1, 0), error)


def _keep_waiting() -> list[bytes]:
    """Say that it was done, where an action for SIGCHLD is given: its address is not 0."""
    given = [
        _instruction(_LOAD, _SECOND_ARGUMENT),
        _instruction(_JUMP_EQUAL, 0, 0, 2),
        _instruction(_LOAD, _SECOND_ARGUMENT + 4),
        _instruction(_JUMP_EQUAL, 0, 1, 0),
        _instruction(_RETURN, _ERRNO),
    ]
    return [_instruction(_JUMP_EQUAL, _SIGCHLD, 0, len(given)), *given]


def _check_argument(number: int, checks: list[bytes]) -> list[bytes]:
    """Where the call is `number`: `checks` on its first argument's low half, else allow."""
    body = [_instruction(_LOAD, _FIRST_ARGUMENT), *checks, _instruction(_RETURN, _ALLOW)]
    return [_instruction(_JUMP_EQUAL, number, 0, len(body)), *body]

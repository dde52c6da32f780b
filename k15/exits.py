"""How a program ends when something is wrong that its user can mend: with a line per fault."""

from __future__ import annotations

import errno
import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from k15.config.errors import is_users

OF_THE_DISK = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG),
}
IN_RUST = re.compile(r"\(os error (\d+)\)")  # how safetensors and tokenizers tell of a full disk
READER_GONE = 141  # as a program that SIGPIPE ends


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End the program with `error: ...` and status 2 for what its user can mend; decorates a main,
    too.

    That is what `is_users` says, and a disk that is full, may not be written or has lost a file,
    also where it comes out of the Trainer. If nobody reads the output any more (`--help | head`),
    it ends in silence.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _nobody_reads():
            raise  # a pipe of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
        raise SystemExit(READER_GONE) from None
    except Exception as error:
        message = str(error) if is_users(error) else _of_the_disk(error)
        if not message:
            raise
        for line in message.splitlines():
            print(f"error: {line}", file=sys.stderr)
        raise SystemExit(2) from None


def _of_the_disk(error: Exception) -> str:
    """What to say of a disk that does not take or give a file; empty for all else."""
    found = IN_RUST.search(str(error))
    number = int(found[1]) if found else getattr(error, "errno", None)
    if number not in OF_THE_DISK:
        return ""
    return f"{getattr(error, 'filename', None) or 'writing a file'}: {os.strerror(number)}"


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose other end is closed."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in output.poll(0))

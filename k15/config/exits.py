"""How a program ends when something is wrong that its user can mend: with a line per fault."""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from k15.config.errors import ConfigError, raised_by

OF_THE_DISK = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG),
}
READER_GONE = 141  # as a program that SIGPIPE ends


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End the program with `error: ...` and status 2 for what its user can mend; decorates a main,
    too.

    That is a ConfigError, any ValueError that k15 itself raises, and a disk that is full or may not
    be written. If nobody reads the output any more (`--help | head`), it ends in silence.
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
    except ValueError as error:
        if not isinstance(error, ConfigError) and not raised_by(error).startswith("k15."):
            raise
        _end(str(error))
    except OSError as error:
        if error.errno not in OF_THE_DISK:
            raise
        _end(f"{error.filename or 'writing a file'}: {error.strerror}")


def _end(message: str) -> None:
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr)
    raise SystemExit(2) from None


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose other end is closed."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in output.poll(0))

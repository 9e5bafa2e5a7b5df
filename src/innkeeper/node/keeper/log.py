"""A keeper's own faults, in a file of bounded size.

Refuses to know structlog: every keeper process would pay for it. The daemon reads the file when it must explain.
"""

from __future__ import annotations

import os
import time

MAX_LOG_BYTES = 256 << 10


def log_to(path: str) -> None:
    """Send this process's standard error to `path`, begun anew where it has grown large; input and output to nothing.

    Raises OSError.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if os.fstat(fd).st_size > MAX_LOG_BYTES:
        os.ftruncate(fd, 0)
    nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(fd, 2)
    os.close(fd)
    os.close(nothing)


def report(event: str, why: object = "") -> None:
    """Write one line, unless the file is full or cannot be written."""
    try:
        if os.fstat(2).st_size < 2 * MAX_LOG_BYTES:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            os.write(2, f"{stamp} {event} {why}\n".encode(errors="replace"))
    except OSError:
        return  # nowhere is left to say it

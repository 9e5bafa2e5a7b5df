"""Which limit ended a run, in words for people. Knows what a keeper records of an end, and nothing of servers."""

import signal

from innkeeper.node.keeper.client import Exited

MIB = 1 << 20
_KILLED = 128 + signal.SIGKILL
"""How a shell says that what it waited for was killed."""


def cause_of(end: Exited) -> str | None:
    """Return which limit ended a run; None where none did."""
    if end.signal == signal.SIGXFSZ:
        return "out of storage (one file came to the limit of all)"
    if not end.oom_kills:
        return None
    limit = end.memory_limit
    memory = f"out of memory (the limit is {limit // MIB:,} MiB)" if limit else "out of memory (the host had none left)"
    if end.signal == signal.SIGKILL or end.code == _KILLED:
        return memory
    how = f"code {end.code}" if end.signal is None else f"signal {end.signal}"
    return f"{memory}: {killed(end.oom_kills)}, and it ended with {how}"


def killed(processes: int) -> str:
    """Return how many of its processes the kernel killed."""
    return "one of its processes was killed" if processes == 1 else f"{processes:,} of its processes were killed"

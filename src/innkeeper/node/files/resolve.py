"""Find a path beneath a directory without ever leaving it, whatever links lie on the way and however they are swapped.

Two ways with the same rules: the kernel's own (`openat2`, Linux 5.6), and a walk, component by component, where the
kernel lacks it or a sandbox hides it. The rules: relative links that stay beneath are followed; absolute links, links
that climb above the root, and the magic links of /proc are refused (`EXDEV`, `ELOOP`); the last component is followed
only if asked. What is found is an `O_PATH` descriptor: nothing has been opened yet, no pipe waits, no device wakes.
This module knows nothing of users' names or verbs.
"""

import errno
import os
import stat
from collections.abc import Sequence
from typing import Protocol

from innkeeper.node.files import syscalls

_ATTEMPTS = 128
_MAX_LINKS = 40
_MAX_HELD = 512
_PATH = os.O_PATH | os.O_CLOEXEC


class Resolver(Protocol):
    """Locate components beneath a directory."""

    def locate(self, root: int, parts: Sequence[bytes], *, follow: bool) -> int:
        """Give a new `O_PATH` descriptor of what `parts` name beneath `root`; `OSError` where it may or can not.

        With `follow`, a link as the last component is followed; without, the link itself is found.
        """
        ...


class KernelResolver:
    """Let `openat2` with `RESOLVE_BENEATH` decide: one system call, free of races by construction."""

    def locate(self, root: int, parts: Sequence[bytes], *, follow: bool) -> int:
        """See `Resolver.locate`; `EAGAIN`, by which the kernel says that a rename raced it, is tried again."""
        path = b"/".join(parts) or b"."
        flags = os.O_PATH if follow else os.O_PATH | os.O_NOFOLLOW
        for _ in range(_ATTEMPTS):
            try:
                return syscalls.openat2(root, path, flags, syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_MAGICLINKS)
            except BlockingIOError:
                continue
        raise OSError(errno.EAGAIN, "the tree kept changing")


class WalkingResolver:
    """Open one component at a time with `O_NOFOLLOW`, reading links itself and climbing only along what it holds."""

    def locate(self, root: int, parts: Sequence[bytes], *, follow: bool) -> int:
        """See `Resolver.locate`."""
        pending = list(reversed(parts))
        held = [os.open(b".", _PATH | os.O_DIRECTORY, dir_fd=root)]
        links = 0
        try:
            while pending:
                part = pending.pop()
                if part in (b"", b"."):
                    continue
                if part == b"..":
                    if len(held) == 1:
                        raise OSError(errno.EXDEV, "the path climbs above the root")
                    os.close(held.pop())
                    continue
                if len(held) > _MAX_HELD:
                    raise OSError(errno.ENAMETOOLONG, "the path is too deep")
                held.append(os.open(part, _PATH | os.O_NOFOLLOW, dir_fd=held[-1]))
                mode = os.fstat(held[-1]).st_mode
                if stat.S_ISLNK(mode) and (pending or follow):
                    links += 1
                    target = os.readlink(b"", dir_fd=held[-1])
                    if target.startswith(b"/"):
                        raise OSError(errno.EXDEV, "the link is absolute")
                    if links > _MAX_LINKS:
                        raise OSError(errno.ELOOP, "too many links")
                    os.close(held.pop())
                    pending.extend(reversed(target.split(b"/")))
                elif pending and not stat.S_ISDIR(mode):
                    raise OSError(errno.ENOTDIR, "a component is not a directory")
            return held.pop()
        finally:
            for descriptor in held:
                os.close(descriptor)


def best_resolver() -> Resolver:
    """Choose the kernel's resolver where it works, the walk elsewhere."""
    return KernelResolver() if syscalls.openat2_works() else WalkingResolver()

"""The Linux calls that the standard library lacks: prctl, unshare, mount, umount.

Refuses to know what they are for. Cheap to import.
"""

from __future__ import annotations

import ctypes
import os

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

CLONE_NEWNS = 0x20000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_RELATIME = 1 << 21
MNT_DETACH = 2
_ST_RELATIME = 4096
_KEPT_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | 1024 | 2048

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process. Raises OSError."""
    _check(_libc.prctl(option, value, 0, 0, 0))


def unshare(flags: int) -> None:
    """Leave name spaces for new ones. Raises OSError."""
    _check(_libc.unshare(flags))


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Call mount(2). Raises OSError naming `target`."""
    done = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        flags,
        data.encode() if data else None,
    )
    _check(done, target)


def unmount(target: str) -> None:
    """Take the uppermost mount off `target`; what is in use of it stays. Raises OSError naming `target`."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), target)


def mount_flags(path: str) -> int:
    """Return the flags of the mount that `path` is on, as a remount needs them to change nothing."""
    flags = os.statvfs(path).f_flag
    return (flags & _KEPT_FLAGS) | (MS_RELATIME if flags & _ST_RELATIME else 0)


def _check(result: int, path: str | None = None) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)

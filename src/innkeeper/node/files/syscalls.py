"""The system calls that Python does not offer: openat2, renameat2, sync_file_range and syncfs, by ctypes.

All raise `OSError` as the functions of `os` do. This module knows nothing of jails.
"""

import ctypes
import errno
import os

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

_WAIT_BEFORE = 1
_WRITE = 2

# openat2 came after the architectures agreed on numbers (alpha, which has its own, will answer ENOSYS or EBADF).
_OPENAT2 = 437

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_HOW_SIZE = ctypes.c_size_t(ctypes.sizeof(_OpenHow))


def openat2(directory: int, path: bytes, flags: int, resolve: int) -> int:
    """Open `path` from the directory descriptor under the `RESOLVE_*` rules; gives a descriptor closed on exec."""
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve)
    descriptor = int(
        _syscall(ctypes.c_long(_OPENAT2), ctypes.c_int(directory), ctypes.c_char_p(path), ctypes.byref(how), _HOW_SIZE)
    )
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor


def openat2_works() -> bool:
    """Tell whether this kernel, and what confines this process, offer openat2."""
    try:
        descriptor = openat2(-100, b"/", os.O_PATH | os.O_DIRECTORY, RESOLVE_NO_MAGICLINKS)
    except OSError:
        return False
    os.close(descriptor)
    return True


def renameat2(source_directory: int, source: bytes, directory: int, name: bytes, flags: int) -> None:
    """Rename with the `RENAME_*` flags; raises `OSError(ENOSYS)` where the C library or kernel lacks it."""
    call = getattr(_libc, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(source_directory, source, directory, name, ctypes.c_uint(flags)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def write_behind(descriptor: int, length: int) -> None:
    """Have the disk begin to write the first `length` bytes of a file, once what it had begun before is written.

    Promises nothing, as it leaves out all that leads to the bytes: `fsync` must follow, and has less to do. Raises
    `OSError` where writing fails; does nothing where the C library or kernel lacks sync_file_range.
    """
    call = getattr(_libc, "sync_file_range", None)
    if call is None:
        return
    flags = _WAIT_BEFORE | _WRITE
    if call(descriptor, ctypes.c_int64(0), ctypes.c_int64(length), ctypes.c_uint(flags)) != 0:
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EINVAL, errno.ESPIPE):
            raise OSError(code, os.strerror(code))


def sync_file_system(descriptor: int) -> None:
    """Bring all that was written to the file system of this descriptor to the disk; raises `OSError`."""
    if _libc.syncfs(ctypes.c_int(descriptor)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

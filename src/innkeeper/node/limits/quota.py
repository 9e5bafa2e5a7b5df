"""Project quotas: storage that the file system itself bounds, where it is mounted so (ext4 and XFS with `prjquota`).

A folder's project is inherited by all that is made within, so it is set while the folder is empty; servers of before
are counted by `storage` instead. Refuses to know servers. The kernel's structures are those of quotactl(2) and of
`linux/fs.h`; that a file system keeps what it is told is not shown by our tests, which have none that can.
"""

import ctypes
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

FIRST_PROJECT = 1_900_000_000
"""A server's project is this and its number, as its user id is by default."""
_PROJECT = 2
_GET_INFO, _GET_QUOTA, _SET_QUOTA = 0x800005, 0x800007, 0x800008
_QUOTA = struct.Struct("=8QI4x")
"""Of `struct if_dqblk`: hard and soft limit in KiB, bytes in use, the same of inodes, two times, what is valid."""
_QUOTA_SPACE = 2
_BLOCK_LIMITS = 1
_GET_ATTRIBUTES, _SET_ATTRIBUTES = 0x801C581F, 0x401C5820
_ATTRIBUTES = struct.Struct("=5I8x")
"""Of `struct fsxattr`: flags, two sizes, the project, one size."""
_INHERIT = 0x200

QuotaCall = Callable[[int, bytes, int, bytearray], None]
"""quotactl(2): command, device, project, structure, which may be changed. Raises OSError."""
AttributeCall = Callable[[int, int, bytearray], None]
"""ioctl(2): descriptor, request, structure, which may be changed. Raises OSError."""


class ProjectQuota:
    """The project quotas of one file system; make it with `of`. All methods block and raise OSError."""

    def __init__(self, device: str, quotactl: QuotaCall, ioctl: AttributeCall) -> None:
        self._device = os.fsencode(device)
        self._quotactl = quotactl
        self._ioctl = ioctl

    @classmethod
    def of(cls, folder: Path) -> "ProjectQuota | None":
        """Return the quotas of the file system that holds `folder`; None where it has none, or we may not set them."""
        try:
            device = _device_of(folder)
            if device is None or os.geteuid() != 0:
                return None
            _quotactl(_command(_GET_INFO), os.fsencode(device), 0, bytearray(64))
        except (OSError, ValueError) as error:
            log.debug("quota.missing", folder=str(folder), error=str(error))
            return None
        return cls(device, _quotactl, _attributes)

    def adopt(self, folder: Path, project: int) -> bool:
        """Have `folder` and all that is made in it be of `project`; false where it holds files of none already."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            attributes = bytearray(_ATTRIBUTES.size)
            self._ioctl(descriptor, _GET_ATTRIBUTES, attributes)
            flags, size, extents, known, copied = _ATTRIBUTES.unpack(attributes)
            if known == project and flags & _INHERIT:
                return True
            if os.listdir(descriptor):
                return False
            _ATTRIBUTES.pack_into(attributes, 0, flags | _INHERIT, size, extents, project, copied)
            self._ioctl(descriptor, _SET_ATTRIBUTES, attributes)
        finally:
            os.close(descriptor)
        return True

    def bound(self, project: int, limit_bytes: int | None) -> None:
        """Let the files of `project` take so many bytes together; None: as many as there are."""
        limit = 0 if limit_bytes is None else max(1, limit_bytes >> 10)
        wanted = bytearray(_QUOTA.pack(limit, limit, 0, 0, 0, 0, 0, 0, _BLOCK_LIMITS))
        self._quotactl(_command(_SET_QUOTA), self._device, project, wanted)

    def used(self, project: int) -> int:
        """Return the bytes that the files of `project` take."""
        found = bytearray(_QUOTA.size)
        self._quotactl(_command(_GET_QUOTA), self._device, project, found)
        space: int = _QUOTA.unpack(found)[_QUOTA_SPACE]
        return space


def _command(what: int) -> int:
    return what << 8 | _PROJECT


def _quotactl(command: int, device: bytes, project: int, structure: bytearray) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    address = (ctypes.c_char * len(structure)).from_buffer(structure)
    signed = ctypes.c_int(command).value
    if libc.quotactl(signed, ctypes.c_char_p(device), ctypes.c_int(project), address):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(device))


def _attributes(descriptor: int, request: int, structure: bytearray) -> None:
    fcntl.ioctl(descriptor, request, structure, True)


def _device_of(folder: Path) -> str | None:
    """Return the block device under `folder`, None where its file system has none."""
    number = folder.stat().st_dev
    wanted = f"{os.major(number)}:{os.minor(number)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            source = after.split()[1]
            return source if source.startswith("/dev/") else None
    return None

"""The closed tree of refusals of the jail, and the translation of the kernel's errors into it.

    JailError
    ├── NotFound · AlreadyExists · IsADirectory · NotADirectory · DirectoryNotEmpty     the tree is otherwise
    ├── EscapesJail · NotPermitted · NameRefused · Unsupported                          never allowed
    └── TooLarge · NoSpace · Busy · StorageFailed                                       not now, or not so much

No `OSError` leaves the jail. This module knows nothing of status codes.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from innkeeper.contracts.installer import FolderError


class JailError(FolderError):
    """The folder refused."""

    def __init__(self, path: str, reason: str | None = None) -> None:
        self.path = path
        self.reason = reason or (type(self).__doc__ or "").split("\n", 1)[0].rstrip(".")
        super().__init__(f"{self.reason}: {path!r}")


class NotFound(JailError):
    """There is no such file or folder."""


class AlreadyExists(JailError):
    """Something of this name exists already."""


class IsADirectory(JailError):
    """This is a folder."""


class NotADirectory(JailError):
    """This is not a folder."""


class DirectoryNotEmpty(JailError):
    """The folder is not empty."""


class EscapesJail(JailError):
    """The path leads out of the server's folder."""


class NotPermitted(JailError):
    """This is not permitted."""


class NameRefused(JailError):
    """The name is not acceptable."""


class Unsupported(JailError):
    """This is neither a file nor a folder (a pipe, socket, device or link)."""


class TooLarge(JailError):
    """This is larger than allowed."""


class NoSpace(JailError):
    """There is no space left."""


class Busy(JailError):
    """The folder is being changed or locked by the game; try again."""


class StorageFailed(JailError):
    """The storage failed."""


_BY_ERRNO: dict[int, type[JailError]] = {
    errno.ENOENT: NotFound,
    errno.EEXIST: AlreadyExists,
    errno.EISDIR: IsADirectory,
    errno.ENOTDIR: NotADirectory,
    errno.ENOTEMPTY: DirectoryNotEmpty,
    errno.EXDEV: EscapesJail,
    errno.ELOOP: EscapesJail,
    errno.EPERM: NotPermitted,
    errno.EACCES: NotPermitted,
    errno.EINVAL: NotPermitted,
    errno.EROFS: NotPermitted,
    errno.ETXTBSY: Busy,
    errno.EBUSY: Busy,
    errno.EAGAIN: Busy,
    errno.ESTALE: Busy,
    errno.ENAMETOOLONG: NameRefused,
    errno.EILSEQ: NameRefused,
    errno.EFBIG: TooLarge,
    errno.EMLINK: TooLarge,
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
    errno.ENXIO: Unsupported,
    errno.ENODEV: Unsupported,
    errno.EOPNOTSUPP: Unsupported,
}


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn every `OSError` of the block into the `JailError` that says the same about `path`, cause chained."""
    try:
        yield
    except OSError as error:
        raise _BY_ERRNO.get(error.errno or 0, StorageFailed)(path) from error

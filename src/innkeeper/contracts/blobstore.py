"""What a blob store promises: to keep named blobs, whole or not at all, and to give any part of them back.

A blob is at most some tens of MiB and never changes, but for small ones that are put again. Names are relative paths
of ASCII letters, digits, `-`, `_`, `.` and `/`. A store refuses to know what is in a blob, who it belongs to, and when
it may go.
"""

import re
from collections.abc import Iterator
from typing import Protocol

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_MAX_NAME = 512


class BlobStoreError(Exception):
    """The store could not do it; the text says why and may be shown to an administrator."""


class BlobIsMissing(BlobStoreError):
    """There is no blob of this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"There is no blob {name!r}")


class BlobStoreFailed(BlobStoreError):
    """The store, or the way to it, failed; trying again later may help."""


class BlobStore(Protocol):
    """A place for blobs. Every method blocks, may be called from any thread, and raises `BlobStoreError`."""

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Keep `data` under `name`, replacing what was there.

        Whoever reads the name meanwhile, or after a crash at any moment, finds the old blob whole or the new one. After
        the return the new one outlives a power cut.
        """
        ...

    def get(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Give at most `size` bytes from `start` on; fewer, down to none, only where the blob ends.

        Raises `BlobIsMissing`.
        """
        ...

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Give the name and the size in bytes of each blob whose name begins with `prefix`, which ends with `/`.

        In no order. A blob that is put or deleted meanwhile may be met or not; one that was there all the time is met,
        and one whose `put` has returned before is.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove the blob; nothing happens where there is none."""
        ...

    def tidy(self) -> None:
        """Remove what interrupted calls of `put` have left; those of living processes are not disturbed."""
        ...

    def describe(self) -> str:
        """Give what the store is and where, without secrets, for people."""
        ...


def check_blob_name(name: str) -> None:
    """Raise `ValueError` where the name is not one that a store takes."""
    if len(name) > _MAX_NAME or _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a blob")

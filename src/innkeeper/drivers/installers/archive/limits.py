"""How much an archive may hold, and the count of what it has held so far; knows no format."""

from collections.abc import Callable

import msgspec

from innkeeper.contracts.installer import InstallFailed


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds for one archive; a step may set its own.

    `max_ratio` is bytes that come out per byte of archive, and counts only beyond `ratio_free_bytes`: small archives of
    very regular content are no danger.
    """

    max_total_bytes: int = 64 << 30
    max_file_bytes: int = 32 << 30
    max_entries: int = 200_000
    max_links: int = 10_000
    max_depth: int = 64
    max_ratio: int = 250
    ratio_free_bytes: int = 256 << 20


class Budget:
    """What is left of the limits; each method raises `InstallFailed` once they are passed or it is called off."""

    def __init__(self, limits: Limits, archive_bytes: int | None, called_off: Callable[[], bool]) -> None:
        """`archive_bytes` is the size of the archive, None where nothing was compressed."""
        self.limits = limits
        self._called_off = called_off
        self._bytes = 0
        self._entries = 0
        self._links = 0
        self._most_by_ratio = (
            None if archive_bytes is None else max(limits.ratio_free_bytes, archive_bytes * limits.max_ratio)
        )

    def check(self) -> None:
        """Stop here if nobody wants the result any more."""
        if self._called_off():
            raise InstallFailed("The installation was cancelled")

    def entry(self, depth: int, size: int, name: str) -> None:
        """Count one member that says to have `size` bytes."""
        self.check()
        self._entries += 1
        if self._entries > self.limits.max_entries:
            raise InstallFailed(f"The archive holds more than {self.limits.max_entries} files and folders")
        if depth > self.limits.max_depth:
            raise InstallFailed(f"The archive holds folders deeper than {self.limits.max_depth}")
        if size > self.limits.max_file_bytes:
            raise InstallFailed(f"{name!r} in the archive is larger than {self.limits.max_file_bytes} bytes")
        if self._bytes + size > self.limits.max_total_bytes:
            raise InstallFailed(f"The archive holds more than {self.limits.max_total_bytes} bytes")

    def link(self) -> None:
        """Count one link."""
        self._links += 1
        if self._links > self.limits.max_links:
            raise InstallFailed(f"The archive holds more than {self.limits.max_links} links")

    def unpacked(self, size: int) -> None:
        """Count bytes that came out."""
        self.check()
        self._bytes += size
        if self._bytes > self.limits.max_total_bytes:
            raise InstallFailed(f"The archive holds more than {self.limits.max_total_bytes} bytes")
        if self._most_by_ratio is not None and self._bytes > self._most_by_ratio:
            raise InstallFailed(
                f"The archive is compressed more than {self.limits.max_ratio} to 1: it is taken for a bomb"
            )

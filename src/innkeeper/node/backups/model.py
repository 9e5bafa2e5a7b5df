"""What the repository tells about snapshots and its own work; knows no servers."""

import msgspec


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One finished snapshot. `at_us` is wall time in microseconds since 1970 UTC, sizes are bytes."""

    id: str
    at_us: int
    files: int
    """Names of regular files."""
    bytes: int
    """Their sizes together, a file of several names counted once."""
    stored_bytes: int
    """What the snapshot has added to the store, compressed."""
    digest: str
    """SHA-256, in hex, of all names, kinds, modes, times, contents and links: equal folders have equal digests."""
    exclude: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    """What could not be kept (sockets, pipes, devices, files that may not be read), the first hundred, as shown."""
    skipped_count: int = 0
    parent: str | None = None
    note: dict[str, str] = {}


class Progress(msgspec.Struct, frozen=True):
    """How far the work is; totals are None where nobody knows them, and may be off while a folder is changing."""

    files: int
    bytes: int
    total_files: int | None
    total_bytes: int | None

    @property
    def fraction(self) -> float | None:
        """Between 0 and 1, by bytes; None where the total is not known."""
        if self.total_bytes is None:
            return None
        return min(self.bytes / self.total_bytes, 1.0) if self.total_bytes else 1.0


class Restored(msgspec.Struct, frozen=True):
    """What a restore did: files written and their bytes, files found equal and left, names deleted."""

    written: int
    written_bytes: int
    kept: int
    deleted: int


class Verified(msgspec.Struct, frozen=True):
    """What a verification found: all is well where there are no `problems`, of which the first hundred are told."""

    files: int
    bytes: int
    compared: bool
    """Whether it was restored and compared, too."""
    problems: tuple[str, ...]


class Collected(msgspec.Struct, frozen=True):
    """What a collection did: blobs removed, blobs written anew, and the bytes that the store is smaller by."""

    removed: int
    rewritten: int
    freed_bytes: int

"""What a node is asked about the content of backups, and what it answers."""

from typing import Literal
from uuid import UUID

from innkeeper.wire.messages.base import Message

Form = Literal["tar.gz", "tar.zst", "zip"]
StoreDeed = Literal["check", "collect"]


class ListBackup(Message, frozen=True, kw_only=True):
    """Ask for the entries of one folder of a backup, by name, continuing after one. → FilesListed"""

    server: UUID
    snapshot: str
    path: str = ""
    after: str | None = None
    limit: int = 1000


class BeginDownload(Message, frozen=True, kw_only=True):
    """Ask for a backup, or what is below `path` in it, as one archive. → DownloadBegun"""

    server: UUID
    snapshot: str
    form: Form = "tar.gz"
    path: str = ""


class DownloadBegun(Message, frozen=True, kw_only=True):
    download: str


class ReadDownload(Message, frozen=True, kw_only=True):
    """Ask for the part of that number, the first being 0. The same may be asked again until the next was. →
    DownloadPart"""

    download: str
    number: int


class DownloadPart(Message, frozen=True, kw_only=True):
    data: bytes
    """Empty: the archive has ended, and the download with it."""


class EndDownload(Message, frozen=True, kw_only=True):
    """Ask for no more of it. → Done"""

    download: str


class StoreRun(Message, frozen=True, kw_only=True):
    """One check or collection of a node's store of backups, by its kind."""

    begun_us: int
    ended_us: int | None = None
    """None: it is under way."""
    failure: str = ""
    """Why it could not be done to its end; empty: it was, or is under way."""
    problems: list[str] = []
    """What a check found wrong, for people; the first hundred."""
    problems_count: int = 0
    removed: int = 0
    """Blobs that a collection has removed."""
    freed_bytes: int = 0


class StoreReport(Message, frozen=True, kw_only=True):
    """Where a node keeps its backups, and what came of the last check and collection since the node was started."""

    where: str
    check: StoreRun | None
    collection: StoreRun | None


class ReadStore(Message, frozen=True, kw_only=True):
    """Ask how the store is. → StoreReport"""


class TendStore(Message, frozen=True, kw_only=True):
    """Ask for a check or a collection to be begun. → StoreReport"""

    deed: StoreDeed


class DiscardBackup(Message, frozen=True, kw_only=True):
    """Ask for a backup that cannot be read to be removed from the store. → Done"""

    snapshot: str

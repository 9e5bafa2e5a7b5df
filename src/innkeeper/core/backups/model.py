"""What a backup is, by which rules backups are made and kept, and what nodes are asked to do about them.

    waiting ──→ running ──→ done          (listed as good: finished, and never otherwise)
       └───────────┴──────→ failed (reason)

A backup's row is the intent; while its node has something to do about it, `job_id` and `job_verb` say what.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

Cause = Literal["asked", "schedule", "before_restore", "clone"]
BackupState = Literal["waiting", "running", "done", "failed"]
JobVerb = Literal["backup", "verify", "forget", "restore"]
Form = Literal["tar.gz", "tar.zst", "zip"]
StoreDeed = Literal["check", "collect"]

NOT_VERIFIED = "not verified: "
"""So begins the problem of a backup that was to be verified and could not be looked at."""


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """One server's files, as they were at one moment."""

    id: int
    uuid: UUID
    server_id: int
    name: str = ""
    cause: Cause = "asked"
    state: BackupState = "waiting"
    reason: str | None = None
    """Why it waits or failed."""
    fraction: float | None = None
    steps: tuple[str, ...] = ()
    snapshot: str = ""
    """What the store calls it."""
    bytes: int | None = None
    """Of all its files."""
    stored_bytes: int | None = None
    """What it has added to the store, compressed."""
    files: int | None = None
    digest: str = ""
    """Of all names, contents, modes, times and links: equal trees have equal ones."""
    locked: bool = False
    """No rule deletes it."""
    verified_at: datetime | None = None
    verified: bool | None = None
    """Whether it was found whole when it was last looked at; None: nobody looked."""
    problem: str = ""
    """Why it was not found whole, or what could not be kept."""
    job_id: UUID | None = None
    job_verb: JobVerb | None = None
    """What its node has yet to do about it."""
    account_id: int | None = None
    created_at: datetime
    finished_at: datetime | None = None

    @property
    def good(self) -> bool:
        """Whether it is finished and nobody found it damaged."""
        return self.state == "done" and self.verified is not False


class BackupPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a server's backups are made, and which are kept. Where no rule keeps any, all are kept."""

    server_id: int
    exclusions: tuple[str, ...] = ()
    """Patterns like those of .gitignore, beside those of the package."""
    before: str = ""
    """Lines for a running game's console, before a backup; `after` always follow."""
    after: str = ""
    stop_first: bool = False
    """A running game is stopped for each backup, and started again."""
    keep_last: int | None = None
    keep_days: int | None = None
    keep_daily: int = 0
    """The newest of each of the last so many days that have one; so too weeks and months."""
    keep_weekly: int = 0
    keep_monthly: int = 0
    verify: bool = False
    """Each is verified once it is made."""

    @property
    def keeps_all(self) -> bool:
        """Whether no rule says what is kept."""
        kept = (self.keep_last, self.keep_days, self.keep_daily or None, self.keep_weekly or None)
        return all(rule is None for rule in (*kept, self.keep_monthly or None))


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """How a running game is brought to leave its files alone for a moment, and let go again."""

    hold: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    held: str | None = None
    timeout_s: float = 60
    required: bool = True
    """Unless it says that all is saved, the backup fails."""
    release: tuple[str, ...] = ()


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is asked to do about a backup, once."""

    id: UUID
    verb: JobVerb
    backup: UUID
    snapshot: str = ""
    exclude: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    quiet: Quiet | None = None
    stop_first: bool = False
    verify: bool = False
    paths: tuple[str, ...] = ()


class JobResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a job."""

    snapshot: str = ""
    files: int = 0
    bytes: int = 0
    stored_bytes: int = 0
    digest: str = ""
    verified: bool | None = None
    problem: str = ""


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How a job stands, as its node says."""

    id: UUID
    state: BackupState
    reason: str | None = None
    steps: tuple[str, ...] = ()
    fraction: float | None = None
    result: JobResult | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed")


class StoreRun(msgspec.Struct, frozen=True, kw_only=True):
    """One check or collection of a node's store of backups."""

    begun_at: datetime
    ended_at: datetime | None = None
    """None: it is under way."""
    failure: str = ""
    """Why it could not be done to its end; empty: it was, or is under way."""
    problems: tuple[str, ...] = ()
    """What a check found wrong, for people; the first hundred."""
    problems_count: int = 0
    removed: int = 0
    """Blobs that a collection has removed."""
    freed_bytes: int = 0


class StoreState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node keeps its backups, and what came of the last check and collection since the node was started."""

    where: str
    check: StoreRun | None
    collection: StoreRun | None


class Restoring(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation "restore" restores, kept with it."""

    backup_id: int
    backup: UUID
    paths: tuple[str, ...] | None = None
    """Only these, which may be done while the game runs; None: all."""
    delete_others: bool = True
    before: UUID | None = None
    """The backup that is made before anything is overwritten."""
    passing: bool = False
    """The backup was made for this alone, and is deleted afterwards."""
    queued: bool = False
    """It becomes the server's order once the server is installed and the backup is finished."""


class Restore(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is told of an order to restore."""

    backup: UUID
    snapshot: str
    delete_others: bool
    before: Job | None

"""What a node does for a server beside its orders: backups made, verified, forgotten, and files taken from them.

A job is desired until its end was reported and acknowledged; a node remembers what it has begun and what has ended, so
that a repeated job is answered and not repeated.
"""

from typing import Literal
from uuid import UUID

from innkeeper.wire.messages.base import Message

JobVerb = Literal["backup", "verify", "forget", "restore"]


class QuietRule(Message, frozen=True, kw_only=True):
    """How a running game is brought to leave its files alone for a moment, and let go again."""

    hold: list[str] = []
    """Lines for its console."""
    ask: list[str] = []
    """Lines that are typed after those, and every two seconds again, until it says that all is on disk."""
    held: str | None = None
    """The expression of the line by which it says that all is on disk; None: nothing is waited for."""
    timeout_s: float = 60
    required: bool = True
    """Without that line by then the backup fails; false: files are read all the same, and a step says so."""
    release: list[str] = []
    """Lines that always follow, whatever became of the backup."""


class Job(Message, frozen=True, kw_only=True):
    """One thing to be done once. What of it is not of its verb is left out."""

    id: UUID
    verb: JobVerb
    backup: UUID
    """The backup that it is about."""
    snapshot: str = ""
    """What the backup is called in the store; empty: the node looks for it by `backup`."""
    exclude: list[str] = []
    before: list[str] = []
    """Lines for a running game's console, before all else; `after` always follow, once any of these was typed."""
    after: list[str] = []
    quiet: QuietRule | None = None
    stop_first: bool = False
    """A running game is stopped for it, and started again, whatever became of the backup."""
    verify: bool = False
    """What was made is verified at once."""
    paths: list[str] = []
    """Of a restore: only these, in a server that may run."""


class Restore(Message, frozen=True, kw_only=True):
    """What the order "restore" puts in the place of a server's files. A running game is stopped, and started again."""

    backup: UUID
    snapshot: str
    delete_others: bool = True
    """What the backup has not is deleted."""
    before: Job | None = None
    """A backup to be made before anything is overwritten."""


class JobResult(Message, frozen=True, kw_only=True):
    """What came of a job."""

    snapshot: str = ""
    at_us: int = 0
    files: int = 0
    bytes: int = 0
    stored_bytes: int = 0
    """New in the store."""
    digest: str = ""
    verified: bool | None = None
    """None: nobody looked."""
    problem: str = ""
    """Why it is not verified, or what could not be kept, for people."""


class JobReport(Message, frozen=True, kw_only=True):
    """How a job stands."""

    id: UUID
    state: Literal["waiting", "running", "done", "failed"]
    reason: str | None = None
    """Why it waits or failed."""
    steps: list[str] = []
    """What was done so far, for people, oldest first."""
    fraction: float | None = None
    result: JobResult | None = None

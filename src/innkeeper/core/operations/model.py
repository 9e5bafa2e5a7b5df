"""What an operation is.

created ──→ running ──→ done
   │           └──────→ failed (reason)
   └───────────────────→ failed (superseded, refused, node lost)
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Via
from innkeeper.core.backups.model import Restoring

Verb = Literal["install", "start", "stop", "restart", "kill", "restore", "delete"]


class OperationState(StrEnum):
    """How an operation stands."""

    CREATED = "created"
    """Kept; the node has not taken it up (its reason says what it waits for)."""
    RUNNING = "running"
    """The node is at it."""
    DONE = "done"
    """It was done."""
    FAILED = "failed"
    """It was not done; the reason says why."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing asked of one server."""

    id: int
    uuid: UUID
    server_id: int
    verb: Verb
    restore: Restoring | None = None
    """What is restored, by the verb of that name."""
    state: OperationState = OperationState.CREATED
    reason: str | None = None
    steps: tuple[str, ...] = ()
    fraction: float | None = None
    """How much is done, from 0 to 1, where that can be said."""
    account_id: int | None
    via: Via
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def waits_apart(self) -> bool:
        """Whether it is no order of its server's: another may be done before it."""
        return self.restore is not None and (self.restore.queued or self.restore.paths is not None)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in (OperationState.DONE, OperationState.FAILED)

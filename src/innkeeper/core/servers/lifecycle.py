"""The states of a server, and what may be asked in each.

created ─→ installing ─→ stopped ─→ preparing ─→ starting ─→ running ─→ stopping ─→ (saving) ─→ stopped
               ↑            │ ↑          ↑            │          │
               └────────────┘ └──────────┼────────────┴──────────┤ crash
               reinstall                 └──── (waits) crashed ←─┘
any ─→ deleting ─→ deleted            restarting = stopping, with a start to follow
"""

from enum import StrEnum


class State(StrEnum):
    """Where a server stands. The node says it, from `installing` to `crashed`; the rest is the product's own."""

    CREATED = "created"
    """Known, nothing installed yet."""
    INSTALLING = "installing"
    """Its files are being put in place."""
    STOPPED = "stopped"
    """Installed, no process."""
    PREPARING = "preparing"
    """Its start was asked: config is written, the port is looked at."""
    STARTING = "starting"
    """The process lives and has not said that it is ready."""
    RUNNING = "running"
    """The game said that it is ready, or answered its query."""
    STOPPING = "stopping"
    """It was asked to stop and has not ended."""
    SAVING = "saving"
    """While stopping, it said that it saves its world."""
    RESTARTING = "restarting"
    """It is stopping, and will be started again at once."""
    CRASHED = "crashed"
    """It ended unasked; it waits for its next start, or has given up."""
    TRANSFERRING = "transferring"
    """It is moving to another node."""
    DELETING = "deleting"
    """Its files are being deleted."""
    DELETED = "deleted"
    """It was deleted; kept so that it can be said."""


ALIVE = frozenset({State.STARTING, State.RUNNING, State.STOPPING, State.SAVING, State.RESTARTING})
"""A process lives."""
STARTABLE = frozenset({State.STOPPED, State.CRASHED})
STOPPABLE = frozenset({State.PREPARING, State.STARTING, State.RUNNING, State.RESTARTING, State.CRASHED})
RESTARTABLE = frozenset({State.RUNNING, State.STARTING})
ENDED = frozenset({State.DELETING, State.DELETED})

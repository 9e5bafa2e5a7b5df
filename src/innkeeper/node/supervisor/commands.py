"""What the supervising machine wants done, in the imperative. Whoever performs it answers with events.

Knows nothing of how a thing is done.
"""

import msgspec

from innkeeper.node.supervisor.events import Timer, Work
from innkeeper.wire.messages import OrderReport, Restore


class Command(msgspec.Struct, frozen=True):
    """Base of what is to be done."""


class Install(Command, frozen=True):
    """Put the server's files in place, from the first step on. → InstallFinished | InstallFailed"""


class RestoreFiles(Command, frozen=True):
    """Put a backup in the place of the server's files, or go on with it. → RestoreBegun, then InstallFinished |
    InstallFailed"""

    restore: Restore


class WaitForSlot(Command, frozen=True):
    """Wait for a turn to start, so that a booted host is not overrun. → SlotGranted"""


class Prepare(Command, frozen=True):
    """Write config and look whether it can start. → Prepared | PrepareRefused"""


class CancelWork(Command, frozen=True):
    """Give up what was begun by Install, WaitForSlot or Prepare: no event of it may come after this."""

    work: Work


class Launch(Command, frozen=True):
    """Execute the game. → Launched | LaunchFailed, and Exited some day"""

    run_id: str


class SendLine(Command, frozen=True):
    """Type the stop command on the game's console. → StopAsked"""

    line: str


class Signal(Command, frozen=True):
    """Send the game the stop signal, by name ("SIGTERM"). → StopAsked"""

    name: str


class Kill(Command, frozen=True):
    """Kill the game and all its processes. → Exited"""


class SetTimer(Command, frozen=True):
    """Say Elapsed(timer) in so many seconds; an earlier setting of it is forgotten."""

    timer: Timer
    seconds: float


class CancelTimer(Command, frozen=True):
    """Never mind the timer."""

    timer: Timer


class FinishOrder(Command, frozen=True):
    """Tell that an order is done or failed."""

    report: OrderReport

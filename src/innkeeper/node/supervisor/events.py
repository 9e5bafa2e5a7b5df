"""What can happen to one server, in the past tense: all that the supervising machine ever learns.

Knows nothing of who noticed it, or how.
"""

from typing import Literal
from uuid import UUID

import msgspec

from innkeeper.wire.messages import CrashRule, DesiredServer, Restore, StopRule, Verb

Timer = Literal["start", "stop", "kill", "backoff"]
"""What is waited for: the ready line, the end after a stop, the end after a kill, the next start after a crash."""

Work = Literal["install", "prepare", "slot"]
"""What takes its time and can be given up without a trace of it coming later."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What of the desired state bears on supervision."""

    stop: StopRule = StopRule()
    crash: CrashRule = CrashRule()
    clean_exit: tuple[int, ...] = (0,)
    """Exit codes of an orderly end; a negative one is a signal's number."""
    start_timeout_s: float = 300
    suspended: bool = False
    needs_install: bool = False
    """Whether anything has to be installed before the first start."""

    @classmethod
    def of(cls, desired: DesiredServer) -> "Rules":
        """Return the rules within `desired`."""
        return cls(
            stop=desired.stop,
            crash=desired.crash,
            clean_exit=tuple(desired.clean_exit),
            start_timeout_s=desired.start_timeout_s,
            suspended=desired.suspended,
            needs_install=bool(desired.install),
        )


class Event(msgspec.Struct, frozen=True):
    """Base of what can happen."""


class DesiredChanged(Event, frozen=True):
    """The rules are others now."""

    rules: Rules


class OrderReceived(Event, frozen=True):
    """Somebody wants something done once. The same order may be received any number of times."""

    id: UUID
    verb: Verb
    restore: Restore | None = None


class InstallProgressed(Event, frozen=True):
    """The installation reached a step; `fraction` of the whole is done, if that can be said."""

    step: str | None = None
    fraction: float | None = None


class InstallFinished(Event, frozen=True):
    """All files are in place."""


class RestoreBegun(Event, frozen=True):
    """From now on files are overwritten: until a restore has ended they are of two times."""


class InstallFailed(Event, frozen=True):
    """The installation ended without success."""

    reason: str


class SlotGranted(Event, frozen=True):
    """Its turn to start has come."""


class Prepared(Event, frozen=True):
    """Config is written and the port is free; the start to come is named `run_id`."""

    run_id: str


class PrepareRefused(Event, frozen=True):
    """It cannot be started as things are. `lasting`: nor later, until somebody changes something."""

    reason: str
    lasting: bool = False


class Launched(Event, frozen=True):
    """The process lives. `started_us`: since when, by the keeper's word; None: since now."""

    pid: int
    started_us: int | None = None


class LaunchFailed(Event, frozen=True):
    """The process could not be executed."""

    reason: str


class ReadySeen(Event, frozen=True):
    """The game said that it is ready, or answered its query."""


class SavingSeen(Event, frozen=True):
    """The game said that it saves its world."""


class StopAsked(Event, frozen=True):
    """The stop command or signal has been delivered."""


class Exited(Event, frozen=True):
    """The process ended, now or while nobody looked. Exactly one of `code` and `signal` is set.

    `at_us`: when, by the keeper's word; None: now. `started_us`: when it began, where that may not be remembered.
    `cause`: which limit ended it, where one did.
    """

    code: int | None
    signal: int | None
    at_us: int | None = None
    started_us: int | None = None
    cause: str | None = None


class OutOfStorage(Event, frozen=True):
    """Its files take more than they may. `at_once`: so much more that there is no time for an orderly end."""

    reason: str
    at_once: bool = False


class KeeperLost(Event, frozen=True):
    """The process is gone and nobody can say how it ended.

    `alive_us`: when it was seen alive last; None: now. `started_us`: when it began, where that may not be remembered.
    """

    reason: str
    alive_us: int | None = None
    started_us: int | None = None


class Elapsed(Event, frozen=True):
    """The time set for `timer` is over."""

    timer: Timer


class Adopted(Event, frozen=True):
    """After a start of the node: the process of this server lives."""

    run_id: str
    pid: int
    started_us: int
    ready: bool = False
    """Whether it is known to have been ready."""


class NothingFound(Event, frozen=True):
    """After a start of the node: no process of this server lives, and there is no news of an end.

    `alive_us`: when one was seen alive last; None: nobody knows.
    """

    alive_us: int | None = None


class RunFound(Event, frozen=True):
    """After a start of the node: a run of which nothing is remembered has ended (the memory of it was lost)."""

    run_id: str
    started_us: int
    ended_us: int


class RunsTold(Event, frozen=True):
    """The panel has acknowledged the ends of these runs."""

    run_ids: frozenset[str]


class HostBooted(Event, frozen=True):
    """After a boot of the host: nothing of before lives. `start`: its power intent says that it should run.

    `alive_us`: when its process was seen alive last; None: nobody knows. `started_us`: when it began, where that may
    not be remembered.
    """

    start: bool
    alive_us: int | None = None
    started_us: int | None = None

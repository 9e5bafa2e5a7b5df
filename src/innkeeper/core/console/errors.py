"""What can be wrong about consoles."""

from innkeeper.core.errors import Conflict, Exhausted, Unavailable


class TooManyStreams(Exhausted):
    """Too many console streams are open."""


class LogIsEmpty(Conflict):
    """The log is empty."""


class LogSharingIsOff(Conflict):
    """Sharing logs is turned off here."""


class LogServiceFailed(Unavailable):
    """The service that shows logs did not take this one."""

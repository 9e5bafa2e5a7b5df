"""What can be wrong about servers."""

from innkeeper.core.errors import Conflict, Exhausted, Gone, Invalid, NotFound, Unavailable


class NoSuchServer(NotFound):
    """There is no such server."""


class ServerIsDeleted(Gone):
    """The server was deleted."""


class ServerIsInstalling(Conflict):
    """The server is being installed."""


class ServerIsNotInstalled(Conflict):
    """The server is not installed; its installation failed or has not begun."""


class ServerIsNotStopped(Conflict):
    """The server is not stopped."""


class ServerIsNotRunning(Conflict):
    """The server is not running."""


class ServerIsStarting(Conflict):
    """The server is already starting."""


class ServerIsStopping(Conflict):
    """The server is already stopping."""


class ManagementIsUnavailable(Conflict):
    """The game has no management server, or it does not answer now."""


class ManagementRefused(Conflict):
    """The game's management server refuses this."""


class ServerIsSuspended(Conflict):
    """The server is suspended."""


class ServerIsBusy(Conflict):
    """Another operation on the server is under way."""


class ServerChangedMeanwhile(Conflict):
    """The server was changed by somebody else at the same time; try again."""


class ServerNameIsInvalid(Invalid):
    """A server's name has 1 to 100 printable characters."""


class PropertyIsInvalid(Invalid):
    """A property has a value that the package does not accept."""


class PropertyIsUnknown(Invalid):
    """The package has no such property."""


class CommandIsInvalid(Invalid):
    """A console command is one line of at most 4096 bytes, without control characters."""


class LimitIsInvalid(Invalid):
    """A limit is a positive number within reason."""


class ExtensionIsInvalid(Invalid):
    """A server is kept for 1 to 86,400 seconds more."""


class AddressIsInvalid(Invalid):
    """This is no IP address."""


class DescriptionIsTooLong(Invalid):
    """A description has at most 2000 characters."""


class PortIsTaken(Conflict):
    """Another server of the node has this port."""


class PortIsInvalid(Invalid):
    """A port is a number from 1 to 65535."""


class NoPortIsFree(Exhausted):
    """The node has no free port left for this server."""


class ConsoleIsNotRead(Unavailable):
    """The game does not read its console."""


class TooManyServers(Exhausted):
    """The account owns as many servers as it may."""


class ServerIsNotKept(Conflict):
    """The server cannot be brought back: it was not deleted, or its files are gone."""


class ResourcesAreThePlans(Invalid):
    """A server with a plan has the resources of its plan."""

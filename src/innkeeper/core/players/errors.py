"""What can be wrong about player lists."""

from innkeeper.core.errors import Conflict, Invalid, NotFound, Unavailable


class NoSuchPlayerList(NotFound):
    """The game has no such player list."""


class PlayerNameIsInvalid(Invalid):
    """This cannot stand on the list."""


class PlayerIsUnknown(Invalid):
    """There is no player of this name."""


class TooManyEntries(Invalid):
    """So many entries cannot be changed at once."""


class ListChangeWasNotTaken(Conflict):
    """The game did not take the change."""


class ProfilesAreUnavailable(Unavailable):
    """The service that knows the players' accounts does not answer now."""


class ProfileServiceIsInvalid(Invalid):
    """A profile service is an http or https URL."""

"""What can be wrong about accounts."""

from innkeeper.core.errors import Conflict, Exhausted, Invalid, NotFound, Unauthenticated


class NoSuchAccount(NotFound):
    """There is no such account."""


class UsernameIsTaken(Conflict):
    """Another account has this name."""


class UsernameIsInvalid(Invalid):
    """A username has 3 to 40 letters, digits, dots, dashes and underscores, and starts with a letter or digit."""


class PasswordIsTooWeak(Invalid):
    """A password has at least 10 characters."""


class PasswordIsTooLong(Invalid):
    """A password has at most 256 characters."""


class EmailIsInvalid(Invalid):
    """This is no e-mail address."""


class WrongCredentials(Unauthenticated):
    """The username or the password is wrong."""


class TooManySignIns(Exhausted):
    """Too many failed sign-ins; wait before the next."""


class LastSuperuser(Conflict):
    """The last superuser cannot be removed, disabled or demoted."""


class AccountOwnsServers(Conflict):
    """The account still owns servers; give them away or delete them first."""

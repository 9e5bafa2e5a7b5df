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


class PersonNameIsInvalid(Invalid):
    """A given or family name has at most 100 printable characters."""


class CountryIsUnknown(Invalid):
    """A country is named by its two letters of ISO 3166-1."""


class CurrencyIsUnknown(Invalid):
    """A currency is named by its three letters of ISO 4217."""


class ReferralIsUnknown(Invalid):
    """No account has this referral token."""


class WrongCredentials(Unauthenticated):
    """The username or the password is wrong."""


class TooManySignIns(Exhausted):
    """Too many failed sign-ins; wait before the next."""


class LastSuperuser(Conflict):
    """The last superuser cannot be removed, disabled or demoted."""


class AccountOwnsServers(Conflict):
    """The account still owns servers; give them away or delete them first."""

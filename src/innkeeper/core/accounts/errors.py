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


class LanguageIsInvalid(Invalid):
    """A language is named as in `en` or `en_EN`."""


class ThemeIsInvalid(Invalid):
    """A theme's name has at most 50 letters, digits, dashes and underscores."""


class AttributesAreInvalid(Invalid):
    """An account has at most 32 attributes, with names of up to 64 and values of up to 1024 characters."""


class ReferralIsUnknown(Invalid):
    """No account has this referral token."""


class WrongCredentials(Unauthenticated):
    """The username or the password is wrong."""


class SecondFactorIsMissing(Unauthenticated):
    """The password is right; a one-time code, or a recovery code, is needed as well."""


class SecondFactorIsWrong(Unauthenticated):
    """The code is wrong, has expired or was used before."""


class SecondFactorIsOn(Conflict):
    """The account has a second factor already."""


class SecondFactorIsOff(Conflict):
    """The account has no second factor."""


class TooManyAttempts(Exhausted):
    """Too many failed sign-ins; wait before the next."""


class TooManyAccounts(Exhausted):
    """You have made as many accounts as you may."""


class LastSuperuser(Conflict):
    """The last superuser cannot be removed, disabled or demoted."""


class AccountOwnsServers(Conflict):
    """The account still owns servers; give them away or delete them first."""

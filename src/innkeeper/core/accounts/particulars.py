"""What makes sense as a particular of an account. Knows neither who asks nor what is kept."""

import re
from collections.abc import Mapping

from innkeeper.core.accounts.errors import (
    AttributesAreInvalid,
    CountryIsUnknown,
    CurrencyIsUnknown,
    EmailIsInvalid,
    LanguageIsInvalid,
    PasswordIsTooLong,
    PasswordIsTooWeak,
    PersonNameIsInvalid,
    ThemeIsInvalid,
    UsernameIsInvalid,
)
from innkeeper.core.accounts.model import LIMITED, SERVERS_LIMIT
from innkeeper.core.servers.errors import LimitIsInvalid
from innkeeper.kit.iso import COUNTRIES, CURRENCIES

MOST = 1 << 30
"""The greatest limit."""
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 256
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,39}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,2}")
_THEME = re.compile(r"[A-Za-z0-9_-]{0,50}")


def check_username(username: str) -> str:
    """Return it; raise UsernameIsInvalid."""
    if not _USERNAME.fullmatch(username):
        raise UsernameIsInvalid
    return username


def check_password(password: str, shortest: int = SHORTEST_PASSWORD) -> None:
    """Raise PasswordIsTooWeak or PasswordIsTooLong."""
    if len(password) < shortest:
        raise PasswordIsTooWeak
    if len(password) > LONGEST_PASSWORD:
        raise PasswordIsTooLong


def check_email(email: str) -> str:
    """Return it; raise EmailIsInvalid unless `email` is empty or looks like an address."""
    if email and not _EMAIL.fullmatch(email):
        raise EmailIsInvalid
    return email


def person_name(name: str) -> str:
    """Return a given or family name as it is kept; raise PersonNameIsInvalid."""
    name = name.strip()
    if len(name) > 100 or not name.isprintable():
        raise PersonNameIsInvalid
    return name


def country(code: str) -> str:
    """Return a country's code as it is kept, empty stays empty; raise CountryIsUnknown."""
    code = code.upper()
    if code and code not in COUNTRIES:
        raise CountryIsUnknown(country=code)
    return code


def currency(code: str) -> str:
    """Return a currency's code as it is kept, empty stays empty; raise CurrencyIsUnknown."""
    code = code.upper()
    if code and code not in CURRENCIES:
        raise CurrencyIsUnknown(currency=code)
    return code


def language(name: str) -> str:
    """Return it; raise LanguageIsInvalid. Empty is the house's."""
    if name and not _LANGUAGE.fullmatch(name):
        raise LanguageIsInvalid(language=name[:40])
    return name


def theme(name: str) -> str:
    """Return it; raise ThemeIsInvalid. Empty is what everybody has."""
    if not _THEME.fullmatch(name):
        raise ThemeIsInvalid
    return name


def attributes(found: Mapping[str, str]) -> dict[str, str]:
    """Return what a dialect keeps with an account; raise AttributesAreInvalid."""
    if len(found) > 32 or any(len(name) > 64 or len(value) > 1024 for name, value in found.items()):
        raise AttributesAreInvalid
    return dict(found)


def limits(wanted: Mapping[str, int]) -> dict[str, int]:
    """Return how often limited permissions may be used; raise LimitIsInvalid."""
    for permission, most in wanted.items():
        if permission not in LIMITED:
            raise LimitIsInvalid(f"There is no limit on {permission!r}.", limit=permission)
        if not 0 <= most <= MOST:
            name = "most_servers" if permission == SERVERS_LIMIT else permission
            raise LimitIsInvalid(f"{name} is from 0 to {MOST}.", limit=name)
    return dict(wanted)

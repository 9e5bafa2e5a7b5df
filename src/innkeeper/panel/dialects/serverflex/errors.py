"""Core's conditions as ServerFlex says them: the status, and the field of the request that it is about. Total.

ref: the response codes of every route, and the section Error Handling. A state that does not allow it, another
operation under way, a limit and a want of credit are all 412; what was deleted is 410.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager

from innkeeper.core.access.errors import PermissionIsUnknown
from innkeeper.core.accounts.errors import NoSuchAccount, TooManyAttempts
from innkeeper.core.catalog.errors import NoSuchPackage, NoSuchPlan, NoSuchRegion, NoSuchRuntime, NoSuchVersion
from innkeeper.core.errors import (
    Conflict,
    CoreError,
    Exhausted,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from innkeeper.core.servers.errors import CommandIsInvalid, ConsoleIsNotRead, ServerNameIsInvalid
from innkeeper.panel.http.bodies import BodyIsInvalid, BodyIsTooLarge
from innkeeper.panel.http.rates import TooManyRequests


class FieldIsInvalid(Invalid):
    """A field of the request is not what is needed here."""


class FormatIsNotOffered(Invalid):
    """Every answer is JSON, and this request accepts none."""


STATUSES: dict[type[CoreError], int] = {
    CoreError: 500,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Gone: 410,
    Invalid: 400,
    FormatIsNotOffered: 406,
    Conflict: 412,
    Exhausted: 412,
    BodyIsTooLarge: 400,
    TooManyRequests: 429,
    TooManyAttempts: 429,
    Unavailable: 503,
    ConsoleIsNotRead: 412,
}
"""The status of a condition is that of the nearest class above it which stands here."""

FIELDS: dict[type[CoreError], str] = {
    NoSuchPackage: "package",
    NoSuchPlan: "plan",
    NoSuchRegion: "region",
    NoSuchRuntime: "runtimes",
    NoSuchVersion: "runtimes",
    NoSuchAccount: "username",
    PermissionIsUnknown: "permission",
    ServerNameIsInvalid: "name",
    CommandIsInvalid: "input",
}
"""What a condition is about, where it does not say so itself."""

_PLACE = re.compile(r"at `\$\.(\w+)|field `(\w+)`")


def status_of(condition: type[CoreError]) -> int:
    """Return the status of a condition."""
    return next(STATUSES[ancestor] for ancestor in condition.__mro__ if ancestor in STATUSES)


def field_of(error: CoreError) -> str | None:
    """Return the field of the request that a condition is about, None where it is about none."""
    said = error.data.get("field") or error.data.get("property")
    if said is not None:
        return str(said)
    if isinstance(error, BodyIsInvalid):
        place = _PLACE.search(error.message)
        return (place[1] or place[2]) if place else None
    return next((FIELDS[kind] for kind in type(error).__mro__ if kind in FIELDS), None)


def headers_of(error: CoreError) -> dict[str, str]:
    """Return the headers that go with a condition."""
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    seconds = error.data.get("retry_after_s")
    return {"Retry-After": str(max(1, math.ceil(seconds)))} if isinstance(seconds, int | float) else {}


@contextmanager
def about(field: str) -> Iterator[None]:
    """Refuse what a field names and is not there, or is not offered any more, as a fault of that field."""
    try:
        yield
    except (NotFound, Gone, Invalid) as error:
        raise FieldIsInvalid(error.message, field=error.data.get("field") or field) from error

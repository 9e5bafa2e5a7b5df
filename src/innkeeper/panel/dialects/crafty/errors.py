"""Core's conditions as Crafty says them: the status, the error's name, and what goes with it. Total.

ref: the reference's routes. Who is not known is told so by 403, who may not by 400, as is who asks for a server that
is not there. What Crafty has no name for is called by the condition's own name, with a sentence in `error_data`.
"""

import math
from typing import Any

import msgspec

from innkeeper.core.access.errors import NoSuchKey, NoSuchRole, RoleNameIsTaken
from innkeeper.core.accounts.errors import (
    NoSuchAccount,
    SecondFactorIsMissing,
    SecondFactorIsWrong,
    TooManyAttempts,
    UsernameIsInvalid,
    UsernameIsTaken,
)
from innkeeper.core.catalog.errors import NoSuchRuntime, NoSuchVersion
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
from innkeeper.core.files.errors import EscapesJail, FileExists, FileNotFound
from innkeeper.core.schedules.errors import NoSuchSchedule
from innkeeper.core.servers.errors import NoSuchServer, PortIsInvalid, ServerIsDeleted
from innkeeper.core.webhooks.errors import NoSuchWebhook, TooManyTests
from innkeeper.panel.http.bodies import BodyIsTooLarge
from innkeeper.panel.http.rates import TooManyRequests

DENIED = "An error occured while authenticating the user"


class BodyIsNoJson(Invalid):
    """The body is not JSON."""


class BodyIsNotAsDue(Invalid):
    """The body is not what is needed here."""


class HasNoMeaning(Invalid):
    """This has no meaning in this house."""


class Refused(Invalid):
    """A refusal that has a name of its own in this dialect: `Refused(error="INVALID_SUPERUSER_MODIFY")`."""

    def __init__(self, message: str | None = None, *, error: str = "", status: int = 400, **more: Any) -> None:
        super().__init__(message, **more)
        self.error = error
        self.status = status


class Row(msgspec.Struct, frozen=True):
    """How a condition is said; without a name it is the condition's own."""

    status: int
    error: str = ""


ROWS: dict[type[CoreError], Row] = {
    CoreError: Row(500),
    Unauthenticated: Row(403, "ACCESS_DENIED"),
    SecondFactorIsMissing: Row(401, "MFA_REQUIRED"),
    SecondFactorIsWrong: Row(401, "INCORRECT_CREDENTIALS"),
    Forbidden: Row(400, "NOT_AUTHORIZED"),
    NotFound: Row(404),
    NoSuchServer: Row(400, "NOT_AUTHORIZED"),
    NoSuchAccount: Row(404, "USER_NOT_FOUND"),
    NoSuchRole: Row(404, "ROLE_NOT_FOUND"),
    NoSuchSchedule: Row(400, "NO SCHEDULE FOUND"),
    NoSuchWebhook: Row(400, "NO WEBHOOK FOUND"),
    NoSuchRuntime: Row(400),
    NoSuchVersion: Row(400),
    FileNotFound: Row(400, "FILE_DOES_NOT_EXIST"),
    FileExists: Row(400, "FILE EXISTS"),
    EscapesJail: Row(400, "TRAVERSAL DETECTED"),
    PortIsInvalid: Row(405, "DATA CONSTRAINT FAILED"),
    NoSuchKey: Row(404, "KEY_NOT_FOUND"),
    Gone: Row(410),
    ServerIsDeleted: Row(400, "NOT_AUTHORIZED"),
    Invalid: Row(400),
    BodyIsNoJson: Row(400, "INVALID_JSON"),
    BodyIsNotAsDue: Row(400, "INVALID_JSON_SCHEMA"),
    UsernameIsInvalid: Row(400, "INVALID_USERNAME"),
    Conflict: Row(409),
    UsernameIsTaken: Row(400, "USER_EXISTS"),
    RoleNameIsTaken: Row(400, "ROLE_NAME_ALREADY_EXISTS"),
    Exhausted: Row(409),
    BodyIsTooLarge: Row(413),
    TooManyRequests: Row(429),
    TooManyTests: Row(429),
    TooManyAttempts: Row(429, "TOO_MANY_ATTEMPTS"),
    Unavailable: Row(503),
}
"""A condition is said as the nearest class above it which stands here."""

_SAYS_ALL = frozenset(
    {
        "ACCESS_DENIED",
        "INVALID_USERNAME",
        "NOT_AUTHORIZED",
        "NO SCHEDULE FOUND",
        "NO WEBHOOK FOUND",
        "ROLE_NOT_FOUND",
        "USER_EXISTS",
    }
)
"""Errors that Crafty tells nothing more about."""


def row_of(condition: type[CoreError]) -> Row:
    """Return how a condition is said."""
    return next(ROWS[ancestor] for ancestor in condition.__mro__ if ancestor in ROWS)


def said(error: CoreError) -> tuple[int, str, dict[str, Any], dict[str, str]]:
    """Return status, name, further fields and headers of one of core's conditions."""
    if isinstance(error, Refused):
        return error.status, error.error or error.code.upper(), error.data, {}
    row = row_of(type(error))
    name = row.error or error.code.upper()
    more: dict[str, Any] = {}
    if name == "ACCESS_DENIED":
        more["info"] = DENIED
    elif name not in _SAYS_ALL:
        more["error_data"] = error.message
    seconds = error.data.get("retry_after_s")
    if not isinstance(seconds, int | float):
        return row.status, name, more, {}
    wait = max(1, math.ceil(seconds))
    return row.status, name, more | {"cooldown_time": wait}, {"Retry-After": str(wait)}

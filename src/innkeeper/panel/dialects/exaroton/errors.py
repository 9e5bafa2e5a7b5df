"""Core's conditions as exaroton says them: status and the text in the envelope. The table is total.

ref: exaroton's OpenAPI document lists 200, 208, 400, 403, 404 and 500; the texts are those its clients know, and where
it has none for a case, core's own.
"""

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.billing.errors import NoSuchPool
from innkeeper.core.console.errors import LogIsEmpty
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
from innkeeper.core.files.errors import FileNotFound
from innkeeper.core.servers.errors import (
    NoSuchServer,
    ServerIsDeleted,
    ServerIsNotRunning,
    ServerIsNotStopped,
    ServerIsStarting,
    ServerIsStopping,
)

STATUS_BY_KIND: dict[type[CoreError], int] = {
    Unauthenticated: 403,
    Forbidden: 403,
    NotFound: 404,
    Gone: 404,
    Invalid: 400,
    Conflict: 400,
    Exhausted: 400,
    Unavailable: 500,
    CoreError: 500,
}

STATUS: dict[type[CoreError], int] = {ServerIsStarting: 208, ServerIsStopping: 208}

TEXT: dict[type[CoreError], str] = {
    Unauthenticated: "Invalid API token",
    PermissionIsMissing: "Access denied",
    NoSuchServer: "Server not found",
    ServerIsDeleted: "Server not found",
    FileNotFound: "File not found",
    LogIsEmpty: "Log file is empty or does not exist",
    NoSuchPool: "Credit pool not found",
    ServerIsNotStopped: "Server is not offline",
    ServerIsNotRunning: "Server is not online",
    ServerIsStarting: "Server is already starting",
    ServerIsStopping: "Server is already stopping",
}


def rendered(error: CoreError) -> tuple[int, str]:
    """Return the status and the text for a condition."""
    kinds = type(error).__mro__
    status = next((STATUS[kind] for kind in kinds if kind in STATUS), None)
    if status is None:
        status = next(STATUS_BY_KIND[kind] for kind in kinds if kind in STATUS_BY_KIND)
    text = next((TEXT[kind] for kind in kinds if kind in TEXT), error.message)
    return status, text

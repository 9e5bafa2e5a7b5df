"""Core's conditions as HTTP: one shape, and a status for every condition there is.

    {"error": {"code": "server_is_starting", "kind": "conflict", "message": "…", "data": {…}}}

What went wrong inside is logged with an id and never told; the id is.
"""

import math
from collections.abc import Mapping
from typing import Any, cast
from uuid import uuid4

import msgspec
from litestar.connection import Request
from litestar.enums import MediaType
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.response import Response
from litestar.types import ExceptionHandlersMap

from innkeeper.core.accounts.errors import TooManyAttempts
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
    snake,
)
from innkeeper.core.files.errors import FileIsTooLarge, NoSpaceLeft
from innkeeper.core.webhooks.errors import TooManyTests
from innkeeper.kit.log import get_logger
from innkeeper.kit.pages import BadCursor
from innkeeper.panel.http.bodies import BodyIsInvalid, BodyIsTooLarge
from innkeeper.panel.http.rates import TooManyRequests

log = get_logger(__name__)


class TooManyCommands(Exhausted):
    """Commands come too fast; slow down."""


class TicketIsInvalid(Unauthenticated):
    """The ticket was used, has expired, or is for something else."""


class FrameIsInvalid(Invalid):
    """The message is not what is needed here."""


STATUSES: dict[type[CoreError], int] = {
    CoreError: 500,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Gone: 410,
    Invalid: 422,
    BodyIsInvalid: 400,
    Conflict: 409,
    Exhausted: 409,
    TooManyAttempts: 429,
    TooManyCommands: 429,
    TooManyRequests: 429,
    TooManyTests: 429,
    BodyIsTooLarge: 413,
    FileIsTooLarge: 413,
    NoSpaceLeft: 507,
    Unavailable: 503,
}
"""The status of a condition is that of the nearest class above it which stands here."""


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong."""

    code: str
    """The condition, for programs: stable."""
    kind: str
    """The kind of condition: unauthenticated, forbidden, not_found, gone, invalid, conflict, exhausted, unavailable."""
    message: str
    """The same for people."""
    data: dict[str, Any] = {}


class ErrorView(msgspec.Struct, frozen=True):
    """Every answer that is no success has this shape."""

    error: ErrorBody


def status_of(condition: type[CoreError]) -> int:
    """Return the HTTP status of a condition."""
    return next(STATUSES[ancestor] for ancestor in condition.__mro__ if ancestor in STATUSES)


def headers_of(error: CoreError) -> dict[str, str]:
    """Return the headers that go with an error."""
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    seconds = error.data.get("retry_after_s")
    if isinstance(seconds, int | float):
        return {"Retry-After": str(max(1, math.ceil(seconds)))}
    return {}


def body_of(error: CoreError) -> ErrorView:
    """Return an error as it is told."""
    return ErrorView(ErrorBody(error.code, error.kind, error.message, error.data))


def _plain(value: Any) -> Any:
    """Encode what `data` may hold and JSON has no word for."""
    return str(value)


def encode_error(view: ErrorView) -> bytes:
    """Return the error as JSON, whatever its data holds."""
    return msgspec.json.encode(view, enc_hook=_plain)


def _respond(view: ErrorView, status: int, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    return Response(encode_error(view), status_code=status, media_type=MediaType.JSON, headers=dict(headers or {}))


def _core(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    known = cast("CoreError", error)
    return _respond(body_of(known), status_of(type(known)), headers_of(known))


def _http(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Tell what the framework refuses: unknown paths, wrong methods, parameters and bodies that do not fit."""
    known = cast("HTTPException", error)
    data: dict[str, Any] = {}
    match known:
        case ValidationException():
            code, kind, message = "request_is_invalid", "invalid", "The request does not fit what is needed here."
            data = {"problems": _problems(known)}
        case NotFoundException():
            code, kind, message = "no_such_path", "not_found", "There is nothing at this path."
        case MethodNotAllowedException():
            code, kind, message = "method_not_allowed", "invalid", "This path does not know this method."
        case _ if known.status_code == 413:
            code, kind, message = snake(BodyIsTooLarge.__name__), "exhausted", "The request's body is too large."
        case ClientException():
            code, kind, message = "request_is_invalid", "invalid", f"The request cannot be understood: {known.detail}"
        case _:
            return _fault(_, error)
    headers = {name: value for name, value in (known.headers or {}).items() if name.lower() == "allow"}
    return _respond(ErrorView(ErrorBody(code, kind, message, data)), known.status_code, headers)


def _problems(error: ValidationException) -> list[dict[str, str]]:
    extra = error.extra if isinstance(error.extra, list) else []
    known = [item for item in extra if isinstance(item, dict)]
    return [{"field": str(item.get("key", "")), "message": str(item.get("message", ""))} for item in known]


def _cursor(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return _respond(ErrorView(ErrorBody("bad_cursor", "invalid", f"{str(error).capitalize()}.")), 400)


def _too_deep(request: Request[Any, Any, Any], _: Exception) -> Response[bytes]:
    log.warning("api.body.too_deep", path=request.url.path)
    return _core(request, BodyIsInvalid("The body is nested too deeply."))


def _no_text(request: Request[Any, Any, Any], _: Exception) -> Response[bytes]:
    return _core(request, BodyIsInvalid("The request is not UTF-8."))


def _fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    fault = uuid4().hex
    log.error("api.fault", fault=fault, method=request.method, path=request.url.path, exc_info=error)
    message = "Something went wrong inside. The log knows more under this id."
    return _respond(ErrorView(ErrorBody("fault", "failed", message, {"fault": fault})), 500)


def handlers() -> ExceptionHandlersMap:
    """Return how every exception is answered."""
    return {
        CoreError: _core,
        HTTPException: _http,
        BadCursor: _cursor,
        RecursionError: _too_deep,
        UnicodeDecodeError: _no_text,
        Exception: _fault,
    }

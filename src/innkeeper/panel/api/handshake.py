"""WebSockets that are refused before they are accepted: told in HTTP, where the server can, in the usual shape."""

from typing import Any

from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, WebSocketException
from litestar.types import Message, Scope, Send

from innkeeper.core.errors import CoreError
from innkeeper.kit.log import get_logger
from innkeeper.panel.api.door import REFUSED
from innkeeper.panel.api.errors import ErrorBody, ErrorView, encode_error

log = get_logger(__name__)

_EXTENSION = "websocket.http.response"
_OURS = '{"error"'


def told_in_http(scope: Scope, send: Send) -> Send:
    """Return a `send` that turns a close before the accept into an HTTP answer."""
    accepted = _EXTENSION not in (scope.get("extensions") or {})

    async def tell(message: Message) -> None:
        nonlocal accepted
        if accepted or message["type"] != "websocket.close":
            accepted = accepted or message["type"] == "websocket.accept"
            await send(message)
            return
        status, body = _refusal(message.get("code", 0), message.get("reason") or "")
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        start: Any = {"type": f"{_EXTENSION}.start", "status": status, "headers": headers}
        rest: Any = {"type": f"{_EXTENSION}.body", "body": body, "more_body": False}
        await send(start)
        await send(rest)

    return tell


def _refusal(code: int, reason: str) -> tuple[int, bytes]:
    if reason.startswith(_OURS) and REFUSED + 400 <= code < REFUSED + 600:
        return code - REFUSED, reason.encode()
    if reason in ("Internal Server Error", ""):
        return 500, encode_error(ErrorView(ErrorBody("fault", "failed", "Something went wrong inside.")))
    return 400, encode_error(ErrorView(ErrorBody("request_is_invalid", "invalid", f"It was refused: {reason}.")))


async def note_fault(error: Exception, scope: Scope) -> None:
    """Log what went wrong inside while a WebSocket was served; for HTTP that is done where it is answered."""
    if scope["type"] == ScopeType.WEBSOCKET and not isinstance(error, CoreError | HTTPException | WebSocketException):
        log.error("api.stream.fault", path=scope["path"], exc_info=error)

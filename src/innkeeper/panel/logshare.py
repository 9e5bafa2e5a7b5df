"""Logs given to mclo.gs, or to a service that speaks as it does. ref: api.mclo.gs, "Paste a log file".

    POST {endpoint}   content=…, form-encoded   →   {"success": true, "id": …, "url": …, "raw": …}

Follows no redirect, waits no longer than it says, and believes no answer that is not of this form. Knows neither
servers nor what a log may hold.
"""

import asyncio
from urllib.parse import urlencode, urlsplit

import msgspec

from innkeeper.core.console.errors import LogServiceFailed
from innkeeper.core.console.sharing import SharedLog
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import in_thread

log = get_logger(__name__)

PATIENCE_S = 30.0
_CONNECT_S = 10.0
_MAX_ANSWER = 64 * 1024
_MAX_ID, _MAX_URL = 100, 2000


class _Answer(msgspec.Struct):
    success: bool
    id: str = ""
    url: str = ""
    raw: str = ""
    error: str | None = None


class McLogs:
    """A client of such a service."""

    def __init__(self, endpoint: str, *, patience_s: float = PATIENCE_S) -> None:
        """`endpoint`: the whole URL that takes logs; raise ValueError where it is none."""
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{endpoint!r} is no http or https URL")
        self._endpoint = endpoint
        self._patience_s = patience_s

    async def upload(self, text: str) -> SharedLog:
        """Upload a log and return where it is; raise LogServiceFailed with what the service says."""
        import httpx  # much for those who never share a log

        body = await in_thread(_form, text)
        try:
            async with asyncio.timeout(self._patience_s):
                return _checked(*await self._post(body))
        except (httpx.HTTPError, TimeoutError) as error:
            log.warning("log.upload.failed", endpoint=self._endpoint, error=repr(error))
            raise LogServiceFailed("The service that shows logs cannot be reached now.") from error

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        """Return status and body of the answer, no more of it than one may have."""
        import httpx

        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        timeout = httpx.Timeout(self._patience_s, connect=_CONNECT_S)
        async with (
            httpx.AsyncClient(timeout=timeout, follow_redirects=False) as client,
            client.stream("POST", self._endpoint, content=body, headers=headers) as answer,
        ):
            said = bytearray()
            async for part in answer.aiter_bytes():
                said += part
                if len(said) > _MAX_ANSWER:
                    raise LogServiceFailed("The service that shows logs answers far too much.")
            return answer.status_code, bytes(said)


def _form(text: str) -> bytes:
    return urlencode({"content": text}, errors="replace").encode()


def _checked(status: int, body: bytes) -> SharedLog:
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.warning("log.upload.answer_invalid", status=status, error=str(error))
        raise LogServiceFailed(f"The service that shows logs answers {status} and nothing to be understood.") from error
    if not answer.success:
        reason = (answer.error or "no reason is given")[:200]
        raise LogServiceFailed(f"The service that shows logs refuses this one: {reason}")
    if not 200 <= status < 300 or not _is_id(answer.id) or not (_is_url(answer.url) and _is_url(answer.raw)):
        log.warning("log.upload.answer_invalid", status=status)
        raise LogServiceFailed("The service that shows logs does not say where it is.")
    return SharedLog(answer.id, answer.url, answer.raw)


def _is_id(text: str) -> bool:
    return 0 < len(text) <= _MAX_ID and text.isascii() and text.isprintable() and " " not in text


def _is_url(text: str) -> bool:
    if not 0 < len(text) <= _MAX_URL or not text.isascii() or not text.isprintable() or set(text) & set(' "<>\\'):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)

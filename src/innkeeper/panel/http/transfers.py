"""Files on their way through HTTP, in both directions, as they are: what every API that moves them needs.

Knows no route and no envelope; what a file is about is core's.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from litestar import Request

from innkeeper.core.files.errors import FileIsTooLarge
from innkeeper.core.files.service import MAX_FILE
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
"""Headers with which no browser takes what a user uploaded for a page of ours."""


def attached(name: str) -> dict[str, str]:
    """Return the headers of a reply that is to be kept as a file of that name, and never shown as a page."""
    return SAFE | {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


class FileBecameShorter(RuntimeError):
    """A file that is being sent became shorter meanwhile: the length that was promised cannot be kept."""


class Body:
    """What a request brings, read as it comes; raises FileIsTooLarge where it says that it is more than `most`."""

    def __init__(self, request: Request[Any, Any, Any], most: int = MAX_FILE) -> None:
        promised = request.headers.get("content-length", "")
        if promised.isascii() and promised.isdigit() and int(promised[:20]) > most:
            raise FileIsTooLarge(limit_bytes=most)
        self._request = request
        self.begun = False
        """Whether any of it was asked for: it cannot be had twice."""

    async def parts(self) -> AsyncIterator[bytes]:
        """Give out the parts."""
        self.begun = True
        async for part in self._request.stream():
            yield part


async def exactly(first: bytes, rest: AsyncGenerator[bytes, None], size: int) -> AsyncIterator[bytes]:
    """Give out `size` bytes and no more; a file that became shorter breaks the transfer off."""
    async with aclosing(rest):
        left = size
        part: bytes | None = first
        while part and left > 0:
            yield part[:left]
            left -= len(part)
            part = await anext(rest, None) if left > 0 else None
    if left > 0:
        log.warning("file.became_shorter", missing_bytes=left)
        raise FileBecameShorter

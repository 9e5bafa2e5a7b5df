"""Request bodies read with a limit, whatever the sender says of their type and length."""

from typing import Any, TypeVar

import msgspec
from litestar.connection import Request

from innkeeper.core.errors import Exhausted, Invalid

T = TypeVar("T")

MAX_JSON = 1024 * 1024


class BodyIsTooLarge(Exhausted):
    """The request's body is too large."""


class BodyIsInvalid(Invalid):
    """The request's body is not what is needed here."""


async def read_body(request: Request[Any, Any, Any], limit: int = MAX_JSON) -> bytes:
    """Return the whole body; raise BodyIsTooLarge past `limit` bytes."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise BodyIsTooLarge(limit_bytes=limit)
        parts.append(part)
    return b"".join(parts)


async def read_json(request: Request[Any, Any, Any], kind: type[T], *, empty: bytes | None = None) -> T:
    """Return the body, JSON of any declared content type, as `kind`; an empty body means `empty` where given.

    Raises BodyIsInvalid with the reason, BodyIsTooLarge.
    """
    body = await read_body(request)
    if not body.strip() and empty is not None:
        body = empty
    return parse_json(body, kind)


def parse_json(body: bytes | str, kind: type[T]) -> T:
    """Return JSON text as `kind`; raise BodyIsInvalid with the reason."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BodyIsInvalid(f"The body is not what is needed here: {error}.") from error
    except RecursionError as error:
        raise BodyIsInvalid("The body is nested too deeply.") from error

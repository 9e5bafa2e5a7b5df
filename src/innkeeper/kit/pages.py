"""Pages of a long list, walked by an opaque cursor.

Knows nothing of what is listed. A cursor holds the sort key of the last item given out, so pages stay right while
items come and go.
"""

import base64
import binascii
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

MAX_PAGE = 500
DEFAULT_PAGE = 50


class BadCursor(ValueError):
    """The cursor was not made by this list."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items and the cursor that continues after them (None at the end)."""

    items: list[T]
    next: str | None = None


def encode_cursor(*key: int | str) -> str:
    """Return the opaque cursor for the sort key of the last item given."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str) -> list[int | str]:
    """Return the sort key inside `cursor`; raise BadCursor when it is not one of ours."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=list[int | str])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise BadCursor("the cursor is not one that this list gave out") from error


def decode_integer_cursor(cursor: str | None) -> int | None:
    """Return the integer key inside `cursor` (None stays None); raise BadCursor for any other shape."""
    if cursor is None:
        return None
    match decode_cursor(cursor):
        case [int(number)] if abs(number) < 1 << 62:
            return number
    raise BadCursor("the cursor is not one that this list gave out")

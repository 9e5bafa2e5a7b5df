"""Pages by number, and what else stands in a query: `?limit=25&page=1`, `?timeout=30`, `?from=2021-01-07T13:07:43Z`.

ref: the section Result Response: limit 1 to 50, page from 1 on.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request

from innkeeper.panel.dialects.serverflex.errors import FieldIsInvalid

DEFAULT_LIMIT = 25
MAX_LIMIT = 50
MAX_TIMEOUT_S = 30
_NUMBER = re.compile(r"-?[0-9]{1,12}")
_DECIMAL = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")
"""The .NET client writes decimals as its user's language does."""
_SPACE_BEFORE_OFFSET = re.compile(r" (?=[0-9]{2}:[0-9]{2}$)")
"""A plus that was not escaped."""

_Asking = Request[Any, Any, Any]


class Place(msgspec.Struct, frozen=True):
    """Which page of what size is asked for."""

    limit: int = DEFAULT_LIMIT
    page: int = 1

    @property
    def span(self) -> slice:
        """Where the page lies in the whole list."""
        return slice((self.page - 1) * self.limit, self.page * self.limit)


def place_of(request: _Asking) -> Place:
    """Return which page a request asks for; raise FieldIsInvalid."""
    limit, page = _number(request, "limit", DEFAULT_LIMIT), _number(request, "page", 1)
    if not 1 <= limit <= MAX_LIMIT:
        raise FieldIsInvalid(f"limit is from 1 to {MAX_LIMIT}.", field="limit")
    if page < 1:
        raise FieldIsInvalid("page is 1 or more.", field="page")
    return Place(limit, page)


def timeout_of(request: _Asking) -> float:
    """Return for how many seconds to wait, within 1 to 30; raise FieldIsInvalid for what is no number.

    One client asks for 120 by default: that is taken for the most there is.
    """
    text = request.query_params.get("timeout")
    if text is None:
        return MAX_TIMEOUT_S
    if not _DECIMAL.fullmatch(text):
        raise FieldIsInvalid("timeout is a number of seconds.", field="timeout")
    return max(1, min(float(text.replace(",", ".")), MAX_TIMEOUT_S))


def moment_of(request: _Asking, name: str) -> datetime | None:
    """Return a time in ISO 8601 in UTC, of which it is where it does not say; raise FieldIsInvalid. None: not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(_SPACE_BEFORE_OFFSET.sub("+", text))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise FieldIsInvalid(f"{name} is a time in ISO 8601.", field=name) from error


def flag_of(request: _Asking, name: str) -> bool:
    """Say whether something is asked for: `?cpu=true`."""
    return str(request.query_params.get(name, "")).lower() in ("true", "1")


def results(items: Sequence[bytes], total: int, place: Place) -> bytes:
    """Return a page of what is already JSON. ref: Result Response."""
    return b'{"results":[%b],"totalResults":%d,"limit":%d,"page":%d,"totalPages":%d}' % (
        b",".join(items),
        total,
        place.limit,
        place.page,
        -(-total // place.limit),
    )


def _number(request: _Asking, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text):
        raise FieldIsInvalid(f"{name} is a whole number.", field=name)
    return int(text)

"""What every answer of this dialect is: JSON of its own shape, a refusal, or nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Response

from innkeeper.panel.dialects.serverflex.shapes import ErrorView, RefusalView

JSON = "application/json"


def reply(body: bytes) -> Response[bytes]:
    """Return what is already JSON."""
    return Response(body, status_code=200, media_type=JSON)


def show(view: Any) -> Response[bytes]:
    """Return a view as JSON."""
    return reply(msgspec.json.encode(view))


def nothing() -> Response[None]:
    """Return 204."""
    return Response(None, status_code=204)


def refusal(
    status: int, code: str, message: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """Return a refusal, in the one body that every known client can read."""
    body = msgspec.json.encode(RefusalView([ErrorView(code, message)], code, code, message, field))
    return Response(body, status_code=status, media_type=JSON, headers=dict(headers or {}))


def moment(at: datetime) -> str:
    """Return a time as ISO 8601 with seven digits of a second and the offset of UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0+00:00"

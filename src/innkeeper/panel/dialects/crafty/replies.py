"""What every answer of this dialect is: `{"status": "ok", "data": …}`, or an error of the same form."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response

JSON = "application/json"


def done(status: int = 200) -> Response[bytes]:
    """Return that it was done, and nothing more."""
    return bare({"status": "ok"}, status)


def show(data: Any, status: int = 200) -> Response[bytes]:
    """Return data as JSON."""
    return bare({"status": "ok", "data": data}, status)


def bare(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """Return JSON without the usual form around it: some replies of Crafty's have none."""
    return Response(msgspec.json.encode(body), status_code=status, media_type=JSON, headers=dict(headers or {}))


def refusal(status: int, error: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response[bytes]:
    """Return a refusal; `more` are further fields, such as `error_data` and `info`."""
    return bare({"status": "error", "error": error, **more}, status, headers)

"""What every answer of this dialect is: an envelope, or nothing but bytes."""

from typing import Any

import msgspec
from litestar import Response

from innkeeper.panel.dialects.exaroton.shapes import Envelope

JSON = "application/json"


def success(data: bytes) -> bytes:
    """Return the envelope of a reply whose data is already JSON."""
    return b'{"success":true,"error":null,"data":' + data + b"}"


def failure(text: str) -> bytes:
    """Return the envelope of a refusal."""
    return msgspec.json.encode(Envelope(False, text, None))


def reply(data: bytes, status: int = 200) -> Response[bytes]:
    """Return an envelope around data that is already JSON; the content type is exact, clients compare it."""
    return Response(success(data), status_code=status, media_type=JSON)


def show(data: Any) -> Response[bytes]:
    """Return an envelope around a view, or a text: some clients take null for a failure."""
    return reply(msgspec.json.encode(data))

"""The path of a file within the path of a request.

It comes decoded, and without slashes at its ends or twice in a row: whatever else it says, the jail judges it.
"""

from typing import Any
from urllib.parse import unquote_to_bytes

from litestar import Request

from innkeeper.core.files.errors import FileNameIsInvalid


def file_path(request: Request[Any, Any, Any]) -> str:
    """Return the path below the server's folder, empty for that itself; raise FileNameIsInvalid for no UTF-8."""
    try:
        unquote_to_bytes(request.scope["raw_path"]).decode()
    except UnicodeDecodeError as error:
        raise FileNameIsInvalid from error
    return str(request.path_params.get("path", "")).lstrip("/")

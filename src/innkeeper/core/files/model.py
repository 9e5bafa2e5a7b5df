"""What a file of a server is."""

from datetime import datetime
from typing import Literal

import msgspec


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file, folder or other thing, by its path below the server's folder."""

    path: str
    name: str
    kind: Literal["file", "directory", "link", "other"]
    size: int
    """Bytes."""
    modified_at: datetime
    mode: int
    """Permission bits."""

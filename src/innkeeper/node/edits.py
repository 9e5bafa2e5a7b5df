"""What all that edits a game's small files shares: they are read whole, and no two edits of one server overlap.

Knows no format.
"""

import threading
from pathlib import Path

from innkeeper.node.files.errors import NotFound, TooLarge
from innkeeper.node.files.jail import Jail


class EditLocks:
    """One lock for each server's folder, whoever edits there. For threads."""

    def __init__(self) -> None:
        self._locks: dict[Path, threading.Lock] = {}

    def of(self, jail: Jail) -> threading.Lock:
        """Return the lock of the folder that `jail` guards."""
        return self._locks.setdefault(jail.root, threading.Lock())


def read_whole(jail: Jail, path: str, most: int) -> bytes | None:
    """Return a file's content, None where there is no such file; raise TooLarge beyond `most` bytes, JailError."""
    try:
        content = jail.read(path, 0, most + 1)
    except NotFound:
        return None
    if len(content) > most:
        raise TooLarge(path, f"a file that is edited may have at most {most} bytes")
    return content

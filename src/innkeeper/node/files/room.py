"""What the jail asks before it takes disk space: the room that a server's files have left.

Knows no figures: who keeps them is given to the jail, and may refuse.
"""

from typing import Protocol

BLOCK = 4096
"""What the smallest file or folder takes on most file systems; sizes are counted in whole blocks."""
SPARE = 1 << 20
"""So much of a file's size is free for what replaces it: even a full server's config can be changed."""


class Room(Protocol):
    """The disk space of one server. Called from any thread; may block for a walk over its files."""

    def take(self, size: int, path: str) -> None:
        """Have `size` more bytes counted before they are written at `path`. Raises `NoSpace`."""
        ...

    def give_back(self, size: int) -> None:
        """Have `size` bytes counted no more: what they were taken for is gone."""
        ...

    def lessened(self) -> None:
        """Take note that something, nobody says how much, was removed."""
        ...


class Unlimited:
    """Room without an end."""

    def take(self, size: int, path: str) -> None:
        """Refuse nothing."""

    def give_back(self, size: int) -> None:
        """Count nothing."""

    def lessened(self) -> None:
        """Count nothing."""


UNLIMITED = Unlimited()


def whole_blocks(size: int) -> int:
    """Return the bytes of disk that a file of `size` bytes takes."""
    return -(-size // BLOCK) * BLOCK

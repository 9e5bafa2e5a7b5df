"""What a config file driver promises: to read and set values without disturbing the rest of the file.

Works on bytes that somebody else read and will write: knows no path, no server and no game.
"""

from collections.abc import Mapping
from typing import Protocol


class ConfigUnreadable(ValueError):
    """The file cannot be understood as this format; the message says where."""


class ConfigFormat(Protocol):
    """One format of config files. Keys of nested formats are joined by dots."""

    name: str

    def read(self, content: bytes) -> dict[str, str]:
        """Return every key with its value as text; raise ConfigUnreadable for what is not this format.

        Total time is linear in the size of `content`, which comes from the game or its owner and is not trusted.
        """
        ...

    def edit(self, content: bytes, values: Mapping[str, str]) -> bytes:
        """Return `content` with `values` set: `read` then finds them, and nothing else has changed.

        Comments, order, unknown keys and line endings stay byte for byte; a value that stands already is not touched,
        so editing twice changes nothing. New keys come last. Empty content makes a new file. Raises ConfigUnreadable.
        """
        ...

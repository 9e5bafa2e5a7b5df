"""Write values into a game's config files, through the jail.

Knows which formats there are; what the values mean is the package's business, and the rest of the file the user's.
"""

import posixpath
from collections.abc import Sequence

from innkeeper.contracts.configfile import ConfigFormat, ConfigUnreadable
from innkeeper.node.files.errors import NotFound
from innkeeper.node.files.jail import Jail
from innkeeper.wire.messages import ConfigWrite

MAX_CONFIG_BYTES = 4 * 1024 * 1024


class ConfigWriter:
    """Sets what a `ConfigWrite` says. Blocking."""

    def __init__(self, formats: Sequence[ConfigFormat]) -> None:
        self._formats = {one.name: one for one in formats}

    def __call__(self, jail: Jail, write: ConfigWrite) -> None:
        """Set the values; the file is made where it is missing, and left alone where they stand already.

        Raises ConfigUnreadable (also for a format that is unknown and a file that is too large) and JailError.
        """
        one = self._formats.get(write.format)
        if one is None:
            raise ConfigUnreadable(f"this node does not know the format {write.format!r} of {write.path}")
        try:
            content = jail.read(write.path, 0, MAX_CONFIG_BYTES + 1)
        except NotFound:
            content = b""
            jail.make_directory(posixpath.dirname(write.path), parents=True)
        if len(content) > MAX_CONFIG_BYTES:
            raise ConfigUnreadable(f"{write.path} is larger than {MAX_CONFIG_BYTES} bytes")
        present = one.read(content) if write.initial else {}
        values = {key: value for key, value in write.initial.items() if key not in present}
        fresh = one.edit(content, {**values, **write.values})
        if fresh != content:
            jail.write(write.path, fresh)

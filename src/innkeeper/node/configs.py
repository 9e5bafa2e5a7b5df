"""Read and write values in a game's config files, through the jail.

Knows which formats there are; what the values mean is the package's business, and the rest of the file the user's.
"""

import posixpath
from collections.abc import Sequence

from innkeeper.contracts.configfile import ConfigFormat, ConfigUnreadable
from innkeeper.node.edits import EditLocks, read_whole
from innkeeper.node.files.errors import NotFound, TooLarge
from innkeeper.node.files.jail import Jail
from innkeeper.wire.codec import encode
from innkeeper.wire.messages import ConfigRead, ConfigWrite

MAX_CONFIG_BYTES = 4 * 1024 * 1024
MAX_VALUES_BYTES = 512 * 1024
"""How much of a config file's values an answer can hold."""


class ConfigWriter:
    """Sets what a `ConfigWrite` says, and tells what stands. Blocking."""

    def __init__(self, formats: Sequence[ConfigFormat], locks: EditLocks) -> None:
        self._formats = {one.name: one for one in formats}
        self._locks = locks

    def __call__(self, jail: Jail, write: ConfigWrite) -> None:
        """Set the values; the file is made where it is missing, and left alone where they stand already.

        Raises ConfigUnreadable (also for a format that is unknown) and JailError.
        """
        one = self._format(write.format, write.path)
        with self._locks.of(jail):
            content = read_whole(jail, write.path, MAX_CONFIG_BYTES)
            present = one.read(content or b"") if write.initial else {}
            values = {key: value for key, value in write.initial.items() if key not in present}
            fresh = one.edit(content or b"", {**values, **write.values})
            if fresh == (content or b""):
                return
            if len(fresh) > MAX_CONFIG_BYTES:
                raise TooLarge(write.path)
            if content is None:
                jail.make_directory(posixpath.dirname(write.path), parents=True)
            jail.write(write.path, fresh)

    def read(self, jail: Jail, path: str, format_name: str) -> ConfigRead:
        """Return all values of a file, in its order.

        Raises ConfigUnreadable (also for a format that is unknown) and JailError: NotFound where there is no file.
        """
        one = self._format(format_name, path)
        content = read_whole(jail, path, MAX_CONFIG_BYTES)
        if content is None:
            raise NotFound(path)
        found = ConfigRead(values=one.read(content))
        if len(encode(found)) > MAX_VALUES_BYTES:
            raise TooLarge(path, "the file has more values than an answer can hold")
        return found

    def _format(self, name: str, path: str) -> ConfigFormat:
        one = self._formats.get(name)
        if one is None:
            raise ConfigUnreadable(f"this node does not know the format {name!r} of {path}")
        return one

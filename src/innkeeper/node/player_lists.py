"""Read and change a game's player lists, through the jail.

Knows which formats there are; who may stand on a list is the panel's to say.
"""

import posixpath
from collections.abc import Sequence

from innkeeper.contracts.playerlist import Entry, PlayerListFormat
from innkeeper.kit.clock import Clock
from innkeeper.node.edits import EditLocks, read_whole
from innkeeper.node.files.errors import TooLarge
from innkeeper.node.files.jail import Jail
from innkeeper.node.refusals import Refused
from innkeeper.wire import messages as wire

MAX_LIST_BYTES = 4 * 1024 * 1024
MAX_LISTED_BYTES = 512 * 1024
_ENTRY_BYTES = 40
"""What an entry takes in an answer beside its name."""


class PlayerLists:
    """Does what an `EditPlayerList` says. Blocking."""

    def __init__(self, formats: Sequence[PlayerListFormat], clock: Clock, locks: EditLocks) -> None:
        self._formats = {one.name: one for one in formats}
        self._clock = clock
        self._locks = locks

    def __call__(self, jail: Jail, ask: wire.EditPlayerList) -> wire.PlayerListed:
        """Change the file, which is left alone where nothing is to be done, and return the list as it is then.

        Raises ListUnreadable, EntryRefused, JailError, and Refused for a format that is unknown.
        """
        one = self._formats.get(ask.format)
        if one is None:
            raise Refused("config_is_unreadable", f"This node does not know the format {ask.format!r} of {ask.path}.")
        if not ask.add and not ask.remove:
            return _listed(one.read(read_whole(jail, ask.path, MAX_LIST_BYTES) or b"", ask.key), ask.path)
        with self._locks.of(jail):
            content = read_whole(jail, ask.path, MAX_LIST_BYTES)
            fresh = one.edit(
                content or b"",
                ask.key,
                add=[Entry(entry.name, entry.uuid) for entry in ask.add],
                remove=ask.remove,
                fields=ask.fields,
                now=self._clock.now(),
            )
            listed = _listed(one.read(fresh, ask.key), ask.path)
            if len(fresh) > MAX_LIST_BYTES:
                raise TooLarge(ask.path)
            if fresh != (content or b""):
                if content is None:
                    jail.make_directory(posixpath.dirname(ask.path), parents=True)
                jail.write(ask.path, fresh)
        return listed


def _listed(entries: Sequence[Entry], path: str) -> wire.PlayerListed:
    if sum(len(entry.name.encode()) + _ENTRY_BYTES for entry in entries) > MAX_LISTED_BYTES:
        raise TooLarge(path, "the list is longer than an answer can be")
    return wire.PlayerListed(entries=[wire.ListedPlayer(name=entry.name, uuid=entry.uuid) for entry in entries])

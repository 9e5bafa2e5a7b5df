"""The log that a game itself writes into its folder, read back from its end.

Which file that is the package says, so that whoever may read logs may read this one file and no other.
"""

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.files.errors import FileNotFound
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.servers.directory import Record, ServerDirectory

_PART = 512 * 1024
MOST_BYTES = 4 * 1024 * 1024
"""Of a log's end, whatever number of lines is asked for."""


class LogFiles:
    """Logs of games, for those who may."""

    def __init__(self, *, gateway: NodeGateway, servers: ServerDirectory, catalog: Catalog) -> None:
        self._gateway = gateway
        self._servers = servers
        self._catalog = catalog

    async def tail(self, actor: Actor, record: Record, count: int) -> list[str]:
        """Return the last `count` lines; needs `logs.read`. Raises FileNotFound where the game writes no log."""
        self._servers.reach(actor, record, ServerPermission.LOGS_READ)
        path = self._catalog.log_file(record.server)
        if not path:
            raise FileNotFound
        _, size = await self._gateway.read_file(record.server, path, 0, 0)
        begin, parts = max(0, size - MOST_BYTES), bytearray()
        at = begin
        while at < size:
            part, _ = await self._gateway.read_file(record.server, path, at, min(_PART, size - at))
            if not part:
                break
            parts += part
            at += len(part)
        lines = parts.decode("utf-8", "replace").splitlines()
        if begin and lines:
            del lines[0]  # it may be half of one
        return lines[-count:] if count > 0 else []

"""When each run was seen alive last: written down once a minute, in one file for all servers of a node.

After a crash of the host nobody can say when a game ended; this says until when it ran at the least. Knows runs by
their names, and nothing of how they are kept.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from innkeeper.kit.tasks import in_thread
from innkeeper.node.layout import write_private

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=1)


class LifeSign(msgspec.Struct, frozen=True):
    """One run, and when it was alive."""

    run_id: str
    at_us: int


class LifeSigns:
    """What is known, from an earlier life of the node and from this one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[UUID, LifeSign] = {}

    def load(self) -> None:
        """Read what was written; a damaged file is logged, and as good as none. Blocking."""
        try:
            self._known = msgspec.json.decode(self._path.read_bytes(), type=dict[UUID, LifeSign])
        except FileNotFoundError:
            self._known = {}
        except (OSError, msgspec.MsgspecError) as error:
            log.error("node.lifesigns.unreadable", path=str(self._path), error=str(error))
            self._known = {}

    def of(self, server: UUID, run_id: str) -> int | None:
        """Return when the run was seen alive last, in µs since 1970; None where it never was."""
        sign = self._known.get(server)
        return sign.at_us if sign is not None and sign.run_id == run_id else None

    async def note(self, servers: Mapping[UUID, str | None], at_us: int) -> None:
        """Write down, durably, that of `servers` those with a run are alive now; of others the last word stays."""
        known = {uuid: sign for uuid, sign in self._known.items() if uuid not in servers}
        known |= {uuid: LifeSign(run_id, at_us) for uuid, run_id in servers.items() if run_id is not None}
        if known != self._known:
            self._known = known
            await in_thread(write_private, self._path, msgspec.json.encode(known))

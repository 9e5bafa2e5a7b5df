"""A game's own management protocol, for those who may: requests passed through, notifications followed.

Knows nothing of what its methods mean.
"""

from typing import Any

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.nodes.gateway import Watch
from innkeeper.core.servers.attention import Look, LookParts
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import ServerIsNotRunning
from innkeeper.core.servers.lifecycle import ALIVE
from innkeeper.core.work import Works

MOST_WAITING = 1000
"""Notifications that wait for a follower."""


class Notifications(Look[tuple[str, Any]]):
    """What a game's management server tells by itself: (name, data), in order."""

    _watch: Watch | None = None

    async def _begin(self) -> None:
        self._watch = await self._parts.gateway.watch_management(
            self.record.server, lambda name, data: self.put((name, data))
        )

    async def _end(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            await watch.close()


class ManagementService:
    """The management servers of games."""

    def __init__(self, *, works: Works, activity: ActivityService, looks: LookParts) -> None:
        self._works = works
        self._activity = activity
        self._looks = looks

    async def call(self, actor: Actor, record: Record, method: str, params: Any = None) -> Any:
        """Return what the game answers to a request; needs `console.manage`.

        Raises ServerIsNotRunning, ManagementIsUnavailable, ManagementRefused (with the game's error), NodeIsOffline.
        """
        servers = self._looks.servers
        servers.reach(actor, record, ServerPermission.MANAGEMENT)
        if servers.get(record.server.id).live.state not in ALIVE:
            raise ServerIsNotRunning
        answer = await self._looks.gateway.call_management(record.server, method, params)
        async with self._works() as work:
            await self._activity.note(
                work, actor, "management.call", server_id=record.server.id, data={"method": method}
            )
        return answer

    def follow(self, actor: Actor, record: Record) -> Notifications:
        """Return what gives the game's notifications, once it is entered; needs `console.manage`.

        Entering it, and `next`, raise what `call` does, and what a lost right means.
        """
        return Notifications(
            self._looks, actor, record, ServerPermission.MANAGEMENT, ["management"], limit=MOST_WAITING
        )

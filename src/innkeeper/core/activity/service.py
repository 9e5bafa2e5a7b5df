"""Who did what: noted in the transaction that did it."""

from datetime import timedelta
from typing import Any

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.activity.model import Activity
from innkeeper.core.house.directory import HouseDirectory
from innkeeper.core.work import Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.pages import Page, decode_integer_cursor, encode_cursor

BATCH = 5000
"""Entries deleted in one transaction: on SQLite all others wait for it."""


class ActivityService:
    """Notes and lists what happened."""

    def __init__(self, works: Works, clock: Clock, house: HouseDirectory) -> None:
        self._works = works
        self._clock = clock
        self._house = house

    async def note(
        self,
        work: Work,
        actor: Actor | None,
        action: str,
        *,
        server_id: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Add an entry within `work`; an actor of None is the house itself or the game."""
        await work.activity.add(
            Activity(
                id=0,
                at=self._clock.now(),
                account_id=actor.account.id if actor else None,
                server_id=server_id,
                action=action,
                data=data or {},
                via=actor.via if actor else "system",
                address=actor.address if actor else None,
            )
        )

    async def of_server(self, server_id: int, cursor: str | None, limit: int) -> Page[Activity]:
        """Return what happened to a server, newest first; raise BadCursor."""
        return await self._page(server_id, None, cursor, limit)

    async def recent(self, actor: Actor, cursor: str | None, limit: int) -> Page[Activity]:
        """Return what happened, newest first: with `activity.read_all` all of it, else what the actor did."""
        everything = actor.may(ProductPermission.ACTIVITY_READ_ALL)
        return await self._page(None, None if everything else actor.account.id, cursor, limit)

    async def prune(self) -> None:
        """Delete what is older than is kept, and the oldest of what is more than is kept."""
        house = self._house.get()
        before = self._clock.now() - timedelta(days=house.activity_days)
        deleted = BATCH
        while deleted == BATCH:
            async with self._works() as work:
                deleted = await work.activity.delete_before(before, most=BATCH)
        deleted = BATCH if house.activity_entries is not None else 0
        while deleted == BATCH:
            async with self._works() as work:
                deleted = await work.activity.delete_beyond(house.activity_entries or 0, most=BATCH)

    async def _page(
        self, server_id: int | None, account_id: int | None, cursor: str | None, limit: int
    ) -> Page[Activity]:
        before = decode_integer_cursor(cursor)
        async with self._works() as work:
            entries = await work.activity.recent(
                server_id=server_id, account_id=account_id, before_id=before, limit=limit + 1
            )
        more = len(entries) > limit
        return Page(entries[:limit], encode_cursor(entries[limit - 1].id) if more else None)

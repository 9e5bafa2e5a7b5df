"""Keeps webhooks, their deliveries, and what was last told of each server.

A delivery names its webhook by a bare number: one that is deleted meanwhile must not take down the transaction in which
something happened. Deliveries of no webhook are never due, and go with the next pruning.

Locks are taken in one order: the server's row, webhooks, deliveries. So nobody waits in a circle.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from innkeeper.core.happenings import Sighting
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.webhooks.errors import NoSuchWebhook
from innkeeper.core.webhooks.model import Delivery, Webhook
from innkeeper.storage.errors import FOREIGN_KEY, refusing
from innkeeper.storage.rows import fetch_all, fetch_one, insert_row, inserting, values_of
from innkeeper.storage.schema import (
    DELIVERY_WAITING,
    servers,
    sightings,
    webhook_deliveries,
    webhooks,
)

_OF_SERVER = select(webhooks).where(webhooks.c.server_id == bindparam("of_server")).order_by(webhooks.c.id)
_GET = select(webhooks).where(webhooks.c.server_id == bindparam("of_server"), webhooks.c.id == bindparam("webhook_id"))
_FIND = select(webhooks).where(
    webhooks.c.server_id == bindparam("of_server"), webhooks.c.uuid == bindparam("webhook_uuid")
)
_OLDEST = select(func.min(webhook_deliveries.c.id)).where(DELIVERY_WAITING).group_by(webhook_deliveries.c.webhook_id)


def _free(now: datetime) -> Any:
    return or_(webhook_deliveries.c.claimed_until.is_(None), webhook_deliveries.c.claimed_until <= now)


class SqlWebhooks:
    """Keeps `core.webhooks.store.WebhookStore`'s promise."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    # -- webhooks -----------------------------------------------------------------------------------------------------

    async def add(self, webhook: Webhook) -> Webhook:
        """Keep a new webhook and return it with its id; raise NoSuchServer."""
        async with refusing(self._connection, {FOREIGN_KEY: NoSuchServer(id=webhook.server_id)}):
            webhook_id = await insert_row(self._connection, webhooks, values_of(webhook))
        return replace(webhook, id=webhook_id)

    async def get(self, server_id: int, webhook_id: int, *, hold: bool = False) -> Webhook | None:
        query = _GET.with_for_update(key_share=True) if hold else _GET
        return await fetch_one(self._connection, query, Webhook, of_server=server_id, webhook_id=webhook_id)

    async def find(self, server_id: int, uuid: UUID) -> Webhook | None:
        return await fetch_one(self._connection, _FIND, Webhook, of_server=server_id, webhook_uuid=uuid)

    async def of_server(self, server_id: int, *, hold: bool = False) -> list[Webhook]:
        if hold:
            await self._connection.execute(
                select(servers.c.id).where(servers.c.id == server_id).with_for_update(key_share=True)
            )
        query = _OF_SERVER.with_for_update(key_share=True) if hold else _OF_SERVER
        result = await self._connection.execute(query, {"of_server": server_id})
        return [Webhook(**row) for row in result.mappings()]

    async def wanted(self, server_id: int | None = None) -> dict[int, frozenset[str]]:
        query = select(webhooks.c.server_id, webhooks.c.triggers).where(webhooks.c.enabled)
        if server_id is not None:
            query = query.where(webhooks.c.server_id == server_id)
        found: dict[int, frozenset[str]] = {}
        for of_server, triggers in await self._connection.execute(query):
            found[of_server] = found.get(of_server, frozenset()) | triggers
        return found

    async def update(self, webhook: Webhook) -> None:
        """Replace a webhook wholly; raise NoSuchWebhook."""
        statement = update(webhooks).where(webhooks.c.id == webhook.id).values(values_of(webhook))
        if not (await self._connection.execute(statement)).rowcount:
            raise NoSuchWebhook(id=webhook.id)

    async def note_failing(self, webhook_id: int, since: datetime | None) -> None:
        await self._connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(failing_since=since))

    async def delete(self, server_id: int, webhook_id: int) -> bool:
        mine = (webhooks.c.server_id == server_id) & (webhooks.c.id == webhook_id)
        deleted = (await self._connection.execute(delete(webhooks).where(mine))).rowcount > 0
        if deleted:
            await self._connection.execute(
                delete(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook_id)
            )
        return deleted

    # -- deliveries ---------------------------------------------------------------------------------------------------

    async def queue(self, delivery: Delivery) -> int | None:
        statement = (
            inserting(self._connection, webhook_deliveries)
            .values(values_of(delivery))
            .on_conflict_do_nothing(index_elements=["webhook_id", "event"])
            .returning(webhook_deliveries.c.id)
        )
        delivery_id: int | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return delivery_id

    async def count_waiting(self, webhook_id: int) -> int:
        query = (
            select(func.count())
            .select_from(webhook_deliveries)
            .where(DELIVERY_WAITING, webhook_deliveries.c.webhook_id == webhook_id)
        )
        return int((await self._connection.execute(query)).scalar_one())

    async def due(self, now: datetime, limit: int) -> list[tuple[Delivery, Webhook]]:
        query = (
            select(webhook_deliveries)
            .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
            .where(
                webhook_deliveries.c.id.in_(_OLDEST),
                webhook_deliveries.c.next_at <= now,
                _free(now),
                webhooks.c.enabled,
            )
            .order_by(webhook_deliveries.c.next_at, webhook_deliveries.c.id)
            .limit(limit)
        )
        found = await fetch_all(self._connection, query, Delivery)
        if not found:
            return []
        named = select(webhooks).where(webhooks.c.id.in_({delivery.webhook_id for delivery in found}))
        of = {webhook.id: webhook for webhook in await fetch_all(self._connection, named, Webhook)}
        return [(delivery, of[delivery.webhook_id]) for delivery in found if delivery.webhook_id in of]

    async def claim(self, delivery_id: int, claim: UUID, now: datetime, until: datetime) -> bool:
        statement = (
            update(webhook_deliveries)
            .where(webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.state == "waiting")
            .where(webhook_deliveries.c.next_at <= now, _free(now))
            .values(claim=claim, claimed_until=until, attempts=webhook_deliveries.c.attempts + 1)
        )
        return (await self._connection.execute(statement)).rowcount > 0

    async def finish(self, delivery: Delivery, claim: UUID) -> bool:
        statement = (
            update(webhook_deliveries)
            .where(webhook_deliveries.c.id == delivery.id, webhook_deliveries.c.claim == claim)
            .values(values_of(delivery))
        )
        return (await self._connection.execute(statement)).rowcount > 0

    async def fail_waiting(self, webhook_id: int, reason: str, at: datetime) -> None:
        statement = (
            update(webhook_deliveries)
            .where(DELIVERY_WAITING, webhook_deliveries.c.webhook_id == webhook_id)
            .values(state="failed", reason=reason, finished_at=at, claim=None, claimed_until=None)
        )
        await self._connection.execute(statement)

    async def deliveries(self, webhook_id: int, before_id: int | None, limit: int) -> list[Delivery]:
        query = select(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook_id)
        if before_id is not None:
            query = query.where(webhook_deliveries.c.id < before_id)
        return await fetch_all(self._connection, query.order_by(webhook_deliveries.c.id.desc()).limit(limit), Delivery)

    async def made_since(self, webhook_id: int, happening: str, since: datetime) -> list[datetime]:
        query = select(webhook_deliveries.c.created_at).where(
            webhook_deliveries.c.webhook_id == webhook_id,
            webhook_deliveries.c.happening == happening,
            webhook_deliveries.c.created_at >= since,
        )
        return list((await self._connection.execute(query.order_by(webhook_deliveries.c.created_at))).scalars())

    async def prune(self, before: datetime) -> int:
        orphaned = webhook_deliveries.c.webhook_id.not_in(select(webhooks.c.id))
        statement = delete(webhook_deliveries).where(or_(webhook_deliveries.c.created_at < before, orphaned))
        return (await self._connection.execute(statement)).rowcount

    # -- sightings ----------------------------------------------------------------------------------------------------

    async def sighting(self, server_id: int) -> Sighting | None:
        query = select(sightings.c.seen).where(sightings.c.server_id == server_id)
        seen: Sighting | None = (await self._connection.execute(query)).scalar_one_or_none()
        return seen

    async def put_sighting(self, server_id: int, sighting: Sighting) -> None:
        statement = inserting(self._connection, sightings).values(server_id=server_id, seen=sighting)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[sightings.c.server_id], set_={"seen": statement.excluded.seen}
            )
        )

"""Webhooks, for those who may: made, changed, tried out, and what became of their messages."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.activity.service import ActivityService
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.webhooks import checks
from innkeeper.core.webhooks.errors import NoSuchWebhook, TooManyWebhooks
from innkeeper.core.webhooks.model import Courier, Delivery, Webhook, WebhookChanges, WebhookDraft
from innkeeper.core.webhooks.noting import Happenings
from innkeeper.core.webhooks.queue import DeliveryQueue
from innkeeper.core.work import Changed, Work, Works
from innkeeper.kit.clock import Clock
from innkeeper.kit.ids import new_secret, uuid7
from innkeeper.kit.pages import Page, decode_integer_cursor, encode_cursor

MOST = 50
"""Webhooks of one server."""
KEPT = timedelta(days=7)
"""For how long a delivery is shown; by then it has ended long ago."""


class WebhookService:
    """Who is told what happens to a server."""

    def __init__(
        self,
        *,
        works: Works,
        clock: Clock,
        servers: ServerDirectory,
        activity: ActivityService,
        happenings: Happenings,
        courier: Courier,
        queue: DeliveryQueue,
    ) -> None:
        self._works = works
        self._clock = clock
        self._servers = servers
        self._activity = activity
        self._happenings = happenings
        self._courier = courier
        self.queue = queue

    async def load(self) -> None:
        """Read what is wanted of every server."""
        await self._happenings.load()

    async def apply(self, change: Changed) -> None:
        """Take in what a transaction changed: the webhooks of a server, or what waits to be sent."""
        if change.noun == "webhook":
            await self._happenings.apply(change)
        elif change.row is not None:  # ours: other panels see to theirs, and find what is left on their rounds
            self.queue.wake()

    async def of_server(self, actor: Actor, record: Record) -> list[Webhook]:
        """Return a server's webhooks, by id; needs `webhooks.read`."""
        self._servers.reach(actor, record, ServerPermission.WEBHOOKS_READ)
        async with self._works() as work:
            return await work.webhooks.of_server(record.server.id)

    async def get(self, actor: Actor, record: Record, which: int | UUID) -> Webhook:
        """Return a webhook by its number or its UUID; needs `webhooks.read`; raise NoSuchWebhook."""
        self._servers.reach(actor, record, ServerPermission.WEBHOOKS_READ)
        async with self._works() as work:
            return await _found(work, record, which)

    async def create(self, actor: Actor, record: Record, draft: WebhookDraft) -> Webhook:
        """Make a webhook; needs `webhooks.write`. Raises WebhookIsInvalid, TooManyWebhooks."""
        self._servers.reach(actor, record, ServerPermission.WEBHOOKS_WRITE)
        given: dict[str, Any] = msgspec.structs.asdict(draft)
        webhook = Webhook(
            id=0,
            uuid=uuid7(),
            server_id=record.server.id,
            secret=new_secret("whsec"),
            created_at=self._clock.now(),
            **given,
        )
        self._check(webhook)
        async with self._works() as work:
            others = await work.webhooks.of_server(record.server.id, hold=True)
            if len(others) >= MOST:
                raise TooManyWebhooks(limit=MOST)
            if not others:
                await self._happenings.begin(work, record.server.id, self._servers.get(record.server.id).live)
            webhook = await work.webhooks.add(webhook)
            await self._note(work, actor, "webhook.created", webhook, kind=webhook.kind)
        return webhook

    async def change(self, actor: Actor, record: Record, which: int | UUID, changes: WebhookChanges) -> Webhook:
        """Change a webhook; needs `webhooks.write`. Raises NoSuchWebhook, WebhookIsInvalid.

        What waits is sent as the webhook is by then; what waits for one that is disabled is given up.
        """
        self._servers.reach(actor, record, ServerPermission.WEBHOOKS_WRITE)
        given = {
            name: value for name in changes.__struct_fields__ if (value := getattr(changes, name)) is not msgspec.UNSET
        }
        async with self._works() as work:
            await work.webhooks.of_server(record.server.id, hold=True)
            old = await _found(work, record, which)
            webhook = msgspec.structs.replace(old, **given)
            if given.get("enabled"):
                webhook = msgspec.structs.replace(webhook, failing_since=None, disabled_reason=None)
            self._check(webhook)
            if webhook != old:
                await work.webhooks.update(webhook)
                await self._note(work, actor, "webhook.changed", webhook, changed=sorted(given))
            if old.enabled and not webhook.enabled:
                await work.webhooks.fail_waiting(webhook.id, "the webhook was disabled", self._clock.now())
        return webhook

    async def renew_secret(self, actor: Actor, record: Record, which: int | UUID) -> Webhook:
        """Give a webhook another secret, which is told this once; needs `webhooks.write`; raise NoSuchWebhook."""
        self._servers.reach(actor, record, ServerPermission.WEBHOOKS_WRITE)
        async with self._works() as work:
            await work.webhooks.of_server(record.server.id, hold=True)
            webhook = await _found(work, record, which)
            webhook = msgspec.structs.replace(webhook, secret=new_secret("whsec"))
            await work.webhooks.update(webhook)
            await self._note(work, actor, "webhook.secret_renewed", webhook)
        return webhook

    async def delete(self, actor: Actor, record: Record, which: int | UUID) -> None:
        """Delete a webhook and what waits to be sent by it; needs `webhooks.write`; raise NoSuchWebhook."""
        self._servers.reach(actor, record, ServerPermission.WEBHOOKS_WRITE)
        async with self._works() as work:
            webhook = await _found(work, record, which)
            if not await work.webhooks.delete(record.server.id, webhook.id):
                raise NoSuchWebhook
            await self._note(work, actor, "webhook.deleted", webhook)

    async def test(self, actor: Actor, record: Record, which: int | UUID) -> Delivery:
        """Send a message now, once, and return what became of it; needs `webhooks.write`.

        Takes as long as the other side does, ten seconds at most. Raises NoSuchWebhook, TooManyTests.
        """
        self._servers.reach(actor, record, ServerPermission.WEBHOOKS_WRITE)
        async with self._works() as work:
            webhook = await _found(work, record, which)
        return await self.queue.send_test(webhook)

    async def deliveries(
        self, actor: Actor, record: Record, which: int | UUID, limit: int, cursor: str | None = None
    ) -> Page[Delivery]:
        """Return a webhook's messages, newest first; needs `webhooks.read`; raise NoSuchWebhook, BadCursor."""
        self._servers.reach(actor, record, ServerPermission.WEBHOOKS_READ)
        before = decode_integer_cursor(cursor)
        async with self._works() as work:
            webhook = await _found(work, record, which)
            found = await work.webhooks.deliveries(webhook.id, before, limit + 1)
        return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)

    async def look_at_disks(self) -> None:
        """Queue word of disks that are nearly full; called each minute."""
        await self._happenings.look_at_disks(self._servers.present())

    async def prune(self) -> None:
        """Delete what became of deliveries long ago."""
        async with self._works() as work:
            await work.webhooks.prune(self._clock.now() - KEPT)

    def _check(self, webhook: Webhook) -> None:
        checks.check(webhook)
        self._courier.check(webhook)

    async def _note(self, work: Work, actor: Actor, action: str, webhook: Webhook, **data: object) -> None:
        work.changed("webhook", webhook.server_id)
        # Never its URL: whoever may read what was done need not be able to write there.
        data = {"webhook": webhook.name, **data}
        await self._activity.note(work, actor, action, server_id=webhook.server_id, data=data)


async def _found(work: Work, record: Record, which: int | UUID) -> Webhook:
    if isinstance(which, UUID):
        webhook = await work.webhooks.find(record.server.id, which)
    else:
        webhook = await work.webhooks.get(record.server.id, which)
    if webhook is None:
        raise NoSuchWebhook
    return webhook

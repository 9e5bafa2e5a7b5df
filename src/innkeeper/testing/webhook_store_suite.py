"""What every keeper of webhooks and their deliveries must hold to; see `store_suite`."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from innkeeper.core.happenings import Happening, Sighting
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.servers.model import OnlinePlayer
from innkeeper.core.webhooks.errors import NoSuchWebhook
from innkeeper.core.webhooks.model import Delivery, Webhook
from innkeeper.core.work import Work
from innkeeper.kit.ids import uuid7
from innkeeper.testing.store_samples import NOON, SECOND, TICK, Stores, keep_server

MINUTE = timedelta(minutes=1)


def a_webhook(server_id: int, **fields: Any) -> Webhook:
    """Return a webhook, every field away from its default."""
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "server_id": server_id,
        "name": "Häken",
        "kind": "teams",
        "url": "https://example.org/ü",
        "bot_name": "Botty",
        "triggers": frozenset({"started", "crashed"}),
        "body": "{{ player }}\n",
        "colour": "#ffffff",
        "enabled": True,
        "secret": "whsec_x",
        "failing_since": NOON + TICK,
        "disabled_reason": "why",
        "created_at": NOON,
    }
    return Webhook(**(values | fields))


def a_delivery(webhook_id: int, **fields: Any) -> Delivery:
    """Return a delivery that is due at NOON."""
    facts = Happening(
        kind="crashed", server_id=1, at=NOON + TICK, key="k", account_id=4, via="cli", data={"a": "ü\x00"}
    )
    values: dict[str, Any] = {
        "id": 0,
        "uuid": uuid7(),
        "webhook_id": webhook_id,
        "event": uuid7(),
        "happening": "crashed",
        "facts": facts,
        "next_at": NOON,
        "created_at": NOON,
    }
    return Delivery(**(values | fields))


async def queued(work: Work, delivery: Delivery) -> Delivery:
    """Keep a delivery and return it with its id."""
    delivery_id = await work.webhooks.queue(delivery)
    assert delivery_id is not None
    return replace(delivery, id=delivery_id)


class WebhookPromises:
    """`core.webhooks.store`."""

    async def test_webhooks_come_back_as_they_were_kept(self, stores: Stores) -> None:
        async with stores.works() as work:
            server, other = await keep_server(work), await keep_server(work)
            kept = await work.webhooks.add(a_webhook(server.id))
            least = await work.webhooks.add(
                a_webhook(server.id, triggers=frozenset(), failing_since=None, disabled_reason=None, enabled=False)
            )
        async with stores.works() as work:
            assert await work.webhooks.of_server(server.id, hold=True) == [kept, least]
            assert await work.webhooks.get(server.id, kept.id) == kept
            assert await work.webhooks.find(server.id, kept.uuid) == kept
            assert await work.webhooks.get(other.id, kept.id) is None
            assert await work.webhooks.find(other.id, kept.uuid) is None
            assert await work.webhooks.wanted() == {server.id: {"started", "crashed"}}
            assert await work.webhooks.wanted(other.id) == {}

    async def test_a_webhook_is_replaced_and_deleted_with_its_deliveries(self, stores: Stores) -> None:
        async with stores.works() as work:
            server, other = await keep_server(work), await keep_server(work)
            kept = await work.webhooks.add(a_webhook(server.id))
            await queued(work, a_delivery(kept.id))
            changed = replace(kept, name="other", triggers=frozenset({"ready"}), enabled=False)
            await work.webhooks.update(changed)
            await work.webhooks.note_failing(kept.id, None)
            assert await work.webhooks.get(server.id, kept.id) == replace(changed, failing_since=None)
            assert not await work.webhooks.delete(other.id, kept.id)
            assert await work.webhooks.delete(server.id, kept.id)
            assert not await work.webhooks.delete(server.id, kept.id)
            assert await work.webhooks.deliveries(kept.id, None, 10) == []
            with pytest.raises(NoSuchWebhook):
                await work.webhooks.update(changed)

    async def test_a_webhook_of_no_server_is_refused(self, stores: Stores) -> None:
        async with stores.works() as work:
            with pytest.raises(NoSuchServer):
                await work.webhooks.add(a_webhook(4711))

    async def test_an_event_is_queued_once_for_each_webhook(self, stores: Stores) -> None:
        async with stores.works() as work:
            first, second = a_delivery(1), a_delivery(2)
            kept = await queued(work, first)
            assert await work.webhooks.queue(replace(first, uuid=uuid7())) is None
            await queued(work, replace(second, event=first.event))
            assert await work.webhooks.deliveries(1, None, 10) == [kept]
            assert await work.webhooks.count_waiting(1) == 1

    async def test_it_is_known_when_messages_of_a_kind_were_made(self, stores: Stores) -> None:
        async with stores.works() as work:
            for at in (NOON, NOON + SECOND, NOON - SECOND):
                await queued(work, a_delivery(1, happening="test", created_at=at))
            await queued(work, a_delivery(1, created_at=NOON))
            await queued(work, a_delivery(2, happening="test", created_at=NOON))
        async with stores.works() as work:
            assert await work.webhooks.made_since(1, "test", NOON) == [NOON, NOON + SECOND]
            assert await work.webhooks.made_since(3, "test", NOON) == []

    async def test_of_each_webhook_the_oldest_is_due(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            one, two, off = [await work.webhooks.add(a_webhook(server.id, enabled=on)) for on in (True, True, False)]
            first = await queued(work, a_delivery(one.id, next_at=NOON + SECOND))
            await queued(work, a_delivery(one.id))
            other = await queued(work, a_delivery(two.id, facts=None))
            await queued(work, a_delivery(off.id))
            await queued(work, a_delivery(4711))
            assert await work.webhooks.due(NOON, 10) == [(other, two)]
            assert await work.webhooks.due(NOON + SECOND, 10) == [(other, two), (first, one)]
            assert await work.webhooks.due(NOON + SECOND, 1) == [(other, two)]

    async def test_a_claim_holds_until_it_is_given_up_or_has_run_out(self, stores: Stores) -> None:
        mine, theirs = uuid7(), uuid7()
        async with stores.works() as work:
            server = await keep_server(work)
            webhook = await work.webhooks.add(a_webhook(server.id))
            delivery = await queued(work, a_delivery(webhook.id))
            assert not await work.webhooks.claim(delivery.id, mine, NOON - TICK, NOON + MINUTE)
            assert await work.webhooks.claim(delivery.id, mine, NOON, NOON + MINUTE)
            assert not await work.webhooks.claim(delivery.id, theirs, NOON + SECOND, NOON + MINUTE)
            assert await work.webhooks.due(NOON + SECOND, 10) == []
            assert await work.webhooks.claim(delivery.id, theirs, NOON + MINUTE, NOON + 2 * MINUTE)
            ended = replace(delivery, state="done", attempts=2, status=204, finished_at=NOON + MINUTE)
            assert not await work.webhooks.finish(ended, mine)
            assert await work.webhooks.finish(ended, theirs)
            assert await work.webhooks.deliveries(webhook.id, None, 10) == [ended]
            assert not await work.webhooks.claim(delivery.id, mine, NOON + 9 * MINUTE, NOON + 10 * MINUTE)

    async def test_one_of_many_claims_at_the_same_time_is_granted(self, stores: Stores) -> None:
        async with stores.works() as work:
            delivery = await queued(work, a_delivery(1))

        async def claimed() -> bool:
            async with stores.works() as work:
                return await work.webhooks.claim(delivery.id, uuid7(), NOON, NOON + MINUTE)

        assert sorted(await asyncio.gather(*(claimed() for _ in range(8)))) == [False] * 7 + [True]

    async def test_what_waits_is_given_up(self, stores: Stores) -> None:
        async with stores.works() as work:
            waiting = await queued(work, a_delivery(1))
            done = await queued(work, a_delivery(1, state="done", finished_at=NOON))
            await work.webhooks.fail_waiting(1, "why", NOON + SECOND)
            given_up = replace(waiting, state="failed", reason="why", finished_at=NOON + SECOND)
            assert await work.webhooks.deliveries(1, None, 10) == [done, given_up]
            assert await work.webhooks.deliveries(1, done.id, 10) == [given_up]
            assert await work.webhooks.deliveries(1, None, 1) == [done]

    async def test_old_deliveries_and_those_of_no_webhook_are_pruned(self, stores: Stores) -> None:
        async with stores.works() as work:
            server = await keep_server(work)
            webhook = await work.webhooks.add(a_webhook(server.id))
            await queued(work, a_delivery(webhook.id, created_at=NOON - TICK))
            kept = await queued(work, a_delivery(webhook.id))
            await queued(work, a_delivery(webhook.id + 1))
            assert await work.webhooks.prune(NOON) == 2
            assert await work.webhooks.deliveries(webhook.id, None, 10) == [kept]

    async def test_what_was_told_last_is_kept(self, stores: Stores) -> None:
        seen = Sighting(
            started_at=NOON,
            ready_at=NOON + TICK,
            exit_at=NOON - TICK,
            players=(OnlinePlayer(name="jeb_", since=NOON),),
            disk_full=True,
            disk_times=3,
        )
        async with stores.works() as work:
            server = await keep_server(work)
            assert await work.webhooks.sighting(server.id) is None
            await work.webhooks.put_sighting(server.id, Sighting())
            await work.webhooks.put_sighting(server.id, seen)
            assert await work.webhooks.sighting(server.id) == seen

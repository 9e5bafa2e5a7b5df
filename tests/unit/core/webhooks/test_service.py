"""Webhooks are made, changed and deleted by those who may, within bounds, and tell nobody their secrets."""

from typing import Any

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import NoSuchServer
from innkeeper.core.webhooks.errors import NoSuchWebhook, TooManyWebhooks, WebhookIsInvalid
from innkeeper.core.webhooks.model import Webhook, WebhookChanges, WebhookDraft
from innkeeper.core.webhooks.service import MOST
from innkeeper.testing.products import House
from innkeeper.testing.store_samples import refusals

URL = "https://example.org/hooks/very-secret"


def a_draft(**fields: Any) -> WebhookDraft:
    values: dict[str, Any] = {
        "name": "hook",
        "kind": "discord",
        "url": URL,
        "triggers": frozenset({"started", "crashed"}),
    }
    return WebhookDraft(**(values | fields))


async def made(house: House, server: Record, **fields: Any) -> Webhook:
    return await house.product.webhooks.create(house.actor(house.root), server, a_draft(**fields))


async def test_a_webhook_is_kept_as_it_was_asked_and_found_by_number_and_uuid(house: House) -> None:
    server, webhooks, root = await house.server(), house.product.webhooks, house.actor(house.root)
    hook = await made(house, server, bot_name="Botty", colour="#ABCDEF", body="{{ player }}")
    assert (hook.bot_name, hook.colour, hook.body, hook.enabled) == ("Botty", "#ABCDEF", "{{ player }}", True)
    assert hook.secret.startswith("whsec_")
    assert await webhooks.of_server(root, server) == [hook]
    assert await webhooks.get(root, server, hook.id) == hook == await webhooks.get(root, server, hook.uuid)


async def test_a_webhook_of_another_server_is_not_found(house: House) -> None:
    server, other, root = await house.server(), await house.server(name="other"), house.actor(house.root)
    hook, webhooks = await made(house, server), house.product.webhooks
    for which in (hook.id, hook.uuid):
        for asked in (
            webhooks.get(root, other, which),
            webhooks.change(root, other, which, WebhookChanges(name="x")),
            webhooks.delete(root, other, which),
            webhooks.test(root, other, which),
            webhooks.renew_secret(root, other, which),
            webhooks.deliveries(root, other, which, 10),
        ):
            with pytest.raises(NoSuchWebhook):
                await asked
    assert await webhooks.of_server(root, server) == [hook]


async def test_reading_and_changing_are_two_permissions(house: House) -> None:
    server, guest = await house.server(), await house.account("guest")
    hook, webhooks = await made(house, server), house.product.webhooks
    with pytest.raises(NoSuchServer):
        await webhooks.of_server(house.actor(guest), server)
    await house.share(server, guest, "server.view", "webhooks.read")
    reader = house.actor(guest)
    assert await webhooks.of_server(reader, server) == [hook]
    for asked in (
        webhooks.create(reader, server, a_draft()),
        webhooks.change(reader, server, hook.id, WebhookChanges(name="x")),
        webhooks.delete(reader, server, hook.id),
        webhooks.test(reader, server, hook.id),
        webhooks.renew_secret(reader, server, hook.id),
    ):
        with pytest.raises(PermissionIsMissing):
            await asked


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "  "),
        ("name", "a\nb"),
        ("name", "n" * 101),
        ("kind", "carrier pigeon"),
        ("url", "mailto:ada@example.org"),
        ("url", "http://10.0.0.1/"),
        ("url", "https://example.org/" + "x" * 2000),
        ("triggers", frozenset({"started", "sneezed"})),
        ("bot_name", "b" * 81),
        ("bot_name", "b\x1b"),
        ("body", "x" * 4001),
        ("body", "{{ config }}"),
        ("colour", "blue"),
        ("colour", "#12345"),
    ],
)
async def test_what_is_wrong_is_named(house: House, field: str, value: Any) -> None:
    server = await house.server()
    hook = await made(house, server)
    with pytest.raises(WebhookIsInvalid) as refused:
        await made(house, server, **{field: value})
    assert refused.value.data["field"] == field
    with pytest.raises(WebhookIsInvalid) as refused:
        changes = WebhookChanges(**{field: value})
        await house.product.webhooks.change(house.actor(house.root), server, hook.id, changes)
    assert refused.value.data["field"] == field
    assert await house.product.webhooks.of_server(house.actor(house.root), server) == [hook]


async def test_only_what_is_named_changes(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    hook = await made(house, server)
    changes = WebhookChanges(name="renamed", triggers=frozenset({"ready"}))
    changed = await house.product.webhooks.change(root, server, hook.id, changes)
    assert (changed.name, changed.triggers, changed.url, changed.secret) == ("renamed", {"ready"}, URL, hook.secret)
    assert await house.product.webhooks.get(root, server, hook.id) == changed


async def test_a_new_secret_takes_the_place_of_the_old(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    hook = await made(house, server)
    renewed = await house.product.webhooks.renew_secret(root, server, hook.id)
    assert renewed.secret != hook.secret
    assert (await house.product.webhooks.get(root, server, hook.id)).secret == renewed.secret


async def test_a_server_has_so_many_even_when_all_are_made_at_once(house: House) -> None:
    server = await house.server()
    refused = await refusals(*(made(house, server, name=f"hook {number}") for number in range(MOST + 5)))
    assert refused == [TooManyWebhooks] * 5
    assert len(await house.product.webhooks.of_server(house.actor(house.root), server)) == MOST


async def test_the_activity_tells_what_was_done_and_never_where_it_leads(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    hook = await made(house, server)
    await house.product.webhooks.change(root, server, hook.id, WebhookChanges(url=URL + "/2"))
    await house.product.webhooks.delete(root, server, hook.id)
    entries = (await house.product.activity.of_server(server.server.id, None, 20)).items
    done = [entry for entry in entries if entry.action.startswith("webhook.")]
    assert [entry.action for entry in done] == ["webhook.deleted", "webhook.changed", "webhook.created"]
    assert done[1].data == {"webhook": "hook", "changed": ["url"]}
    assert not any("secret" in str(entry.data) for entry in done)

"""What the API shows of webhooks and their messages: never their secrets but once."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from innkeeper.core.webhooks.model import Delivery, Webhook, WebhookKind


class WebhookView(msgspec.Struct, frozen=True, kw_only=True):
    """A place outside that is told what happens to a server."""

    id: UUID
    name: str
    kind: WebhookKind
    url: str
    """A secret: whoever knows it can write there."""
    triggers: list[str]
    """Kinds of happenings that it is told of."""
    bot_name: str
    body: str
    """A Jinja2 template of the message's text."""
    colour: str
    """As `#rrggbb`."""
    enabled: bool
    failing_since: datetime | None
    """Nothing has arrived since then, though it was tried."""
    disabled_reason: str | None
    """Why the house disabled it; null: it did not."""
    created_at: datetime


class NewWebhookView(WebhookView, frozen=True, kw_only=True):
    """A webhook with its secret, which is shown this once."""

    secret: str
    """What messages of the kind json are signed with."""


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """One message, sent or to be sent."""

    id: UUID
    event: UUID
    """Of what it tells: the same however often it is sent (the header Innkeeper-Event)."""
    happening: str
    """The kind of happening, or `test`."""
    state: Literal["waiting", "done", "failed"]
    attempts: int
    next_at: datetime | None
    """When it is tried next; null: no more."""
    status: int | None
    """The HTTP status that the last attempt got."""
    reason: str
    """Why the last attempt failed."""
    created_at: datetime
    finished_at: datetime | None


def webhook(item: Webhook) -> WebhookView:
    """Return a webhook without its secret."""
    return WebhookView(**_shown(item))


def new_webhook(item: Webhook) -> NewWebhookView:
    """Return a webhook with its secret."""
    return NewWebhookView(**_shown(item), secret=item.secret)


def delivery(item: Delivery) -> DeliveryView:
    """Return a message."""
    return DeliveryView(
        id=item.uuid,
        event=item.event,
        happening=item.happening,
        state=item.state,
        attempts=item.attempts,
        next_at=item.next_at if item.state == "waiting" else None,
        status=item.status,
        reason=item.reason,
        created_at=item.created_at,
        finished_at=item.finished_at,
    )


def _shown(item: Webhook) -> dict[str, Any]:
    return {
        "id": item.uuid,
        "name": item.name,
        "kind": item.kind,
        "url": item.url,
        "triggers": sorted(item.triggers),
        "bot_name": item.bot_name,
        "body": item.body,
        "colour": item.colour,
        "enabled": item.enabled,
        "failing_since": item.failing_since,
        "disabled_reason": item.disabled_reason,
        "created_at": item.created_at,
    }

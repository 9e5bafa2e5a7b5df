"""What a webhook is, and a delivery: one message of one webhook.

waiting ──claimed, sent──▶ done
   │  ▲──────fails, and may be tried again
   └──────▶ failed (the reason says why)
"""

from datetime import datetime, timedelta
from typing import Literal, Protocol, get_args
from uuid import UUID

import msgspec

from innkeeper.core.happenings import Happening

WebhookKind = Literal["discord", "slack", "teams", "mattermost", "json"]
WEBHOOK_KINDS: frozenset[str] = frozenset(get_args(WebhookKind))
DEFAULT_BODY = "{{ server.name }}: {{ event_name }}{% if player %}: {{ player }}{% endif %}"
DEFAULT_COLOUR = "#005cd1"
DEFAULT_BOT = "Innkeeper"
TEST = "test"
"""What a delivery tells of that somebody asked for to see whether it comes."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A place outside that is told what happens to a server."""

    id: int
    uuid: UUID
    server_id: int
    name: str
    kind: WebhookKind
    url: str
    """A secret: whoever knows it can write there."""
    bot_name: str = DEFAULT_BOT
    """Who the message is from, where the place shows that."""
    triggers: frozenset[str]
    """Kinds of happenings that it is told of."""
    body: str = DEFAULT_BODY
    """A Jinja2 template of the message's text."""
    colour: str = DEFAULT_COLOUR
    """As `#rrggbb`."""
    enabled: bool = True
    secret: str
    """What messages of the kind `json` are signed with; it is shown once."""
    failing_since: datetime | None = None
    """Nothing has arrived since then, though it was tried."""
    disabled_reason: str | None = None
    """Why the house disabled it; None: it did not."""
    created_at: datetime


class WebhookDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked when a webhook is made."""

    name: str
    kind: str
    url: str
    triggers: frozenset[str]
    bot_name: str = DEFAULT_BOT
    body: str = DEFAULT_BODY
    colour: str = DEFAULT_COLOUR
    enabled: bool = True


class WebhookChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be changed of a webhook; what is UNSET stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    kind: str | msgspec.UnsetType = msgspec.UNSET
    url: str | msgspec.UnsetType = msgspec.UNSET
    triggers: frozenset[str] | msgspec.UnsetType = msgspec.UNSET
    bot_name: str | msgspec.UnsetType = msgspec.UNSET
    body: str | msgspec.UnsetType = msgspec.UNSET
    colour: str | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message of one webhook, sent or to be sent."""

    id: int
    uuid: UUID
    webhook_id: int
    event: UUID
    """Of what it tells: the same however often it is sent, and whoever is told."""
    happening: str
    """The kind of happening, or `test`."""
    facts: Happening | None
    """What happened; None: nothing, it is a test."""
    state: Literal["waiting", "done", "failed"] = "waiting"
    attempts: int = 0
    next_at: datetime
    """Before then it is not tried."""
    claim: UUID | None = None
    """By whom it is being sent."""
    claimed_until: datetime | None = None
    status: int | None = None
    """The HTTP status that the last attempt got."""
    reason: str = ""
    """Why the last attempt failed."""
    created_at: datetime
    finished_at: datetime | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is to be sent with one delivery."""

    webhook: Webhook
    delivery: Delivery
    server_uuid: UUID
    server_name: str
    account: str = ""
    """Name of whoever had it done; empty: nobody did."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attempt."""

    arrived: bool
    status: int | None = None
    reason: str = ""
    lasting: bool = False
    """Trying again cannot help."""
    retry_after: timedelta | None = None
    """The other side asked not to be tried again before."""


class Courier(Protocol):
    """Carries messages to the outside."""

    def check(self, webhook: Webhook) -> None:
        """Raise WebhookIsInvalid where its URL or its body can never do."""
        ...

    async def carry(self, notice: Notice) -> Outcome:
        """Try once to deliver a notice, within a bounded time; whatever goes wrong is the outcome."""
        ...

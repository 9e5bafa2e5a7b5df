"""What webhooks need of storage."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from innkeeper.core.happenings import Sighting
from innkeeper.core.webhooks.model import Delivery, Webhook


class WebhookStore(Protocol):
    """Webhooks, their deliveries, and what was last told of each server, at rest."""

    async def add(self, webhook: Webhook) -> Webhook:
        """Keep a new webhook (its id is ignored) and return it with its id; raise NoSuchServer."""
        ...

    async def get(self, server_id: int, webhook_id: int, *, hold: bool = False) -> Webhook | None:
        """Return one; with `hold` nobody else changes it, or is answered so, until the end of this."""
        ...

    async def find(self, server_id: int, uuid: UUID) -> Webhook | None: ...

    async def of_server(self, server_id: int, *, hold: bool = False) -> list[Webhook]:
        """Return a server's webhooks, by id; with `hold` nobody else adds or changes any until the end of this."""
        ...

    async def wanted(self, server_id: int | None = None) -> dict[int, frozenset[str]]:
        """Return what the enabled webhooks of each server, or of one, are told of; servers without are left out."""
        ...

    async def update(self, webhook: Webhook) -> None:
        """Replace a webhook wholly; raise NoSuchWebhook."""
        ...

    async def note_failing(self, webhook_id: int, since: datetime | None) -> None:
        """Keep since when nothing of a webhook arrives."""
        ...

    async def delete(self, server_id: int, webhook_id: int) -> bool:
        """Delete a webhook and its deliveries; say whether there was one."""
        ...

    async def queue(self, delivery: Delivery) -> int | None:
        """Keep a new delivery and return its id; None: its webhook has one of this event already."""
        ...

    async def count_waiting(self, webhook_id: int) -> int: ...

    async def due(self, now: datetime, limit: int) -> list[tuple[Delivery, Webhook]]:
        """Return deliveries that can be claimed, longest due first: of each enabled webhook at most its oldest."""
        ...

    async def claim(self, delivery_id: int, claim: UUID, now: datetime, until: datetime) -> bool:
        """Take a waiting delivery for oneself and count an attempt; False: somebody else has it."""
        ...

    async def finish(self, delivery: Delivery, claim: UUID) -> bool:
        """Keep what became of a delivery one has claimed, and give up the claim; False: it is no longer one's own."""
        ...

    async def fail_waiting(self, webhook_id: int, reason: str, at: datetime) -> None:
        """Give up every delivery of a webhook that waits."""
        ...

    async def deliveries(self, webhook_id: int, before_id: int | None, limit: int) -> list[Delivery]:
        """Return a webhook's deliveries, newest first, older than `before_id`."""
        ...

    async def made_since(self, webhook_id: int, happening: str, since: datetime) -> list[datetime]:
        """Return when a webhook's deliveries of a kind of happening were made, from then on, oldest first."""
        ...

    async def prune(self, before: datetime) -> int:
        """Delete deliveries that were made before then, and those of no webhook; return how many."""
        ...

    async def sighting(self, server_id: int) -> Sighting | None: ...

    async def put_sighting(self, server_id: int, sighting: Sighting) -> None: ...

"""Tickets: the right to open one console stream, once, within half a minute.

A browser cannot send a header with a WebSocket, and a key must not stand in an address. A ticket is signed with the
installation's key, so that any panel takes it; that it is used once, each panel remembers.
"""

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.errors import KeyIsUnknown
from innkeeper.core.access.model import Actor, Via
from innkeeper.kit.clock import Clock
from innkeeper.panel.api.errors import TicketIsInvalid

LIFE = timedelta(seconds=30)
_PURPOSE = b"console ticket"
_DIGEST_BYTES = 32


class _Ticket(msgspec.Struct, frozen=True, array_like=True):
    key_id: int
    server: UUID
    via: Via
    expires_at: datetime
    nonce: str


class Tickets:
    """Gives tickets out and takes them."""

    def __init__(self, authority: AccessDirectory, clock: Clock, secret: bytes) -> None:
        self._authority = authority
        self._clock = clock
        self._secret = hmac.digest(secret, _PURPOSE, "sha256")
        self._used: dict[str, datetime] = {}

    def issue(self, actor: Actor, server: UUID) -> tuple[str, datetime]:
        """Return a ticket for one stream of `server` in the actor's name, and when it ends."""
        if actor.key_id is None:
            raise KeyIsUnknown
        ticket = _Ticket(actor.key_id, server, actor.via, self._clock.now() + LIFE, uuid4().hex)
        payload = msgspec.json.encode(ticket)
        signed = hmac.digest(self._secret, payload, "sha256") + payload
        return base64.urlsafe_b64encode(signed).decode().rstrip("="), ticket.expires_at

    def redeem(self, text: str, server: UUID, address: str | None) -> Actor:
        """Return whose ticket it is; raise TicketIsInvalid, and whatever is wrong with the key meanwhile."""
        try:
            signed = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
            digest, payload = signed[:_DIGEST_BYTES], signed[_DIGEST_BYTES:]
            if not hmac.compare_digest(digest, hmac.digest(self._secret, payload, "sha256")):
                raise TicketIsInvalid
            ticket = msgspec.json.decode(payload, type=_Ticket)
        except (binascii.Error, UnicodeEncodeError, msgspec.MsgspecError) as error:
            raise TicketIsInvalid from error
        now = self._clock.now()
        if ticket.expires_at <= now or ticket.server != server or ticket.nonce in self._used:
            raise TicketIsInvalid
        self._used = {nonce: ends for nonce, ends in self._used.items() if ends > now}
        self._used[ticket.nonce] = ticket.expires_at
        key = self._authority.keys.get(ticket.key_id)
        if key is None:
            raise KeyIsUnknown
        return self._authority.actor_of_key(key, ticket.via, address)

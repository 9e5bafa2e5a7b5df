"""Who a node is: a UUID and the secret that proves it, got once for a token.

Knows where it is kept and how it is got; what a node does with it is `service`'s business.
"""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from innkeeper.kit.tasks import in_thread
from innkeeper.node.layout import write_private
from innkeeper.wire.bus import Bus
from innkeeper.wire.codec import decode, encode
from innkeeper.wire.messages import PANEL_ENROL, Enrol, Enrolled, Refusal

ENROL_TIMEOUT = timedelta(seconds=10)


class EnrolmentRefused(Exception):
    """The panel did not take the token; the message says why."""


class IdentityUnreadable(Exception):
    """The identity file is damaged."""


class Identity(msgspec.Struct, frozen=True):
    """Who a node is. Never shown: whoever has the secret is the node."""

    node: UUID
    secret: str

    def __repr__(self) -> str:
        return f"Identity({self.node})"


def load_identity(path: Path) -> Identity | None:
    """Return the identity kept at `path`, None where there is none; raise IdentityUnreadable. Blocking."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise IdentityUnreadable(f"{path}: {error}") from error


def save_identity(path: Path, identity: Identity) -> None:
    """Keep `identity` at `path`, readable by us alone. Blocking."""
    write_private(path, msgspec.json.encode(identity))


async def enrol(bus: Bus, wish: Enrol, path: Path) -> Identity:
    """Become a node of the panel that gave out the token of `wish`, and keep the identity at `path`.

    Raises EnrolmentRefused, and BusError where no panel answers; the token is then still good, unless the answer was
    lost on its way.
    """
    reply = await bus.request(PANEL_ENROL, encode(wish), ENROL_TIMEOUT)
    answer: Enrolled | Refusal = decode(reply, Enrolled | Refusal)
    if isinstance(answer, Refusal):
        raise EnrolmentRefused(answer.message)
    identity = Identity(answer.node, answer.secret)
    await in_thread(save_identity, path, identity)
    return identity

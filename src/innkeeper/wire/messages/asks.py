"""What a node is asked about its servers, their consoles and ports, and what it answers."""

from typing import Any, Literal
from uuid import UUID

from innkeeper.wire.messages.base import Message
from innkeeper.wire.messages.desired import DesiredServer
from innkeeper.wire.messages.observed import Block


class Refusal(Message, frozen=True, kw_only=True):
    """The asked cannot be done; `code` names the condition as core's errors do, `data` its particulars."""

    code: str
    message: str
    data: dict[str, Any] = {}


class Apply(Message, frozen=True, kw_only=True):
    """Make it so. `complete`: whatever is not in `servers` is no longer this node's, and is forgotten."""

    servers: list[DesiredServer]
    complete: bool = False


class Done(Message, frozen=True, kw_only=True):
    """It was done, or will be: what follows is reported."""


class Remove(Message, frozen=True, kw_only=True):
    """Kill and delete the server with all its files. Idempotent."""

    server: UUID


class Announce(Message, frozen=True, kw_only=True):
    """Report everything again, completely."""


class SendLine(Message, frozen=True, kw_only=True):
    """Write one line to the console of a server."""

    server: UUID
    line: str


class ReadConsole(Message, frozen=True, kw_only=True):
    """Ask for journaled blocks after a sequence number, or the last `tail` lines when that is given."""

    server: UUID
    after_seq: int = 0
    tail: int | None = None
    max_bytes: int = 512 * 1024


class ConsoleRead(Message, frozen=True, kw_only=True):
    """Journaled blocks; `first_seq` is the oldest line still kept, `next_seq` that of the next line to come."""

    blocks: list[Block]
    first_seq: int
    next_seq: int


class SearchConsole(Message, frozen=True, kw_only=True):
    """Ask for lines holding `text` (any case, colours ignored), within a span of time."""

    server: UUID
    text: str = ""
    since_us: int | None = None
    until_us: int | None = None
    after_seq: int = 0
    limit: int = 100


class ConsoleFound(Message, frozen=True, kw_only=True):
    """Lines found; `next_after` continues the search, None when the journal's end was reached."""

    lines: list[tuple[int, int, bytes]]
    """(sequence number, time in µs, raw bytes without the newline)."""
    next_after: int | None


class FindPort(Message, frozen=True, kw_only=True):
    """Ask for the first of `candidates` that no program of the host holds."""

    address: str
    protocol: Literal["tcp", "udp"]
    candidates: list[int]


class PortFound(Message, frozen=True, kw_only=True):
    """The free port, or None."""

    port: int | None


Attention = Literal["samples", "tick", "management"]


class Attend(Message, frozen=True, kw_only=True):
    """Somebody is looking: for `for_s` seconds sample this server every second, ask it for its tick time, or tell what
    its management server says. Asked again before the time is up, it goes on."""

    server: UUID
    what: list[Attention]
    for_s: float


class CallManagement(Message, frozen=True, kw_only=True):
    """Ask the game's management server (JSON-RPC)."""

    server: UUID
    method: str
    params: Any = None


class ManagementAnswer(Message, frozen=True, kw_only=True):
    """What it answered: a result, or a JSON-RPC error object."""

    result: Any = None
    error: Any = None

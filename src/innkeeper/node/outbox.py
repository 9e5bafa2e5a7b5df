"""What a node owes its panel: a greeting, and the newest word on every server until it is acknowledged.

    start, reconnection, "node is unknown"            changed()              silence
                  │                                       │                     │
                  ▼                                       ▼                     ▼
      Hello (again, until Welcome) ─▶ complete Report ─▶ Report, one in flight ─▶ empty Report

Of several changes of one server the last is sent, and before it how each order ended. Knows nothing of how servers
are kept.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import structlog

from innkeeper.node.identity import Identity
from innkeeper.wire.bus import Bus, BusError
from innkeeper.wire.codec import BadMessage, decode, encode
from innkeeper.wire.messages import (
    PANEL_HELLO,
    PANEL_REPORT,
    Acknowledged,
    Hello,
    NodeFacts,
    ObservedServer,
    Refusal,
    Report,
    Welcome,
)

log = structlog.get_logger(__name__)

REQUEST_TIMEOUT = timedelta(seconds=10)
HEARTBEAT = timedelta(seconds=15)
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
GATHER_S = 0.05
"""While an order is under way, the steps of so long are told together; its end is told at once."""
MAX_REPORT_BYTES = 512 * 1024
ENDED = frozenset({"done", "failed"})
UNKNOWN = frozenset({"unknown_node", "node_is_unknown"})
_ACKNOWLEDGED = Acknowledged | Refusal
_WELCOME = Welcome | Refusal


class Outbox:
    """Tells the panel what `observed()` returns. `run` does it, for ever; everything else only takes note.

    `facts` is awaited for each greeting. `on_welcome` is called after each welcome, `on_acknowledged` with
    what a panel has taken in, both from the event loop.
    """

    def __init__(
        self,
        bus: Bus,
        identity: Identity,
        *,
        observed: Callable[[], Iterable[ObservedServer]],
        facts: Callable[[], Awaitable[NodeFacts]],
        on_welcome: Callable[[], None] = lambda: None,
        on_acknowledged: Callable[[Sequence[ObservedServer]], None] = lambda _: None,
        heartbeat: timedelta = HEARTBEAT,
    ) -> None:
        self._bus = bus
        self._identity = identity
        self._observed = observed
        self._facts = facts
        self._on_welcome = on_welcome
        self._on_acknowledged = on_acknowledged
        self._heartbeat = heartbeat.total_seconds()
        self.session = uuid4().hex
        self._number = 0
        self._pending: dict[UUID, list[ObservedServer]] = {}
        self._greet = True
        self._complete = True
        self._beat = False
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._settled = asyncio.Event()
        self._urgent = asyncio.Event()

    def changed(self, server: ObservedServer) -> None:
        """Take note that `server` is otherwise now."""
        add(self._pending, server)
        if server.order is None or server.order.state in ENDED:
            self._urgent.set()
        self._stir()

    def forget(self, server: UUID) -> None:
        """Tell no more of a server that was removed."""
        self._pending.pop(server, None)

    def announce(self) -> None:
        """Take note that everything must be reported again."""
        self._complete = True
        self._hurry.set()  # who asks is there to hear it
        self._stir()

    def greet_again(self) -> None:
        """Take note that the panel may have forgotten us, or we missed what it said."""
        self._greet = True
        self._hurry.set()
        self._stir()

    async def settled(self) -> None:
        """Wait until everything noted so far has been acknowledged."""
        await self._settled.wait()

    def _stir(self) -> None:
        self._settled.clear()
        self._wake.set()

    async def run(self) -> None:
        """Greet and report, for ever."""
        retry_s = FIRST_RETRY_S
        while True:
            self._wake.clear()
            try:
                if self._greet:
                    await self._say_hello()
                await self._report()
            except (BusError, BadMessage, _NotTaken) as error:
                log.warning("node.panel.silent", node=str(self._identity.node), error=str(error), retry_s=retry_s)
                self._hurry.clear()
                await _either(self._hurry, retry_s * random.uniform(0.5, 1))  # noqa: S311
                retry_s = min(retry_s * 2, LAST_RETRY_S)
                continue
            retry_s = FIRST_RETRY_S
            if self._wake.is_set():
                continue
            self._settled.set()
            self._beat = not await _either(self._wake, self._heartbeat)

    async def _say_hello(self) -> None:
        self._greet = False
        try:
            hello = Hello(
                node=self._identity.node,
                secret=self._identity.secret,
                session=self.session,
                facts=await self._facts(),
            )
            answer = await self._ask(PANEL_HELLO, hello, _WELCOME)
            if isinstance(answer, Refusal):
                raise _NotTaken(f"the panel does not welcome this node: {answer.message}")
        except BaseException:
            self._greet = True
            raise
        self._complete = True
        log.info("node.welcomed", node=str(self._identity.node))
        self._on_welcome()

    async def _report(self) -> None:
        if self._complete:
            await self._report_completely()
        elif self._pending:
            await _either(self._urgent, GATHER_S)
            self._urgent.clear()
            await self._send_changes()
        elif self._beat:
            await self._send([], complete=False)
        self._beat = False

    async def _report_completely(self) -> None:
        noted, self._pending = self._pending, {}
        for server in self._observed():
            add(noted, server)
        self._complete = False
        servers = [server for several in noted.values() for server in several]
        try:
            if sum(len(encode(server)) for server in servers) <= MAX_REPORT_BYTES:
                await self._send(servers, complete=True)
                return
            # What does not fit into one message is told in parts; only their sum is complete.
            log.info("node.report.split", servers=len(servers))
            for part in parts(servers):
                await self._send(part, complete=False)
        except BaseException:
            self._complete = True
            self._put_back(servers)
            raise

    async def _send_changes(self) -> None:
        noted, self._pending = self._pending, {}
        unsent = [server for several in noted.values() for server in several]
        try:
            for part in parts(unsent):
                await self._send(part, complete=False)
                unsent = unsent[len(part) :]
        except BaseException:
            self._put_back(unsent)
            raise

    def _put_back(self, unsent: list[ObservedServer]) -> None:
        newer, self._pending = self._pending, {}
        for server in (*unsent, *(server for several in newer.values() for server in several)):
            add(self._pending, server)

    async def _send(self, servers: list[ObservedServer], *, complete: bool) -> None:
        self._number += 1
        report = Report(
            node=self._identity.node, session=self.session, number=self._number, complete=complete, servers=servers
        )
        answer = await self._ask(PANEL_REPORT, report, _ACKNOWLEDGED)
        if isinstance(answer, Refusal):
            if answer.code in UNKNOWN:
                self._greet = True
            raise _NotTaken(f"the panel did not take the report: {answer.message}")
        self._on_acknowledged(servers)

    async def _ask(self, subject: str, message: msgspec.Struct, kind: Any) -> Any:
        return decode(await self._bus.request(subject, encode(message), REQUEST_TIMEOUT), kind)


def add(noted: dict[UUID, list[ObservedServer]], server: ObservedServer) -> None:
    """Note `server` in the place of what was noted of it before, unless that alone tells how an order ended."""
    several = noted.setdefault(server.uuid, [])
    if several:
        ended = several[-1].order
        if ended is None or ended.state not in ENDED or (server.order is not None and server.order.id == ended.id):
            several.pop()
    several.append(server)


def parts(servers: list[ObservedServer], limit: int = MAX_REPORT_BYTES) -> list[list[ObservedServer]]:
    """Return `servers` in order as runs whose bytes stay within `limit`; what alone is larger stands alone."""
    found: list[list[ObservedServer]] = []
    size = limit + 1
    for server in servers:
        own = len(encode(server))
        size += own
        if size > limit:
            found.append([])
            size = own
        found[-1].append(server)
    return found


async def _either(event: asyncio.Event, seconds: float) -> bool:
    """Wait until `event` is set or `seconds` have passed; tell whether it was set."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


class _NotTaken(Exception):
    """The panel answered, and refused."""

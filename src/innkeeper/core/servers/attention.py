"""To look at a server closely: its node is asked for attention, again and again, for as long as somebody takes part.

    async with … as look:        the right is checked, the node is asked
        await look.next()        a value, again and again; or the condition that ended it (a lost right, a lost node)

No task runs for it: attention is renewed while the next value is waited for, and lapses by itself where nobody waits.
Whenever any right changes, and when the actor's key ends, the right is asked again.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

import msgspec

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.errors import Unavailable
from innkeeper.core.nodes.gateway import Attention, NodeGateway
from innkeeper.core.servers.directory import Record, ServerDirectory
from innkeeper.core.servers.errors import ServerIsNotRunning
from innkeeper.core.servers.lifecycle import ALIVE
from innkeeper.kit.broadcast import Listener, Topic
from innkeeper.kit.clock import Clock
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

T = TypeVar("T")


class Rhythm(msgspec.Struct, frozen=True):
    """How attention is asked for."""

    lasts_s: float = 30.0
    renewed_s: float = 10.0
    again_s: float = 2.0
    """After a node was not reached."""


class Rights(Protocol):
    """What must be known of rights: `core.access.directory.AccessDirectory` keeps it."""

    changes: Topic[int]

    def renew(self, actor: Actor) -> Actor:
        """Return the same actor with the rights of now; raise where there are none any more."""
        ...

    def key_lasts_s(self, actor: Actor) -> float:
        """Return after how many seconds at most the actor's rights must be asked again."""
        ...


class LookParts:
    """What every look needs, whoever takes it."""

    def __init__(
        self,
        *,
        gateway: NodeGateway,
        servers: ServerDirectory,
        rights: Rights,
        clock: Clock,
        rhythm: Rhythm = Rhythm(),  # noqa: B008 - it is frozen
    ) -> None:
        self.gateway = gateway
        self.servers = servers
        self.rights = rights
        self.clock = clock
        self.rhythm = rhythm


class _Bell(Listener[Any]):
    """Hears that something was told, whatever it was."""

    def __init__(self, topic: Topic[Any], ring: "asyncio.Event") -> None:
        super().__init__(topic, 1)
        self._ring = ring
        self.rung = False

    def put(self, value: Any) -> None:
        self.rung = True
        self._ring.set()


class Look(Generic[T]):
    """One close look at a server: values are put in, and taken out by `next`. Use as an async context manager.

    `limit`: so many values wait to be taken; the oldest give way, and `dropped` counts them.
    """

    def __init__(
        self,
        parts: LookParts,
        actor: Actor,
        record: Record,
        permission: ServerPermission,
        what: Sequence[Attention],
        *,
        limit: int,
    ) -> None:
        self._parts = parts
        self._actor = actor
        self._server_id = record.server.id
        self._permission = permission
        self._what = list(what)
        self._limit = limit
        self._values: deque[T] = deque()
        self._wake = asyncio.Event()
        self._bell = _Bell(parts.rights.changes, self._wake)
        self._renew_at = self._ends_at = 0.0
        self.dropped = 0

    @property
    def record(self) -> Record:
        """The server as it is now."""
        return self._parts.servers.get(self._server_id)

    async def __aenter__(self) -> Self:
        self._bell.__enter__()
        try:
            self._check()
            await self._begin()
            await self._attend()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bell.__exit__()
        await self._end()

    def put(self, value: T) -> None:
        """Have a value taken."""
        if len(self._values) >= self._limit:
            self._values.popleft()
            self.dropped += 1
        self._values.append(value)
        self._wake.set()

    async def next(self) -> T:
        """Return the next value, waiting for it; raise the condition that ends the look."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            if self._bell.rung or self._key_lasts() <= 0:
                self._bell.rung = False
                self._actor = self._parts.rights.renew(self._actor)
                self._check()
            if loop.time() >= self._renew_at:
                await self._renew()
            if self._values:
                return self._values.popleft()
            try:
                async with asyncio.timeout(min(self._renew_at - loop.time(), self._key_lasts())):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _begin(self) -> None:
        """Have values put in from now on."""

    async def _end(self) -> None:
        """Have none put in any more."""

    def _check(self) -> None:
        self._parts.servers.reach(self._actor, self.record, self._permission)

    def _key_lasts(self) -> float:
        return self._parts.rights.key_lasts_s(self._actor)

    async def _attend(self) -> None:
        if self.record.live.state not in ALIVE:
            raise ServerIsNotRunning
        asked, rhythm = asyncio.get_running_loop().time(), self._parts.rhythm
        await self._parts.gateway.attend(self.record.server, self._what, rhythm.lasts_s)
        self._renew_at, self._ends_at = asked + rhythm.renewed_s, asked + rhythm.lasts_s

    async def _renew(self) -> None:
        try:
            await self._attend()
        except Unavailable as error:
            now = asyncio.get_running_loop().time()
            if now >= self._ends_at:
                raise
            log.info("attention.not_renewed", server=str(self.record.server.uuid), reason=error.code)
            self._renew_at = now + self._parts.rhythm.again_s

"""A stream that a client starts and stops on a socket, as often as it likes.

    idle ──start──▶ asked ──its source is there──▶ begun: "started", then what it has
      ▲               │ it is not: no answer         │ stop, or the source ends: "stopped"
      └───────────────┴──────────────────────────────┘

Each start is acknowledged once the stream has begun; one that cannot begin now goes unanswered, as on the original:
clients ask again. Knows no source.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

from litestar.exceptions import WebSocketDisconnect

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.errors import Conflict, CoreError, Unavailable
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import State
from innkeeper.kit.log import get_logger
from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.product import Product

log = get_logger(__name__)


class Socket(Protocol):
    """What a stream needs of the socket that it is on."""

    product: Product
    tasks: TaskSet
    actor: Actor
    record: Record

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        ...

    async def send_frames(self, parts: Iterable[bytes]) -> None:
        """Send messages that are frames already."""
        ...

    def end(self, error: CoreError | None = None) -> None:
        """Have the socket closed; for a condition where one is given."""
        ...


class Feed(ABC):
    """One stream of one socket."""

    name: str
    permission: ClassVar[ServerPermission]
    states: ClassVar[frozenset[State]]
    """Those in which it can be started and goes on."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self._task: asyncio.Task[None] | None = None
        self.has_begun = False
        self._asked = 0
        """Starts that are not acknowledged yet."""

    @property
    def is_open(self) -> bool:
        """Whether it was started and has not ended."""
        return self._task is not None and not self._task.done()

    async def start(self, data: Any) -> None:
        """Start it, or say again that it has begun; raise PermissionIsMissing and its kin."""
        socket = self.socket
        socket.product.directory.reach(socket.actor, socket.record, self.permission)
        if socket.record.live.state not in self.states:
            return
        if self.has_begun:
            await self.say("started")
            return
        self._asked += 1
        if not self.is_open:
            self._task = socket.tasks.start(self._run(data), name=f"exaroton {self.name}")

    async def stop(self) -> None:
        """End it without a word."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def finish(self) -> None:
        """End it with the game."""
        await self.stop()

    async def obey(self, kind: str, data: Any) -> None:  # noqa: B027 - most streams are told nothing else
        """Do what the client says beside start and stop."""

    @abstractmethod
    async def pump(self, data: Any) -> None:
        """Send what there is, for ever; call `begin` once it comes."""

    async def begin(self) -> None:
        """Acknowledge the starts so far."""
        self.has_begun = True
        while self._asked:
            self._asked -= 1
            await self.say("started")

    async def say(self, kind: str, **data: Any) -> None:
        """Send a message of this stream."""
        await self.socket.send({"stream": self.name, "type": kind, **data})

    async def lose(self) -> None:
        """Say that the source has ended."""
        await self.say("stopped")

    async def _run(self, data: Any) -> None:
        try:
            try:
                await self.pump(data)
            except (Conflict, Unavailable, TimeoutError) as error:
                server = str(self.socket.record.server.uuid)
                log.info("exaroton.stream.over", server=server, stream=self.name, reason=repr(error))
                if self.has_begun or isinstance(error, Unavailable):
                    await self.lose()
        except WebSocketDisconnect:
            self.socket.end()
        except CoreError as error:
            self.socket.end(error)
        finally:
            self.has_begun = False
            self._asked = 0

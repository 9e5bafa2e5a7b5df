"""The streams of figures: memory, the heap of a Java virtual machine, the tick.

Each tells one figure of what a server is seen to use, and begins with the first there is: a game that has no such
figure never begins, and nothing is invented for it.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Usage
from innkeeper.panel.dialects.exaroton.streams.feed import Feed, Socket

FIRST_FIGURE_S = 10.0
"""A figure that has not come by then is one that the game does not have."""


Figure = Literal["samples", "tick"]


class FigureFeed(Feed):
    """Tells one figure."""

    permission = ServerPermission.METRICS_READ
    states = frozenset({State.RUNNING})
    what: ClassVar[tuple[Figure, ...]]

    def __init__(self, socket: Socket, first_figure_s: float) -> None:
        super().__init__(socket)
        self._first_figure_s = first_figure_s

    async def pump(self, data: Any) -> None:
        socket = self.socket
        async with asyncio.timeout(self._first_figure_s) as patience:
            async with socket.product.metrics.watch(socket.actor, socket.record, self.what) as watching:
                while True:
                    figure = self.figure(await watching.next())
                    if figure is None:
                        continue
                    if patience.when() is not None:
                        patience.reschedule(None)
                        await self.begin()
                    await self.say(self.name, data=figure)

    @abstractmethod
    def figure(self, usage: Usage) -> dict[str, Any] | None:
        """Return the stream's data, None where there is none now."""


class TickFeed(FigureFeed):
    """Tells the average tick in milliseconds."""

    name = "tick"
    what: ClassVar[tuple[Figure, ...]] = ("tick",)

    def figure(self, usage: Usage) -> dict[str, Any] | None:
        return None if usage.tick_ms is None else {"averageTickTime": usage.tick_ms}


class HeapFeed(FigureFeed):
    """Tells the used heap in bytes."""

    name = "heap"
    what: ClassVar[tuple[Figure, ...]] = ("samples",)

    def figure(self, usage: Usage) -> dict[str, Any] | None:
        return None if usage.heap_bytes is None else {"usage": usage.heap_bytes}


class StatsFeed(FigureFeed):
    """Tells the used memory, in bytes and in percent of what the server may use."""

    name = "stats"
    what: ClassVar[tuple[Figure, ...]] = ("samples",)

    def __init__(self, socket: Socket, first_figure_s: float, *, memory_bytes: Callable[[], int]) -> None:
        super().__init__(socket, first_figure_s)
        self._memory_bytes = memory_bytes

    def figure(self, usage: Usage) -> dict[str, Any] | None:
        allowed = self._memory_bytes()
        if not allowed:  # neither a limit nor a word of the node's
            return None
        return {"memory": {"percent": round(usage.memory_bytes / allowed * 100, 2), "usage": usage.memory_bytes}}

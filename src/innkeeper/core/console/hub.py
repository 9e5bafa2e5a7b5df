"""Live console lines to any number of subscribers, each at its own pace, none ever missing one.

Each watched server has a short ring of recent blocks. A subscriber is a cursor: it takes what lies behind it from the
ring, or from the journal when it came late or fell behind, so that it neither loses lines nor holds up others. What a
subscriber is sent is rendered once per block and format, and shared.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from innkeeper.core.console.model import Block, Lines
from innkeeper.core.nodes.gateway import NodeGateway, Watch
from innkeeper.core.servers.model import Server

RING_BYTES = 4 * 1024 * 1024
PAGES = 8
"""Parts of the journal that are kept for those who are equally far behind."""
PAUSE_PER_USER_S = 0.00007
"""Between two wakings of all who wait: with many of them, lines are gathered instead of handed out one by one."""
LEAST_PAUSE_S = 0.001
"""A shorter one is none."""
MOST_PAUSE_S = 0.02
Rendering = Callable[[Block], Any]


class RingBlock:
    """A block with what was rendered of it."""

    __slots__ = ("block", "last_seq", "rendered")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.last_seq = block.last_seq
        self.rendered: dict[Rendering, Any] = {}

    def render(self, rendering: Rendering) -> Any:
        """Return `rendering(block)`, made once."""
        try:
            return self.rendered[rendering]
        except KeyError:
            value = self.rendered[rendering] = rendering(self.block)
            return value


class Page:
    """A part of the journal: its blocks, and what the journal held when it was read."""

    __slots__ = ("blocks", "first_seq", "next_seq")

    def __init__(self, lines: Lines) -> None:
        self.blocks = [RingBlock(block) for block in lines.blocks]
        self.first_seq = lines.first_seq
        self.next_seq = lines.next_seq

    def holds(self, seq: int) -> bool:
        """Say whether the line is in it."""
        return bool(self.blocks) and self.blocks[0].block.first_seq <= seq <= self.blocks[-1].last_seq


class Channel:
    """The recent blocks of one server, and who waits for more."""

    def __init__(self, server: Server, gateway: NodeGateway) -> None:
        self.server = server
        self._gateway = gateway
        self.ring: deque[RingBlock] = deque()
        self._bytes = 0
        self.next_seq: int | None = None
        """The number of the next line to come; None until something is known."""
        self.fed = 0
        """How often it was fed."""
        self.watch: Watch | None = None
        self.users = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._woken = 0.0
        self._waking: asyncio.TimerHandle | None = None
        self._pages: deque[Page] = deque(maxlen=PAGES)
        self._reading = asyncio.Lock()
        self.opening = asyncio.Lock()

    def feed(self, blocks: list[Block]) -> None:
        """Take blocks as they come; a gap in the numbers empties the ring, so that everybody looks into the journal.

        No blocks at all means that some may have been missed: everybody looks into the journal once.
        """
        self.fed += 1
        if not blocks:
            self._forget()
            self._pages.clear()
            self.next_seq = None
        for block in blocks:
            if self.next_seq is not None:
                if block.first_seq > self.next_seq:
                    self._forget()
                elif block.first_seq < self.next_seq:
                    rest = block.after(self.next_seq - 1)
                    if rest is None:
                        continue
                    block = rest
            entry = RingBlock(block)
            self.ring.append(entry)
            self._bytes += len(block.payload)
            self.next_seq = entry.last_seq + 1
        while self._bytes > RING_BYTES and len(self.ring) > 1:
            self._bytes -= len(self.ring.popleft().block.payload)
        if len(self._waiters) == self.users:
            self._pages.clear()  # nobody is behind
        self._wake_in_time()

    def since(self, seq: int) -> list[RingBlock] | None:
        """Return what the ring has after line `seq`, whole blocks; None when the ring does not reach back that far."""
        if self.next_seq is None or not self.ring:
            return [] if self.next_seq is not None and seq >= self.next_seq - 1 else None
        if seq < self.ring[0].block.first_seq - 1:
            return None
        found = []
        for entry in reversed(self.ring):
            if entry.last_seq <= seq:
                break
            found.append(entry)
        found.reverse()
        return found

    async def wait(self, fed: int) -> None:
        """Return once it was fed more often than `fed` times."""
        if self.fed != fed:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def behind(self, seq: int) -> Page:
        """Return the part of the journal after line `seq`, or a longer one; many who ask for the same read it once."""
        async with self._reading:
            for page in self._pages:
                if page.holds(seq + 1):
                    return page
            page = Page(await self._gateway.read_console(self.server, seq))
            self._pages.append(page)
            return page

    def close(self) -> None:
        """Wake nobody any more."""
        if self._waking is not None:
            self._waking.cancel()

    def _wake_in_time(self) -> None:
        """Wake all who wait: at once, or with the next lines when they were woken a moment ago and are many."""
        pause = min(self.users * PAUSE_PER_USER_S, MOST_PAUSE_S)
        if self._waking is not None or not self._waiters:
            return
        loop = asyncio.get_running_loop()
        if pause < LEAST_PAUSE_S or self._woken + pause <= loop.time():
            self._wake()
        else:
            self._waking = loop.call_at(self._woken + pause, self._wake)

    def _wake(self) -> None:
        self._waking = None
        self._woken = asyncio.get_running_loop().time()
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _forget(self) -> None:
        self.ring.clear()
        self._bytes = 0


class Subscription:
    """One subscriber's place in a server's console. Use as an async context manager."""

    def __init__(
        self, hub: "ConsoleHub", server: Server, *, resume_from: int | None, tail: int, furthest: int | None
    ) -> None:
        self._hub = hub
        self._server = server
        self._resume_from = resume_from
        self._tail = tail
        self._furthest = furthest
        self._channel: Channel
        self._backlog: deque[RingBlock] = deque()
        self.seq = 0
        """The number of the last line given out."""
        self.skipped = 0
        """How many lines the journal no longer had when they were asked for."""

    async def __aenter__(self) -> "Subscription":
        self._channel = await self._hub.open(self._server)
        try:
            await self._place()
        except BaseException:
            await self._hub.leave(self._channel)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hub.leave(self._channel)

    @property
    def viewers(self) -> int:
        """How many subscribers the server's console has."""
        return self._channel.users

    async def next(self) -> list[RingBlock]:
        """Return the next blocks, at least one, waiting for them; each line comes exactly once and in order."""
        while True:
            if self._backlog:
                found = list(self._backlog)
                self._backlog.clear()
            else:
                fed = self._channel.fed  # what comes while the journal is read must not be slept through
                recent = self._channel.since(self.seq)
                found = await self._from_journal() if recent is None else recent
                if not found:
                    await self._channel.wait(fed)
                    continue
            cut = found[0].block.after(self.seq)
            if cut is None:
                found.pop(0)
            elif cut is not found[0].block:
                found[0] = RingBlock(cut)
            if found:
                self.seq = found[-1].last_seq
                return found

    async def _place(self) -> None:
        """Set the cursor: after `resume_from`, or before the last `tail` lines."""
        if self._resume_from is not None:
            self.seq = max(0, self._resume_from)
            known = self._channel.next_seq
            if known is not None and self.seq >= known:
                self.seq = known - 1
            if self._furthest is not None:
                newest = (await self._hub.gateway.tail_console(self._server, 1)).next_seq - 1
                self.seq = max(self.seq, newest - self._furthest)
            return
        lines = await self._hub.gateway.tail_console(self._server, max(1, self._tail))
        if not self._tail or not lines.blocks:
            self.seq = lines.next_seq - 1
            return
        last = lines.blocks[-1].last_seq
        self.seq = max(lines.blocks[0].first_seq - 1, last - self._tail)
        self._backlog.extend(RingBlock(block) for block in lines.blocks if block.last_seq > self.seq)

    async def _from_journal(self) -> list[RingBlock]:
        page = await self._channel.behind(self.seq)
        if self.seq >= page.next_seq:  # a cursor from beyond the end: the journal was begun anew
            self.seq = page.next_seq - 1
        if page.first_seq > self.seq + 1:
            self.skipped += page.first_seq - self.seq - 1
            self.seq = page.first_seq - 1
        return [block for block in page.blocks if block.last_seq > self.seq]


class ConsoleHub:
    """Watches the consoles that somebody looks at, once each."""

    def __init__(self, gateway: NodeGateway) -> None:
        self.gateway = gateway
        self._channels: dict[int, Channel] = {}

    def subscribe(
        self, server: Server, *, resume_from: int | None = None, tail: int = 0, furthest: int | None = None
    ) -> Subscription:
        """Return a subscription that begins after line `resume_from`, else with the last `tail` lines.

        It resumes no more than `furthest` lines back, where that is said.
        """
        return Subscription(self, server, resume_from=resume_from, tail=tail, furthest=furthest)

    async def open(self, server: Server) -> Channel:
        """Return a server's channel, watched; whoever opened it leaves it."""
        channel = self._channels.get(server.id)
        if channel is None:
            channel = self._channels[server.id] = Channel(server, self.gateway)
        channel.users += 1
        try:
            async with channel.opening:
                if channel.watch is None:
                    channel.watch = await self.gateway.watch_console(server, channel.feed)
        except BaseException:
            await self.leave(channel)
            raise
        return channel

    async def leave(self, channel: Channel) -> None:
        """Leave a channel; the last to leave ends the watch."""
        channel.users -= 1
        if channel.users == 0:
            if self._channels.get(channel.server.id) is channel:
                del self._channels[channel.server.id]
            channel.close()
            watch, channel.watch = channel.watch, None
            if watch is not None:
                await watch.close()

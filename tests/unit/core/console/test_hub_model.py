"""The hub against a model: whatever is lost or repeated on the way, every subscriber reads the journal once, in order.

The feed loses, repeats and never reorders; the journal answers late and in parts; subscribers come, dawdle and go.
"""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from innkeeper.core.console.hub import RING_BYTES, ConsoleHub, Subscription
from innkeeper.core.console.model import Block, Lines
from innkeeper.core.nodes.gateway import NodeGateway, OnBlocks, Watch
from innkeeper.core.servers.model import Server
from innkeeper.kit.tasks import TaskSet
from innkeeper.testing.gateways import ScriptedConsole
from innkeeper.testing.store_samples import a_server

LARGE = b"x" * (RING_BYTES // 3) + b"\n"
"""Four of these are more than the hub keeps in memory."""
LINES = st.sampled_from([b"", b"a", b"\xff\xfe", b"> "])
SMALL = st.builds(
    lambda lines, end: b"\n".join(lines) + end, st.lists(LINES, min_size=1, max_size=4), st.sampled_from([b"\n", b"?"])
)
BLOCKS = st.one_of(SMALL, SMALL, SMALL, SMALL, st.just(LARGE))
SAY = st.tuples(st.just("say"), BLOCKS, st.sampled_from(["heard", "heard", "lost", "repeated"]))
JOIN = st.tuples(st.just("join"), st.sampled_from(["tail", "resume"]), st.integers(0, 30), st.integers(0, 6))
RARE = st.one_of(
    st.tuples(st.just("resync")),
    st.tuples(st.just("leave"), st.integers(0, 5)),
    st.tuples(st.just("rotate"), st.integers(1, 10)),
)
STEPS = st.lists(st.one_of(SAY, SAY, SAY, SAY, JOIN, RARE), min_size=10, max_size=40)


class UnreliableNode:
    """Keeps of `NodeGateway` what a hub asks."""

    def __init__(self, random: Random) -> None:
        self.journal = ScriptedConsole()
        self.feeds: list[OnBlocks] = []
        self._random = random

    def feed(self, blocks: list[Block]) -> None:
        for feed in list(self.feeds):
            feed(blocks)

    async def dawdle(self) -> None:
        for _ in range(self._random.randrange(5)):
            await asyncio.sleep(0)

    async def read_console(self, _server: Server, after_seq: int) -> Lines:
        await self.dawdle()
        lines = self.journal.read(after_seq)
        answer = Lines(lines.blocks[: self._random.randrange(1, 4)], lines.first_seq, lines.next_seq)
        await self.dawdle()
        return answer

    async def tail_console(self, _server: Server, count: int) -> Lines:
        await self.dawdle()
        journal = self.journal
        found: list[Block] = []
        while sum(block.count for block in found) < count and len(found) < len(journal.blocks):
            found.insert(0, journal.blocks[-1 - len(found)])
        answer = Lines(found, journal.first_seq, journal.next_seq)
        await self.dawdle()
        return answer

    async def watch_console(self, _server: Server, on_blocks: OnBlocks) -> Watch:
        await self.dawdle()
        self.feeds.append(on_blocks)
        return cast(Watch, UnreliableWatch(self, on_blocks))


@dataclass
class UnreliableWatch:
    node: UnreliableNode
    on_blocks: OnBlocks

    async def close(self) -> None:
        await self.node.dawdle()
        self.node.feeds.remove(self.on_blocks)


@dataclass
class Reader:
    subscription: Subscription
    slowness: int
    end_before: int
    """The number of the last line when the reader came."""
    tail: int | None
    placed: bool = False
    end_placed: int = 0
    start: int = 0
    got: list[tuple[int, bytes]] = field(default_factory=list)

    async def run(self, node: UnreliableNode) -> None:
        async with self.subscription:
            self.placed, self.end_placed, self.start = True, node.journal.next_seq - 1, self.subscription.seq
            while True:
                for entry in await self.subscription.next():
                    assert entry.block.first_seq + entry.block.count - 1 == entry.last_seq
                    pieces = entry.block.payload.split(b"\n")
                    lines = pieces if pieces[-1] else pieces[:-1]
                    self.got += list(enumerate(lines, entry.block.first_seq))
                for _ in range(self.slowness):
                    await asyncio.sleep(0)


class Stage:
    def __init__(self, random: Random, tasks: TaskSet) -> None:
        self.node = UnreliableNode(random)
        self.hub = ConsoleHub(cast(NodeGateway, self.node))
        self.server = a_server(1, 1, id=1)
        self.tasks = tasks
        self.readers: list[tuple[Reader, asyncio.Task[None]]] = []
        self.said: list[bytes] = []
        self.rotated = False

    async def do(self, step: tuple[Any, ...]) -> None:
        journal = self.node.journal
        match step:
            case ("say", bytes(payload), fate):
                block = journal.add(payload, 0)
                pieces = payload.split(b"\n")
                self.said += pieces if pieces[-1] else pieces[:-1]
                if fate != "lost":
                    self.node.feed([block])
                if fate == "repeated":
                    self.node.feed([block])
            case ("resync",):
                self.node.feed([])
            case ("join", how, number, slowness):
                end = journal.next_seq - 1
                resume = {"resume_from": min(number, end)} if how == "resume" else {"tail": number}
                reader = Reader(
                    self.hub.subscribe(self.server, **resume), slowness, end, number if how == "tail" else None
                )
                self.readers.append((reader, self.tasks.start(reader.run(self.node), name="reader", fatal=False)))
            case ("leave", which) if self.readers:
                reader, task = self.readers.pop(which % len(self.readers))
                task.cancel()
                await asyncio.wait({task})
                self.check(reader)
            case ("rotate", count):
                before = min(journal.first_seq + count, journal.next_seq)
                self.rotated = self.rotated or before > journal.first_seq
                journal.forget(before)
        for channel in self.hub._channels.values():
            kept = [len(entry.block.payload) for entry in channel.ring]
            assert sum(kept) - max(kept, default=0) <= RING_BYTES

    async def end(self) -> None:
        """Let everybody read to the end: what was lost on the way is made known by a resync, as the gateway does."""
        self.node.feed([])
        last = self.node.journal.next_seq - 1
        for _ in range(20_000):
            if all(reader.placed and reader.subscription.seq >= last for reader, _ in self.readers):
                break
            await asyncio.sleep(0)
        for _ in range(30):  # nothing more may come
            await asyncio.sleep(0)
        for reader, task in self.readers:
            assert not task.done(), task
            self.check(reader)
            assert reader.start + len(reader.got) + reader.subscription.skipped == last

    def check(self, reader: Reader) -> None:
        numbers = [seq for seq, _ in reader.got]
        gaps = [b - a - 1 for a, b in zip([reader.start, *numbers], numbers, strict=False)]
        assert all(gap >= 0 for gap in gaps), "a line came twice or out of order"
        assert sum(gaps) <= reader.subscription.skipped, "a line is missing"
        assert self.rotated or not reader.subscription.skipped
        for seq, line in reader.got:
            assert line == self.said[seq - 1]
        if reader.tail is not None and reader.got and not self.rotated:
            earliest, latest = reader.end_before - reader.tail, reader.end_placed - reader.tail
            assert max(0, earliest) <= reader.start <= max(0, latest)


@settings(max_examples=200, deadline=None)
@given(STEPS, st.integers(0, 1 << 32).map(Random))
def test_every_subscriber_reads_every_line_once_and_in_order(steps: list[tuple[Any, ...]], random: Random) -> None:
    async def play() -> None:
        tasks = TaskSet("readers").start_set()
        stage = Stage(random, tasks)
        try:
            for step in steps:
                await stage.do(step)
                for _ in range(random.choice((0, 1, 3, 30))):
                    await asyncio.sleep(0)
            await stage.end()
        finally:
            assert await tasks.stop() == ()
        assert stage.node.feeds == [], "the last to leave closes the watch"
        assert stage.hub._channels == {}

    asyncio.run(play())

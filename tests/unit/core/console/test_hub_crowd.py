"""Many subscribers of one console: they share the work, and it is shared out in time."""

import asyncio
from typing import cast

import pytest

from innkeeper.core.console import hub as hub_module
from innkeeper.core.console.hub import RING_BYTES, ConsoleHub, RingBlock
from innkeeper.core.console.model import Block, Lines
from innkeeper.core.nodes.gateway import NodeGateway, OnBlocks, Watch
from innkeeper.core.servers.model import Server
from innkeeper.kit.tasks import TaskSet
from innkeeper.testing.gateways import ScriptedConsole, ScriptedWatch
from innkeeper.testing.store_samples import a_server

CROWD = 100
PATIENCE_S = 20
LARGE = b"x" * (RING_BYTES // 3) + b"\n"


class Node:
    """Keeps of `NodeGateway` what a hub asks, and counts what it is asked."""

    def __init__(self) -> None:
        self.journal = ScriptedConsole()
        self.reads = 0

    async def read_console(self, _server: Server, after_seq: int) -> Lines:
        self.reads += 1
        await asyncio.sleep(0)
        lines = self.journal.read(after_seq)
        return Lines(lines.blocks[:1], lines.first_seq, lines.next_seq)

    async def tail_console(self, _server: Server, _count: int) -> Lines:
        return Lines([], self.journal.first_seq, self.journal.next_seq)

    async def watch_console(self, _server: Server, on_blocks: OnBlocks) -> Watch:
        return cast(Watch, ScriptedWatch(self.journal, on_blocks))


class Reader:
    """A subscriber: what it was given, each time it was given something."""

    def __init__(self, hub: ConsoleHub, server: Server, resume_from: int) -> None:
        self._subscription = hub.subscribe(server, resume_from=resume_from)
        self.turns: list[list[RingBlock]] = []

    @property
    def lines(self) -> list[int]:
        return [
            seq for turn in self.turns for entry in turn for seq in range(entry.block.first_seq, entry.last_seq + 1)
        ]

    async def run(self) -> None:
        async with self._subscription:
            while True:
                self.turns.append(await self._subscription.next())


async def crowd(hub: ConsoleHub, tasks: TaskSet, *, resume_from: int) -> list[Reader]:
    readers = [Reader(hub, a_server(1, 1, id=1), resume_from) for _ in range(CROWD)]
    for reader in readers:
        tasks.start(reader.run(), name="reader")
    return readers


async def until_read(readers: list[Reader], last: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not all(reader.lines and reader.lines[-1] == last for reader in readers):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_those_who_are_equally_far_behind_read_the_journal_and_are_rendered_for_once() -> None:
    node, rendered = Node(), list[int]()

    def rendering(block: Block) -> int:
        rendered.append(block.first_seq)
        return block.first_seq

    for _ in range(6):
        node.journal.add(LARGE, 0)
    hub = ConsoleHub(cast(NodeGateway, node))
    async with TaskSet("readers") as tasks:
        readers = await crowd(hub, tasks, resume_from=0)
        await until_read(readers, 6)
        for reader in readers:
            assert reader.lines == [1, 2, 3, 4, 5, 6]
            for turn in reader.turns:
                for entry in turn:
                    entry.render(rendering)
        # The end of the journal is asked for again by everybody who finds nothing new.
        assert node.reads < 6 + CROWD + 1
        assert sorted(rendered) == [1, 2, 3, 4, 5, 6]
        await tasks.stop()


async def test_lines_that_come_quickly_are_gathered_for_a_crowd_and_none_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "PAUSE_PER_USER_S", 0.3 / CROWD)
    monkeypatch.setattr(hub_module, "MOST_PAUSE_S", 0.3)
    node = Node()
    hub = ConsoleHub(cast(NodeGateway, node))
    async with TaskSet("readers") as tasks:
        readers = await crowd(hub, tasks, resume_from=0)
        node.journal.add(b"first\n", 0)
        await until_read(readers, 1)
        for _ in range(200):
            node.journal.add(b"line\n", 0)
            await asyncio.sleep(0)
        await until_read(readers, 201)
        for reader in readers:
            assert reader.lines == list(range(1, 202))
            assert len(reader.turns) < 100
        await tasks.stop()


async def test_a_single_subscriber_gets_each_line_at_once() -> None:
    node = Node()
    hub = ConsoleHub(cast(NodeGateway, node))
    reader = Reader(hub, a_server(1, 1, id=1), 0)
    async with TaskSet("readers") as tasks:
        tasks.start(reader.run(), name="reader")
        for number in range(1, 21):
            node.journal.add(b"line\n", 0)
            await until_read([reader], number)
        assert [len(turn) for turn in reader.turns] == [1] * 20
        await tasks.stop()

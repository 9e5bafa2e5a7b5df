"""The hub's particulars: where a subscriber begins, what is kept in memory, and what is left when the last has gone."""

import asyncio

import pytest

from innkeeper.core.console.hub import RING_BYTES, ConsoleHub, RingBlock, Subscription
from innkeeper.core.console.model import Block
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.servers.directory import Record
from innkeeper.testing.products import House


@pytest.fixture
def hub(house: House) -> ConsoleHub:
    return ConsoleHub(house.gateway)


@pytest.fixture
async def server(house: House) -> Record:
    return await house.server(start=True)


def lines(blocks: list[RingBlock]) -> list[tuple[int, str]]:
    return [item for entry in blocks for item in enumerate(entry.block.lines(), entry.block.first_seq)]


async def read(subscription: Subscription, count: int) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            found += lines(await subscription.next())
    return found


async def stays_silent(subscription: Subscription) -> bool:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await subscription.next()
    return True


def said(house: House, server: Record, *words: str) -> Block:
    return house.gateway.say(server.server.uuid, *words)


# -- where one begins -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tail", "first"), [(0, 7), (1, 6), (3, 4), (6, 1), (100, 1)])
async def test_a_tail_of_lines_comes_first_then_what_is_new(
    house: House, hub: ConsoleHub, server: Record, tail: int, first: int
) -> None:
    said(house, server, "1", "2", "3", "4")
    said(house, server, "5", "6")
    async with hub.subscribe(server.server, tail=tail) as subscription:
        said(house, server, "7")
        assert await read(subscription, 8 - first) == [(seq, f"{seq}") for seq in range(first, 8)]
        assert await stays_silent(subscription)


@pytest.mark.parametrize("tail", [0, 5])
async def test_an_empty_console_begins_with_its_first_line(
    house: House, hub: ConsoleHub, server: Record, tail: int
) -> None:
    async with hub.subscribe(server.server, tail=tail) as subscription:
        said(house, server, "first")
        assert await read(subscription, 1) == [(1, "first")]


@pytest.mark.parametrize("resume_from", [-5, 0, 2, 5])
async def test_one_resumes_after_the_line_one_had_last(
    house: House, hub: ConsoleHub, server: Record, resume_from: int
) -> None:
    said(house, server, "1", "2", "3", "4", "5")
    first = max(0, resume_from) + 1
    async with hub.subscribe(server.server, resume_from=resume_from) as subscription:
        said(house, server, "6")
        assert await read(subscription, 7 - first) == [(seq, f"{seq}") for seq in range(first, 7)]


@pytest.mark.parametrize("somebody_is_there", [True, False])
async def test_who_resumes_beyond_the_end_gets_the_next_line(
    house: House, hub: ConsoleHub, server: Record, somebody_is_there: bool
) -> None:
    said(house, server, "1", "2")
    async with hub.subscribe(server.server) as other:
        if somebody_is_there:
            said(house, server, "3")
            await read(other, 1)
        async with hub.subscribe(server.server, resume_from=10**12) as subscription:
            assert await stays_silent(subscription)
            block = said(house, server, "next")
            assert await read(subscription, 1) == [(block.first_seq, "next")]


async def test_what_the_journal_no_longer_has_is_counted_and_the_rest_is_read(
    house: House, hub: ConsoleHub, server: Record
) -> None:
    for number in range(1, 11):
        said(house, server, f"{number}")
    house.gateway.console(server.server.uuid).forget(8)
    async with hub.subscribe(server.server, resume_from=2) as subscription:
        assert await read(subscription, 3) == [(8, "8"), (9, "9"), (10, "10")]
        assert subscription.skipped == 5
    async with hub.subscribe(server.server, resume_from=7) as subscription:
        await read(subscription, 3)
        assert subscription.skipped == 0


async def test_a_prompt_without_a_line_end_is_a_line(house: House, hub: ConsoleHub, server: Record) -> None:
    console = house.gateway.console(server.server.uuid)
    async with hub.subscribe(server.server) as subscription:
        console.add(b"hello\n> ", 0)
        console.add(b"done\n", 0)
        assert await read(subscription, 3) == [(1, "hello"), (2, "> "), (3, "done")]


# -- what is lost on the way ----------------------------------------------------------------------------------------


async def test_a_hint_that_something_may_be_missing_sends_everybody_to_the_journal(
    house: House, hub: ConsoleHub, server: Record
) -> None:
    console = house.gateway.console(server.server.uuid)
    async with hub.subscribe(server.server) as subscription:
        said(house, server, "1")
        await read(subscription, 1)
        [feed], console.watchers = console.watchers, []
        said(house, server, "2", "3")  # nobody hears it
        assert await stays_silent(subscription)
        console.watchers = [feed]
        feed([])
        assert await read(subscription, 2) == [(2, "2"), (3, "3")]


async def test_a_hint_that_comes_while_the_journal_answers_is_not_slept_through(
    house: House, hub: ConsoleHub, server: Record
) -> None:
    console, read_console = house.gateway.console(server.server.uuid), house.gateway.read_console
    asked, answer = asyncio.Event(), asyncio.Event()

    async def read_slowly(*ask: object) -> object:
        lines = await read_console(*ask)  # type: ignore[arg-type]
        asked.set()
        await answer.wait()
        return lines

    async with hub.subscribe(server.server) as subscription:
        [feed], console.watchers = console.watchers, []
        house.gateway.read_console = read_slowly  # type: ignore[assignment,method-assign]
        following = house.tasks.start(read(subscription, 1), name="following")
        await asked.wait()
        said(house, server, "missed")
        feed([])
        answer.set()
        assert await following == [(1, "missed")]
        console.watchers = [feed]


# -- memory ---------------------------------------------------------------------------------------------------------


async def test_memory_is_bounded_and_the_slow_read_on_from_the_journal(
    house: House, hub: ConsoleHub, server: Record
) -> None:
    megabyte = "x" * (1 << 20)
    async with hub.subscribe(server.server) as slow, hub.subscribe(server.server) as quick:
        for number in range(12):
            said(house, server, f"{number} {megabyte}")
            assert [text.split()[0] for _, text in await read(quick, 1)] == [f"{number}"]
            ring = hub._channels[server.server.id].ring
            assert sum(len(entry.block.payload) for entry in ring) <= RING_BYTES
        assert [text.split()[0] for _, text in await read(slow, 12)] == [f"{number}" for number in range(12)]


async def test_one_block_that_is_larger_than_the_memory_is_handed_out_all_the_same(
    house: House, hub: ConsoleHub, server: Record
) -> None:
    async with hub.subscribe(server.server) as subscription:
        said(house, server, "x" * (RING_BYTES + 1))
        assert len((await read(subscription, 1))[0][1]) == RING_BYTES + 1
        said(house, server, "small")
        assert await read(subscription, 1) == [(2, "small")]
        assert len(hub._channels[server.server.id].ring) == 1


async def test_what_is_rendered_is_rendered_once_and_shared(house: House, hub: ConsoleHub, server: Record) -> None:
    rendered: list[int] = []

    def rendering(block: Block) -> list[str]:
        rendered.append(block.first_seq)
        return block.lines()

    async with hub.subscribe(server.server) as first, hub.subscribe(server.server) as second:
        said(house, server, "once")
        a, b = (await first.next())[0].render(rendering), (await second.next())[0].render(rendering)
    assert a is b
    assert rendered == [1]


# -- coming and going -----------------------------------------------------------------------------------------------


async def test_a_console_is_watched_once_and_until_the_last_has_left(
    house: House, hub: ConsoleHub, server: Record
) -> None:
    watchers = house.gateway.console(server.server.uuid).watchers
    async with hub.subscribe(server.server) as first:
        assert (len(watchers), first.viewers) == (1, 1)
        async with hub.subscribe(server.server) as second:
            assert (len(watchers), second.viewers) == (1, 2)
        assert (len(watchers), first.viewers) == (1, 1)
    assert watchers == []
    assert hub._channels == {}


async def test_many_who_come_at_once_share_one_watch(house: House, hub: ConsoleHub, server: Record) -> None:
    subscriptions = [hub.subscribe(server.server) for _ in range(20)]
    await asyncio.gather(*(subscription.__aenter__() for subscription in subscriptions))
    said(house, server, "for all")
    assert await asyncio.gather(*(read(subscription, 1) for subscription in subscriptions)) == [[(1, "for all")]] * 20
    assert len(house.gateway.console(server.server.uuid).watchers) == 1
    await asyncio.gather(*(subscription.__aexit__() for subscription in subscriptions))
    assert house.gateway.console(server.server.uuid).watchers == []


@pytest.mark.parametrize("call", ["watch_console", "tail_console"])
async def test_who_cannot_be_let_in_leaves_nothing_behind(
    house: House, hub: ConsoleHub, server: Record, call: str
) -> None:
    async def offline(*_: object) -> None:
        raise NodeIsOffline

    setattr(house.gateway, call, offline)
    with pytest.raises(NodeIsOffline):
        async with hub.subscribe(server.server, tail=5):
            raise AssertionError("nobody was let in")
    assert hub._channels == {}
    assert house.gateway.console(server.server.uuid).watchers == []
    delattr(house.gateway, call)
    async with hub.subscribe(server.server) as subscription:
        said(house, server, "again")
        assert await read(subscription, 1) == [(1, "again")]


async def test_who_goes_while_the_door_is_opened_leaves_it_to_the_next(
    house: House, hub: ConsoleHub, server: Record
) -> None:
    watch_console, opened = house.gateway.watch_console, asyncio.Event()

    async def watch_slowly(*ask: object) -> object:
        await opened.wait()
        return await watch_console(*ask)  # type: ignore[arg-type]

    house.gateway.watch_console = watch_slowly  # type: ignore[assignment,method-assign]
    first, second = hub.subscribe(server.server), hub.subscribe(server.server)
    entering = [house.tasks.start(one.__aenter__(), name="entering", fatal=False) for one in (first, second)]
    await asyncio.sleep(0)
    entering[0].cancel()
    opened.set()
    await entering[1]
    said(house, server, "here")
    assert await read(second, 1) == [(1, "here")]
    await second.__aexit__()
    assert house.gateway.console(server.server.uuid).watchers == []
    assert hub._channels == {}

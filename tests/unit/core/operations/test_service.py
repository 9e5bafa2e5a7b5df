"""Operations: waited for by whoever likes, and never changed once they have ended."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from innkeeper.core.operations.errors import NoSuchOperation
from innkeeper.core.operations.model import Operation, OperationState
from innkeeper.core.operations.service import OperationService, Progress
from innkeeper.core.servers.directory import Record
from innkeeper.kit.ids import uuid7
from innkeeper.kit.pages import BadCursor
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock

LONG, AT_ONCE = timedelta(seconds=30), timedelta(0)


@pytest.fixture
def operations(house: House) -> Iterator[OperationService]:
    """Whoever waited has stopped to listen when the test is over; who always listens goes on."""
    service = house.product.operations
    always = set(service.changes.listeners)
    yield service
    assert set(service.changes.listeners) == always


async def started(house: House) -> tuple[Record, Operation]:
    server = await house.server()
    house.gateway.obeys = False
    return server, await house.product.servers.start(house.actor(house.root), server)


async def test_who_waits_is_answered_when_it_ends(house: House, operations: OperationService) -> None:
    server, operation = await started(house)
    waiting = [house.tasks.start(operations.wait(operation.uuid, LONG), name="waiting") for _ in range(3)]
    await asyncio.sleep(0)
    await house.gateway.carry_out(server.server.uuid)
    for ended in await asyncio.gather(*waiting):
        assert (ended.state, ended.uuid) == (OperationState.DONE, operation.uuid)


async def test_who_comes_after_the_end_waits_for_nothing(house: House, operations: OperationService) -> None:
    server, operation = await started(house)
    await house.gateway.carry_out(server.server.uuid, fail="no port")
    ended = await operations.wait(operation.uuid, AT_ONCE)
    assert (ended.state, ended.reason) == (OperationState.FAILED, "no port")


async def test_patience_ends_and_shows_how_it_stands(house: House, operations: OperationService) -> None:
    server, operation = await started(house)
    await house.gateway.see(
        server.server.uuid,
        server.live,
        Progress(state=OperationState.RUNNING, reason="waits for its port", fraction=0.25),
    )
    for patience in (AT_ONCE, timedelta(milliseconds=10)):
        standing = await operations.wait(operation.uuid, patience)
        assert (standing.state, standing.reason, standing.fraction) == (
            OperationState.RUNNING,
            "waits for its port",
            0.25,
        )


async def test_the_noise_of_a_thousand_others_hides_no_end(house: House, operations: OperationService) -> None:
    server, operation = await started(house)
    waiting = house.tasks.start(operations.wait(operation.uuid, LONG), name="waiting")
    async with asyncio.timeout(5):
        while len(operations.changes.listeners) < 2:  # noqa: ASYNC110 - nothing tells when somebody listens
            await asyncio.sleep(0)
    await house.gateway.carry_out(server.server.uuid)
    for other in range(5000):
        operations.changes.tell(-other - 1)
    assert (await waiting).ended


async def test_an_operation_that_there_is_not_cannot_be_waited_for(operations: OperationService) -> None:
    with pytest.raises(NoSuchOperation):
        await operations.wait(uuid7(), LONG)


async def test_its_times_are_of_its_beginning_and_its_end(
    house: House, operations: OperationService, clock: FakeClock
) -> None:
    server, operation = await started(house)
    created = clock.now()
    clock.advance(seconds=5)
    await house.gateway.see(
        server.server.uuid, server.live, Progress(state=OperationState.CREATED, reason="node is busy")
    )
    assert (await operations.get(operation.uuid)).started_at is None
    await house.gateway.see(server.server.uuid, server.live, Progress(state=OperationState.RUNNING))
    clock.advance(seconds=5)
    await house.gateway.carry_out(server.server.uuid)
    ended = await operations.get(operation.uuid)
    assert [ended.created_at, ended.started_at, ended.finished_at] == [
        created,
        created + timedelta(seconds=5),
        created + timedelta(seconds=10),
    ]


async def test_progress_that_says_nothing_new_is_not_told(house: House, operations: OperationService) -> None:
    server, _ = await started(house)
    progress = Progress(state=OperationState.RUNNING, steps=("config",))
    with operations.changes.listen() as listener:
        for _ in range(3):
            await house.gateway.see(server.server.uuid, server.live, progress)
        assert len(listener._pending) == 1


async def test_a_servers_operations_come_in_pages_newest_first(house: House, operations: OperationService) -> None:
    server, other = await house.server(), await house.server(name="other")
    root = house.actor(house.root)
    for _ in range(2):
        await house.product.servers.start(root, server)
        await house.settle()
        await house.product.servers.stop(root, server)
        await house.settle()
    await house.product.servers.start(root, other)
    await house.settle()
    verbs, cursor, pages = [], None, 0
    while True:
        page = await operations.of_server(server.server.id, cursor, 2)
        verbs += [operation.verb for operation in page.items]
        pages, cursor = pages + 1, page.next
        if cursor is None:
            break
    assert (verbs, pages) == (["stop", "start", "stop", "start", "install"], 3)
    with pytest.raises(BadCursor):
        await operations.of_server(server.server.id, "nonsense", 2)

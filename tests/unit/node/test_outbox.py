"""A node's word reaches the panel, whatever happens to the panel meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Literal
from uuid import UUID

import msgspec
import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.kit.tasks import TaskSet
from innkeeper.node.identity import Identity
from innkeeper.node.outbox import MAX_REPORT_BYTES, Outbox
from innkeeper.wire.messages import NodeFacts, ObservedServer, OrderReport, Phase, Refusal
from tests.unit.node.fakes import FACTS, NODE, FakePanel

Start = Callable[..., Awaitable[Outbox]]


async def facts() -> NodeFacts:
    return FACTS


def seen(number: int, phase: Phase = "running", reason: str | None = None) -> ObservedServer:
    return ObservedServer(uuid=UUID(int=number), generation=1, phase=phase, reason=reason)


@pytest.fixture
async def servers() -> dict[UUID, ObservedServer]:
    return {}


@pytest.fixture
async def start(bus: InProcessBus, servers: dict[UUID, ObservedServer]) -> AsyncIterator[Start]:
    tasks = TaskSet("test").start_set()

    async def begin(heartbeat: timedelta = timedelta(hours=1)) -> Outbox:
        outbox = Outbox(bus, Identity(NODE, "s"), observed=servers.values, facts=facts, heartbeat=heartbeat)
        tasks.start(outbox.run(), name="outbox")
        return outbox

    yield begin
    await tasks.aclose()


async def test_it_greets_and_reports_everything_first(
    panel: FakePanel, start: Start, servers: dict[UUID, ObservedServer]
) -> None:
    servers[UUID(int=1)] = seen(1)
    outbox = await start()
    await outbox.settled()
    assert [(hello.node, hello.secret, hello.session) for hello in panel.hellos] == [(NODE, "s", outbox.session)]
    assert [(report.number, report.complete) for report in panel.reports] == [(1, True)]
    assert panel.servers == servers


async def test_it_waits_for_a_panel_that_is_not_there_yet(bus: InProcessBus, start: Start) -> None:
    outbox = await start()
    await asyncio.sleep(0)
    panel = FakePanel(bus)
    await panel.open()
    await outbox.settled()
    assert len(panel.hellos) == 1


async def test_of_several_changes_of_one_server_the_last_is_told(panel: FakePanel, start: Start) -> None:
    outbox = await start()
    await outbox.settled()
    for phase in ("preparing", "starting", "running"):
        outbox.changed(seen(1, phase))
    outbox.changed(seen(2))
    await outbox.settled()
    assert [server.phase for server in panel.reports[1].servers] == ["running", "running"]
    assert len(panel.reports) == 2


async def test_what_changes_while_the_panel_is_away_is_told_when_it_is_back(
    bus: InProcessBus, panel: FakePanel, start: Start
) -> None:
    outbox = await start()
    await outbox.settled()
    await panel.close()
    outbox.changed(seen(1, "starting"))
    await asyncio.sleep(0.05)
    outbox.changed(seen(1, "running"))
    await panel.open()
    await outbox.settled()
    assert panel.servers[UUID(int=1)].phase == "running"


async def test_a_panel_that_forgot_the_node_is_greeted_again_and_told_everything(
    panel: FakePanel, start: Start, servers: dict[UUID, ObservedServer]
) -> None:
    outbox = await start()
    await outbox.settled()
    servers[UUID(int=1)] = seen(1)
    panel.refusing = Refusal(code="node_is_unknown", message="who?")
    outbox.changed(seen(2))
    await panel.until(lambda: len(panel.hellos) >= 2)
    panel.refusing = None
    await outbox.settled()
    assert panel.reports[-1].complete
    assert UUID(int=1) in panel.servers


async def test_a_silent_node_shows_that_it_lives(panel: FakePanel, start: Start) -> None:
    await start(timedelta(milliseconds=10))
    await panel.until(lambda: len(panel.reports) >= 3)
    assert [(report.complete, report.servers) for report in panel.reports[1:3]] == [(False, []), (False, [])]
    assert [report.number for report in panel.reports[:3]] == [1, 2, 3]


async def test_what_is_too_much_for_one_message_is_told_in_parts(
    panel: FakePanel, start: Start, servers: dict[UUID, ObservedServer]
) -> None:
    for number in range(5):
        servers[UUID(int=number)] = seen(number, reason="x" * (MAX_REPORT_BYTES // 3))
    outbox = await start()
    await outbox.settled()
    assert panel.servers == servers
    assert not any(report.complete for report in panel.reports)
    assert len(panel.reports) == 3


async def test_how_an_order_ended_is_told_though_the_next_has_begun(panel: FakePanel, start: Start) -> None:
    outbox = await start()
    await outbox.settled()
    first, second = UUID(int=11), UUID(int=12)

    def ordered(order: UUID, state: Literal["running", "done"]) -> ObservedServer:
        return msgspec.structs.replace(seen(1), order=OrderReport(id=order, state=state))

    panel.refusing = Refusal(code="busy", message="later")
    outbox.changed(ordered(first, "running"))
    outbox.changed(ordered(first, "done"))
    await panel.until(lambda: len(panel.reports) >= 2)
    outbox.changed(ordered(second, "running"))
    panel.refusing = None
    await outbox.settled()
    told = [(server.order.id, server.order.state) for server in panel.reports[-1].servers if server.order]
    assert told == [(first, "done"), (second, "running")]


async def test_announcing_reports_everything(panel: FakePanel, start: Start) -> None:
    outbox = await start()
    await outbox.settled()
    outbox.announce()
    await outbox.settled()
    assert [report.complete for report in panel.reports] == [True, True]

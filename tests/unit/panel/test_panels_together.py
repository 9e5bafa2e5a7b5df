"""Two panels of one house, as they are opened for use: what one is set to, and what a host tells, both know."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.core.house.model import HouseChanges
from innkeeper.kit.clock import SystemClock, microseconds
from innkeeper.node.samples.host import HostSampler
from innkeeper.panel.main import Panel, PanelOptions
from innkeeper.wire import messages as wire
from innkeeper.wire.codec import encode

NODE = UUID(int=7)


class Pair:
    """Two panels on one bus and one database; a node is known, and does not answer."""

    def __init__(self, bus: InProcessBus, panels: list[Panel], key: str) -> None:
        self.bus = bus
        self.panels = panels
        self.key = key

    async def tell(self, samples: wire.Samples) -> None:
        await self.bus.publish(wire.node_samples(NODE), encode(samples))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    options = PanelOptions(database_url=f"sqlite:///{tmp_path / 'innkeeper.db'}", port=0)

    async def own_node(nodes: Any) -> None:
        await nodes.ensure_own("near", NODE, "secret", address="127.0.0.1", public_host="")

    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(InProcessBus())
        panels = []
        for _ in range(2):
            panels.append(await Panel.open(options, bus, upgrade_first=True, own_node=own_node))
            stack.push_async_callback(panels[-1].aclose)
        first = await panels[0].first_key(tmp_path / "key")
        yield Pair(bus, panels, first.api_key)


async def becomes(truth: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not truth():  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.01)


async def test_what_one_panel_is_set_to_holds_on_the_other_and_after_a_restart(pair: Pair, tmp_path: Path) -> None:
    one, two = (panel.product for panel in pair.panels)
    actor = one.authority.authenticate(pair.key, "api")
    await one.house.change(actor, HouseChanges(session_days=3, disk_minutes=9))
    await becomes(lambda: two.house.get().session_days == 3)
    third = await Panel.open(pair.panels[0].options, pair.bus)
    assert third.product.house.get() == one.house.get() == two.house.get()
    await third.aclose()


async def test_what_a_host_tells_every_panel_knows_and_shows_on_its_pages(pair: Pair, tmp_path: Path) -> None:
    clock = SystemClock()
    sampler = HostSampler(node=NODE, clock=clock, data=tmp_path, publish=pair.tell)
    await sampler.tick()
    node_id = pair.panels[0].product.nodes.by_uuid(NODE).id
    for panel in pair.panels:
        await becomes(lambda panel=panel: node_id in panel.product.metrics.hosts())  # type: ignore[misc]
        usage = panel.product.metrics.hosts()[node_id]
        async with httpx.AsyncClient(base_url=panel.http.url, trust_env=False) as client:
            assert (await client.get("/metrics/host")).status_code == 403
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {pair.key}"})
        found = {
            sample.name: sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
        assert found["innkeeper_node_memory_total_bytes"] == usage.memory_total_bytes
        assert found["innkeeper_node_cpus"] == usage.cpus


async def test_samples_of_a_node_that_is_not_known_are_not_taken(pair: Pair) -> None:
    stranger = UUID(int=8)
    host = wire.HostSample(cpu_percent=1, cpus=1, memory_bytes=1, memory_total_bytes=1, booted_us=1)
    at = microseconds(SystemClock().now())
    await pair.bus.publish(
        wire.node_samples(stranger), encode(wire.Samples(node=stranger, at_us=at, servers=[], host=host))
    )
    await pair.tell(wire.Samples(node=NODE, at_us=at, servers=[], host=host))
    hosts = pair.panels[0].product.metrics.hosts
    await becomes(lambda: bool(hosts()))
    assert len(hosts()) == 1

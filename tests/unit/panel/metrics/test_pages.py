"""The pages of figures: what stands on them is read by the library's own parsers, and seen by those who may only."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from innkeeper.core.access.errors import KeyIsUnknown
from innkeeper.core.access.model import Actor
from innkeeper.core.metrics.model import Disk, HostUsage
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.model import Usage
from innkeeper.panel.metrics.app import metrics_application
from innkeeper.testing.products import House

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]
Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House.open(tmp_path) as opened:
        yield opened


@pytest.fixture
async def ask(house: House) -> AsyncIterator[Ask]:
    transport = httpx.ASGITransport(metrics_application(house.product))
    async with httpx.AsyncClient(transport=transport, base_url="http://inn") as client:

        async def asked(path: str, key: str | None = None, *, method: str = "GET", accept: str = "") -> httpx.Response:
            headers = {"Accept": accept} | ({"Authorization": f"Bearer {key}"} if key else {})
            return await client.request(method, path, headers=headers)

        yield asked


def figures(text: str, parse: Any = openmetrics) -> Figures:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def of(found: Figures, metric: str, /, **labels: str) -> float | None:
    return found.get((metric, frozenset(labels.items())))


def host(house: House, **fields: Any) -> HostUsage:
    disk = Disk(device="/dev/sda", mount="/", filesystem="ext4", total_bytes=100, used_bytes=40, free_bytes=50)
    values: dict[str, Any] = {"cpu_percent": 25.0, "cpus": 4, "memory_bytes": 3, "memory_total_bytes": 8}
    booted = house.clock.now() - timedelta(days=3)
    return HostUsage(at=house.clock.now(), booted_at=booted, disks=(disk,), **(values | fields))


def sample(house: House, record: Record, **fields: Any) -> None:
    values: dict[str, Any] = {"cpu_percent": 12.5, "memory_bytes": 2, "disk_bytes": None, "players": 0}
    usage = Usage(at=house.clock.now(), **(values | fields))
    house.product.metrics.take(house.node.id, [(record.server.uuid, usage)])


HOSTILE = 'a "quoted" \\ back\\nslash } # HELP 1'


async def test_everything_is_told_of_hosts_and_servers(house: House, ask: Ask) -> None:
    running = await house.server(name=HOSTILE, start=True)
    stopped = await house.server(name="stopped")
    sample(house, running)
    house.product.metrics.take_host(house.node.id, host(house))
    answer = await ask("/metrics", await house.key(house.root), accept=OPENMETRICS)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    found = figures(answer.text)
    labels = {"server": str(running.server.uuid), "name": HOSTILE}
    assert of(found, "innkeeper_server_up", **labels) == 1
    assert of(found, "innkeeper_server_cpu_percent", **labels) == 12.5
    assert of(found, "innkeeper_server_memory_bytes", **labels) == 2
    assert of(found, "innkeeper_server_disk_bytes", **labels) is None, "what is not known has no line"
    assert of(found, "innkeeper_server_state", **labels, state="running") == 1
    still = {"server": str(stopped.server.uuid), "name": "stopped"}
    assert of(found, "innkeeper_server_up", **still) == 0
    assert of(found, "innkeeper_server_cpu_percent", **still) is None
    assert of(found, "innkeeper_servers", state="running") == of(found, "innkeeper_servers", state="stopped") == 1
    assert of(found, "innkeeper_servers", state="crashed") == 0
    assert of(found, "innkeeper_node_cpu_percent", node="near") == 25
    assert of(found, "innkeeper_node_servers", node="near") == 2
    assert of(found, "innkeeper_node_cpu_frequency_hertz", node="near") is None
    disk = {"node": "near", "mount": "/", "device": "/dev/sda", "filesystem": "ext4"}
    assert of(found, "innkeeper_node_disk_used_bytes", **disk) == 40
    assert any(name == "innkeeper_build_info" for name, _ in found)
    assert of(found, "process_resident_memory_bytes")


async def test_who_says_nothing_of_formats_gets_prometheus_text(house: House, ask: Ask) -> None:
    answer = await ask("/metrics", await house.key(house.root))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert of(figures(answer.text, plain), "innkeeper_node_up", node="near") == 1


async def test_a_server_is_told_by_its_number_and_its_uuid_in_craftys_words_too(house: House, ask: Ask) -> None:
    await house.server(name="other", start=True)
    record = await house.server(start=True)
    sample(house, record)
    house.product.metrics.take_host(house.node.id, host(house))
    key = await house.key(house.root)
    for name in (record.server.id, record.server.uuid):
        answer = await ask(f"/metrics/servers/{name}", key, accept=OPENMETRICS)
        found = figures(answer.text)
        number = {"server_id": str(record.server.id)}
        assert of(found, "CPU_Usage", **number) == 12.5
        assert of(found, "Mem_Usage", **number) == 25
        assert of(found, "online_players", **number) == 0
        assert of(found, "Minecraft_Version_info", **number, version=record.server.version) == 1
        assert of(found, "innkeeper_server_up", server=str(record.server.uuid), name="camp") == 1
        assert "other" not in answer.text


async def test_the_host_is_told_in_craftys_words_too(house: House, ask: Ask) -> None:
    house.product.metrics.take_host(house.node.id, host(house))
    found = figures((await ask("/metrics/host", await house.key(house.root), accept=OPENMETRICS)).text)
    assert (of(found, "CPU_Usage"), of(found, "Mem_Usage")) == (25, 37.5)
    assert not any(name.startswith("innkeeper_server_") for name, _ in found)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/metrics/host", "/metrics/servers/1", "/metrics/servers/9"])
@pytest.mark.parametrize("key", [None, "ink_wrong"])
async def test_without_a_key_nothing_is_told(house: House, ask: Ask, path: str, key: str | None) -> None:
    await house.server()
    answer = await ask(path, key)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/json")
    assert answer.json()["status"] == "error"
    assert answer.json()["error"] == "ACCESS_DENIED"


async def test_each_page_is_for_those_who_may(house: House, ask: Ask) -> None:
    guest = await house.account("guest")
    owned = await house.server(owner=guest)
    shared, hidden, foreign = [await house.server(name=name) for name in ("shared", "hidden", "foreign")]
    await house.share(shared, guest, "server.view", "metrics.read")
    await house.share(hidden, guest, "server.view")
    narrow = await house.key(guest, "server.view", name="narrow")
    key = await house.key(guest)

    async def status(path: str, secret: str = key) -> int:
        return (await ask(path, secret)).status_code

    assert [await status(path) for path in ("/metrics", "/metrics/host")] == [403, 403]
    pages = [f"/metrics/servers/{record.server.id}" for record in (owned, shared, hidden, foreign)]
    assert [await status(page) for page in pages] == [200, 200, 403, 403]
    assert await status(pages[0], narrow) == 403
    refused = [await ask(path, key) for path in (pages[3], "/metrics/servers/999", "/metrics/servers/nonsense")]
    assert len({answer.content for answer in refused}) == 1, "whether there is such a server is not told"
    root = house.actor(house.root)
    await house.product.access.create_role(
        root, name="readers", permissions=frozenset({"house.read"}), members=frozenset({guest.id})
    )
    assert [await status(path) for path in ("/metrics", "/metrics/host")] == [200, 200]
    assert await status(pages[3]) == 403, "metrics of everything are no permission on a server"


async def test_a_server_that_is_gone_has_no_figures(house: House, ask: Ask) -> None:
    record = await house.server()
    await house.product.servers.delete(house.actor(house.root), record)
    key = await house.key(house.root)
    assert (await ask(f"/metrics/servers/{record.server.id}", key)).status_code == 403
    assert str(record.server.uuid) not in (await ask("/metrics", key)).text


async def test_other_paths_and_methods_are_refused(house: House, ask: Ask) -> None:
    key = await house.key(house.root)
    assert (await ask("/metrics/nothing", key)).status_code == 404
    assert (await ask("/metrics/servers/1/more", key)).status_code == 404
    assert (await ask("/metrics", key, method="POST")).status_code == 405
    head = await ask("/metrics/host", key, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")


async def test_the_page_of_everything_is_made_once_for_all_who_ask_at_once(house: House, ask: Ask) -> None:
    key = await house.key(house.root)
    first = await ask("/metrics", key)
    record = await house.server()
    assert (await ask("/metrics", key)).content == first.content
    assert str(record.server.uuid) in (await ask("/metrics", key, accept=OPENMETRICS)).text


async def test_keys_of_another_kind_are_taken_where_somebody_knows_them(house: House) -> None:
    def authenticate(scope: Any) -> Actor:
        if scope["query_string"] == b"token=theirs":
            return house.actor(house.root)
        raise KeyIsUnknown

    transport = httpx.ASGITransport(metrics_application(house.product, authenticate))
    async with httpx.AsyncClient(transport=transport, base_url="http://inn") as client:
        assert (await client.get("/metrics/host?token=theirs")).status_code == 200
        refused = await client.get("/metrics/host?token=mine")
        assert json.loads(refused.content)["error"] == "ACCESS_DENIED"

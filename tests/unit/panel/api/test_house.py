"""The settings of the house, what hosts use, and history, as the API shows and obeys them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from innkeeper.core.metrics.model import Disk, HostSample, HostUsage
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.model import Usage
from innkeeper.testing.products import House
from tests.unit.panel.api.conftest import Asking, Client
from tests.unit.panel.api.test_streams import frame, lines, stream

NO_NODE = "00000000-0000-7000-8000-000000000000"


async def test_the_house_is_set_by_who_may(house: House, root: Client, ask: Asking) -> None:
    before = (await root("GET", "/house")).json()
    assert (before["session_days"], before["activity_entries"], before["mounts"]) == (7, None, [])
    answer = await root("PATCH", "/house", json={"session_days": 30, "keywords": ["help"], "activity_entries": 300})
    assert answer.json() == before | {"session_days": 30, "keywords": ["help"], "activity_entries": 300}
    assert (await root("GET", "/house")).json() == answer.json()
    guest = await ask.by(await house.account("guest"))
    assert [(await guest(method, "/house", json={})).status_code for method in ("GET", "PATCH")] == [403, 403]
    reader = await ask.by(house.root, "house.read")
    assert (await reader("GET", "/house")).status_code == 200
    assert (await reader("PATCH", "/house", json={"session_days": 1})).status_code == 403


@pytest.mark.parametrize(
    "body", [{"session_days": 0}, {"session_days": "many"}, {"no_such": 1}, {"mounts": ["srv"]}, []]
)
async def test_nonsense_is_refused(house: House, root: Client, body: Any) -> None:
    before = house.product.house.get()
    answer = await root("PATCH", "/house", json=body)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "invalid")
    assert house.product.house.get() == before


async def test_a_console_begins_with_as_many_lines_as_are_set(house: House, root: Client, url: str) -> None:
    record = await house.server(start=True)
    house.gateway.say(record.server.uuid, *(f"line {number}" for number in range(1, 41)))
    await root("PATCH", "/house", json={"terminal_lines": 3, "log_lines": 20})
    async with stream(url, record, await house.key(house.root)) as socket:
        await frame(socket, "ready")
        assert [seq for seq, _ in await lines(socket, 3)] == [38, 39, 40]
    path = f"/servers/{record.server.uuid}/console"
    page = (await root("GET", path)).json()
    assert (len(page["items"]), page["next"]) == (20, 20)
    assert len((await root("GET", f"{path}?limit=30")).json()["items"]) == 30


async def test_a_file_that_says_it_is_too_large_is_refused_before_it_comes(house: House, root: Client) -> None:
    record = await house.server()
    await root("PATCH", "/house", json={"upload_gib": 1})
    path = f"/servers/{record.server.uuid}/files/content?path=big"
    answer = await root("PUT", path, content=b"x", headers={"Content-Length": str((1 << 30) + 1)})
    assert (answer.status_code, answer.json()["error"]["data"]) == (413, {"limit_bytes": 1 << 30})


async def test_what_a_host_uses_is_for_who_may(house: House, root: Client, ask: Asking) -> None:
    path = f"/nodes/{house.node.uuid}/usage"
    answer = await root("GET", path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "host_is_not_sampled")
    now = house.clock.now()
    disk = Disk(device="/dev/sda", mount="/", filesystem="ext4", total_bytes=9, used_bytes=4, free_bytes=5)
    usage = HostUsage(
        at=now, cpu_percent=5.5, cpus=4, memory_bytes=3, memory_total_bytes=8, disks=(disk,), booted_at=now
    )
    house.product.metrics.take_host(house.node.id, usage)
    found = (await root("GET", path)).json()
    assert (found["cpu_percent"], found["cpu_mhz"], found["disks"][0]["used_bytes"]) == (5.5, None, 4)
    assert (await (await ask.by(house.root, "nodes.read"))("GET", path)).status_code == 403
    assert (await root("GET", f"/nodes/{NO_NODE}/usage")).status_code == 404


async def test_what_a_host_used_is_listed_for_who_may(house: House, root: Client, ask: Asking) -> None:
    now = house.clock.now()
    taken = [
        HostSample(at=now - timedelta(minutes=minutes), cpu_percent=10.0 * minutes, memory_bytes=8)
        for minutes in (3, 2, 1)
    ]
    async with house.database.works() as work:
        await work.metrics.add_hosts([(house.node.id, sample) for sample in taken])
    path = f"/nodes/{house.node.uuid}/history"
    first = (await root("GET", f"{path}?step=raw&limit=2")).json()
    rest = (await root("GET", f"{path}?step=raw&cursor={first['next']}")).json()
    assert [point["cpu_mean"] for page in (first, rest) for point in page["items"]] == [30, 20, 10]
    assert rest["next"] is None
    hours = (await root("GET", path, params={"since": (now - timedelta(days=30)).isoformat()})).json()
    assert (hours["step"], sum(point["samples"] for point in hours["items"])) == ("hour", 3)
    assert (await (await ask.by(house.root, "nodes.read"))("GET", path)).status_code == 403
    assert (await root("GET", f"/nodes/{NO_NODE}/history")).status_code == 404


async def fill(house: House, record: Record, begin: datetime, minutes: int) -> None:
    samples = [
        (record.server.id, Usage(at=at, cpu_percent=cpu, memory_bytes=10, disk_bytes=None, players=minute))
        for minute in range(minutes)
        for at, cpu in (
            (begin + timedelta(minutes=minute), 10.0),
            (begin + timedelta(minutes=minute, seconds=30), 20.0),
        )
    ]
    async with house.database.works() as work:
        await work.metrics.add(samples)


async def test_history_is_paged_at_the_step_that_suits_it(house: House, root: Client) -> None:
    record = await house.server()
    begin = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=50)
    await fill(house, record, begin, 5)
    path = f"/servers/{record.server.uuid}/history"
    asked = {"since": begin.isoformat(), "step": "minute", "limit": 2}
    found, cursor = [], None
    while True:
        page = (await root("GET", path, params=asked | ({"cursor": cursor} if cursor else {}))).json()
        assert (page["step"], len(page["items"]) <= 2) == ("minute", True)
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert [(point["samples"], point["cpu_mean"], point["cpu_max"], point["players_max"]) for point in found] == [
        (2, 15.0, 20.0, minute) for minute in range(5)
    ]
    assert found[0]["disk_mean"] is None
    by_itself = (await root("GET", path)).json()
    assert (by_itself["step"], len(by_itself["items"])) == ("raw", 10)
    year = (await root("GET", path, params={"since": (begin - timedelta(days=300)).isoformat()})).json()
    assert year["step"] == "hour"
    assert sum(point["samples"] for point in year["items"]) == 10
    assert (await root("GET", f"{path}?step=day")).status_code == 400
    assert (await root("GET", f"{path}?cursor=nonsense")).status_code == 400

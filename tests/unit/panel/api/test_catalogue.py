"""Packages show what their vendors tell, and whoever sells may see how it stands and have them asked again."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from innkeeper.panel.main import index_drivers
from innkeeper.panel.vendors import HttpVendors
from innkeeper.testing.products import House
from tests.unit.panel.api.conftest import Asking, Client
from tests.vendors.mirror import MOJANG, Mirror
from tests.vendors.serving import EVERYTHING, status


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as mirror:
        yield mirror.everything()


@pytest.fixture
async def house(tmp_path: Path, mirror: Mirror) -> AsyncIterator[House]:
    async with (
        HttpVendors(index_drivers(), mirror=mirror.url, patience_s=5) as vendors,
        House.open(tmp_path, vendors=vendors) as house,
    ):
        yield house


async def test_every_runtime_of_every_shipped_game_has_versions_once_it_is_looked_at(
    house: House, root: Client, mirror: Mirror
) -> None:
    listed = (await root("GET", "/packages")).json()["items"]
    assert mirror.requests == []
    for package in listed:
        shown = (await root("GET", f"/packages/{package['name']}")).json()
        for runtime in house.product.catalog.get(package["name"]).runtimes:
            (found,) = [item for item in shown["runtimes"] if item["name"] == runtime.name]
            if runtime.index is not None:
                assert found["versions"], runtime.name
                assert set(found["aliases"].values()) <= set(found["versions"])
                assert found["fetched_at"] is not None
            else:
                assert (tuple(found["versions"]), found["fetched_at"]) == (runtime.versions, None)
    minecraft = (await root("GET", "/packages")).json()["items"]
    (minecraft,) = [package for package in minecraft if package["name"] == "minecraft"]
    aliases = {runtime["name"]: runtime["aliases"] for runtime in minecraft["runtimes"]}
    assert aliases["vanilla"] == {"latest": "1.21.4", "recommended": "1.21.4"}
    assert aliases["forge"] == {"latest": "35.1.13", "recommended": "35.1.4"}


async def test_what_is_taken_by_default_of_every_shipped_game_has_files(house: House) -> None:
    for package in house.product.catalog.all():
        for runtime in package.runtimes:
            if runtime.index is None:
                continue
            chosen = await house.product.offers.choose(package, runtime.name, None)
            assert chosen.release is not None
            assert chosen.release.downloads


async def test_a_server_keeps_the_release_that_it_was_made_with(house: House, mirror: Mirror) -> None:
    mirror.vanilla("1.20.4", b"the jar", java=17)
    server = await house.server(package="minecraft", runtime="vanilla", version="1.20.4", properties={"eula": True})
    release = server.server.releases["vanilla"]
    assert (release.java, release.downloads[0].size) == (17, 7)
    assert server.server.version == "1.20.4"


async def test_who_sells_sees_how_it_stands_and_has_vendors_asked_again(
    house: House, root: Client, mirror: Mirror
) -> None:
    async def vanilla(method: str, path: str) -> dict[str, object]:
        answer = await root(method, path)
        assert answer.status_code == 200
        (found,) = [item for item in answer.json()["items"] if item["runtime"] == "vanilla"]
        return dict(found)

    assert (await vanilla("GET", "/packages/minecraft/indexes"))["fetched_at"] is None
    told = await vanilla("POST", "/packages/minecraft/refresh")
    assert (told["versions"], told["failed_at"], told["reason"]) == (4, None, "")
    mirror.fail(MOJANG, EVERYTHING, status(502))
    failed = await vanilla("POST", "/packages/minecraft/refresh")
    assert failed["fetched_at"] == told["fetched_at"]
    assert failed["failed_at"] is not None
    assert "502" in str(failed["reason"])
    assert await vanilla("GET", "/packages/minecraft/indexes") == failed
    assert (await root("POST", "/packages/nothing/refresh")).status_code == 404


async def test_a_vendor_that_is_down_is_said_to_be_so(house: House, root: Client, mirror: Mirror) -> None:
    mirror.fail(MOJANG, EVERYTHING, status(500))
    draft = {"name": "camp", "package": "minecraft", "runtime": "vanilla", "properties": {"eula": True}}
    answer = await root("POST", "/servers", json=draft)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "vendor_is_unavailable")


async def test_others_may_not_have_vendors_asked(house: House, ask: Asking, mirror: Mirror) -> None:
    guest = await ask.by(await house.account("guest"))
    for method, path in (("GET", "/packages/minecraft/indexes"), ("POST", "/packages/minecraft/refresh")):
        assert (await guest(method, path)).status_code == 403
    assert mirror.requests == []

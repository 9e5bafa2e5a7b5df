"""`innkeeper packages`: what vendors told of versions, when, and asking them again."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from innkeeper.panel.main import index_drivers
from innkeeper.panel.vendors import HttpVendors
from innkeeper.testing.products import House
from tests.unit.cli.conftest import Inn
from tests.vendors.mirror import FORGE, MOJANG, Mirror
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


async def test_versions_are_listed_with_what_they_are_called_besides(inn: Inn, mirror: Mirror) -> None:
    for number in range(20):
        mirror.vanilla(f"1.22.{number}")
    listed = await inn.run("packages", "versions", "minecraft", "vanilla")
    (newest,) = [line.split() for line in listed.out.splitlines() if line.startswith("1.22.19 ")]
    assert [word.rstrip(",") for word in newest if word != "-"] == ["1.22.19", "latest", "recommended"]
    assert "1.8.9" in listed.out
    shown = await inn.run("packages", "show", "minecraft")
    assert "1.22.10 and 14 more" in shown.out
    titled = await inn.run("packages", "versions", "csgo", "sourcemod")
    assert "1.12 #7210" in titled.out
    missing = await inn.run("packages", "versions", "minecraft", "bukkit")
    assert (missing.code, "no runtime 'bukkit'" in missing.err) == (1, True)


async def test_how_it_stands_is_shown_and_vendors_are_asked_again(inn: Inn, mirror: Mirror) -> None:
    assert "never" in (await inn.run("packages", "indexes", "minecraft")).out
    mirror.fail(MOJANG, EVERYTHING, status(500))
    refreshed = await inn.run("packages", "refresh", "minecraft")
    lines = {line.split()[0]: line for line in refreshed.out.splitlines()}
    assert "500" in lines["vanilla"]
    assert "failed" not in lines["forge"]
    assert mirror.count(FORGE) > 0
    assert (await inn.run("packages", "indexes", "custom")).err.strip() == "It has no vendor to ask."

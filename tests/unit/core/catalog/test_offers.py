"""Versions are known from vendors, stay known when these are down, and are asked for no more often than is due."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from innkeeper.core.catalog.errors import NoSuchRuntime, NoSuchVersion, VendorIsUnavailable
from innkeeper.core.catalog.model import Package, Runtime, Start
from innkeeper.core.catalog.offers import FRESH_FOR, Offers
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.catalog.versions import IndexSource
from innkeeper.core.errors import Forbidden
from innkeeper.drivers.versions.bedrock import Bedrock
from innkeeper.drivers.versions.mojang import Mojang
from innkeeper.drivers.versions.sourcemod import SourceMod
from innkeeper.panel.vendors import HttpVendors
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock
from tests.vendors.mirror import BEDROCK, BEDROCK_LINKS, MANIFEST, MOJANG, MOJANG_FILES, SOURCEMOD, Mirror
from tests.vendors.serving import EVERYTHING, garbage, hang, status

PACKAGE = Package(
    name="blocks",
    title="Blocks",
    start=Start(command=("true",)),
    runtimes=(
        Runtime(name="vanilla", default=True, index=IndexSource(uses="mojang", url=f"https://{MOJANG}{MANIFEST}")),
        Runtime(name="old", versions=("3", "2", "1"), aliases={"recommended": "2", "latest": "3"}),
        Runtime(name="bare"),
    ),
)
OTHER = Package(
    name="bedrock",
    title="Bedrock",
    start=Start(command=("true",)),
    runtimes=(Runtime(name="bedrock", index=IndexSource(uses="bedrock", url=f"https://{BEDROCK}{BEDROCK_LINKS}")),),
)
SOURCEMODS = IndexSource(
    uses="sourcemod", url=f"https://{SOURCEMOD}/smdrop", options={"stable": "1.10", "development": "1.11"}
)
VANILLA = PACKAGE.runtimes[0]


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as mirror:
        yield mirror.everything()


@pytest.fixture
async def vendors(mirror: Mirror) -> AsyncIterator[HttpVendors]:
    async with HttpVendors([Mojang(), Bedrock(), SourceMod()], mirror=mirror.url, patience_s=0.5) as vendors:
        yield vendors


class Panel:
    """Offers over one database, as a panel has them; a panel that starts is another one."""

    def __init__(self, house: House, vendors: HttpVendors | None, *packages: Package) -> None:
        self._actor = house.actor(house.root)
        catalog = Catalog(packages or (PACKAGE, OTHER))
        self.offers = Offers(house.database.works, house.clock, catalog, vendors, spread=lambda: 0.5)

    def vanilla(self) -> tuple[str, ...]:
        return self.offers.versions(PACKAGE, VANILLA).versions

    def state(self) -> tuple[int, bool, bool]:
        """Return how many versions of vanilla are known, and whether they were ever fetched and failed since."""
        state = self.offers.state(self._actor, PACKAGE)[0]
        return state.versions, state.fetched_at is not None, state.failed_at is not None


@pytest.fixture
def panel(house: House, vendors: HttpVendors) -> Panel:
    return Panel(house, vendors)


async def test_nobody_is_asked_before_somebody_looks(panel: Panel, mirror: Mirror) -> None:
    await panel.offers.load()
    await panel.offers.refresh()
    assert (mirror.requests, panel.vanilla(), panel.state()) == ([], (), (0, False, False))
    await panel.offers.look(PACKAGE)
    assert panel.vanilla() == ("1.21.4", "1.20.4", "1.16.4", "1.8.9")
    assert panel.state() == (4, True, False)
    assert mirror.count(BEDROCK) == 0
    await panel.offers.look(PACKAGE, OTHER)
    assert (mirror.count(MOJANG), mirror.count(BEDROCK)) == (1, 1)


async def test_a_version_is_chosen_by_name_by_alias_and_by_default_with_its_release(panel: Panel) -> None:
    chosen = await panel.offers.choose(PACKAGE, "vanilla", "1.16.4")
    assert chosen.release is not None
    assert (chosen.version, chosen.release.java, chosen.runtime.name) == ("1.16.4", 8, "vanilla")
    for wanted in ("latest", None, ""):
        assert (await panel.offers.choose(PACKAGE, None, wanted)).version == "1.21.4"
    for version in ("1.99", "1.16.4 "):
        with pytest.raises(NoSuchVersion):
            await panel.offers.choose(PACKAGE, "vanilla", version)
    with pytest.raises(NoSuchRuntime):
        await panel.offers.choose(PACKAGE, "paper", None)


async def test_runtimes_without_an_index_are_as_their_package_says(panel: Panel, mirror: Mirror) -> None:
    old, bare = PACKAGE.runtimes[1:]
    assert panel.offers.versions(PACKAGE, old).aliases == {"recommended": "2", "latest": "3"}
    chosen = await panel.offers.choose(PACKAGE, "old", "latest")
    assert (chosen.version, chosen.release) == ("3", None)
    assert (await panel.offers.choose(PACKAGE, "old", None)).version == "2"
    assert (await panel.offers.choose(PACKAGE, "bare", None)).version == ""
    assert panel.offers.versions(PACKAGE, bare).versions == ()
    assert mirror.requests == []


async def test_titles_come_of_the_vendor(house: House, vendors: HttpVendors, mirror: Mirror) -> None:
    runtime = Runtime(name="sourcemod", addon=True, index=SOURCEMODS)
    package = Package(name="csgo", title="CS:GO", start=Start(command=("true",)), runtimes=(VANILLA, runtime))
    offers = Panel(house, vendors, package).offers
    await offers.look(package)
    assert offers.title(package, runtime, "1.10-6499") == "1.10 #6499"
    assert offers.title(package, runtime, "1.9-1") == "1.9-1"
    assert (await offers.choose(package, "sourcemod", None)).version == "1.10-6499"


class TestRefreshing:
    async def test_an_index_is_asked_for_again_when_it_is_due_and_not_sooner(
        self, panel: Panel, mirror: Mirror, clock: FakeClock
    ) -> None:
        await panel.offers.look(PACKAGE)
        mirror.vanilla("1.22")
        before = panel.offers.version
        clock.advance(hours=FRESH_FOR / timedelta(hours=1) - 0.1)
        await panel.offers.refresh()
        assert (mirror.count(MOJANG), panel.offers.version) == (1, before)
        clock.advance(hours=0.2)
        await panel.offers.refresh()
        assert (mirror.count(MOJANG), panel.vanilla()[0], panel.offers.version) == (2, "1.22", before + 1)

    async def test_one_of_several_panels_asks_for_all(
        self, house: House, vendors: HttpVendors, mirror: Mirror, clock: FakeClock
    ) -> None:
        first, second = Panel(house, vendors), Panel(house, vendors)
        await first.offers.look(PACKAGE)
        await second.offers.load()
        assert second.vanilla() == first.vanilla()
        clock.advance(hours=7)
        mirror.vanilla("1.22")
        await first.offers.refresh()
        await second.offers.refresh()
        assert second.vanilla()[0] == "1.22"
        assert mirror.count(MOJANG, MANIFEST) == 2

    async def test_a_clock_that_was_set_back_does_not_end_the_asking(
        self, panel: Panel, mirror: Mirror, clock: FakeClock
    ) -> None:
        await panel.offers.look(PACKAGE)
        clock.advance(days=-300)
        await panel.offers.refresh()
        await panel.offers.refresh()
        assert mirror.count(MOJANG) == 2

    async def test_an_administrator_has_it_asked_for_at_once_and_is_told_how_it_stands(
        self, house: House, panel: Panel, mirror: Mirror, clock: FakeClock
    ) -> None:
        await panel.offers.look(PACKAGE)
        mirror.fail(MOJANG, EVERYTHING, status(500))
        clock.advance(minutes=1)
        (state,) = await panel.offers.refresh_package(house.actor(house.root), PACKAGE)
        assert (state.package, state.runtime, state.versions) == ("blocks", "vanilla", 4)
        assert state.failed_at == house.clock.now()
        assert MOJANG in state.reason
        assert "500" in state.reason
        guest = house.actor(await house.account("guest"))
        for refused in (panel.offers.refresh_package(guest, PACKAGE),):
            with pytest.raises(Forbidden):
                await refused
        with pytest.raises(Forbidden):
            panel.offers.state(guest)


class TestAVendorThatIsDown:
    async def test_what_was_told_last_stays_also_across_a_restart(
        self, house: House, vendors: HttpVendors, panel: Panel, mirror: Mirror, clock: FakeClock
    ) -> None:
        await panel.offers.look(PACKAGE)
        known = panel.vanilla()
        for fault in (status(500), status(404), hang(), garbage(), garbage(b"{}")):
            mirror.fail(MOJANG, EVERYTHING, fault)
            clock.advance(hours=7)
            await panel.offers.refresh()
            assert (panel.vanilla(), panel.state()) == (known, (4, True, True))
            again = Panel(house, vendors)
            await again.offers.load()
            assert again.vanilla() == known

    async def test_an_index_that_became_empty_is_not_believed(
        self, house: House, panel: Panel, mirror: Mirror, clock: FakeClock
    ) -> None:
        await panel.offers.look(PACKAGE)
        mirror.fail(MOJANG, MANIFEST, garbage(b'{"latest": {"release": "", "snapshot": ""}, "versions": []}'))
        clock.advance(hours=7)
        await panel.offers.refresh()
        assert panel.state() == (4, True, True)
        assert "no version" in panel.offers.state(house.actor(house.root), PACKAGE)[0].reason

    async def test_it_is_tried_again_sooner_then_ever_later_then_as_ever(
        self, panel: Panel, mirror: Mirror, clock: FakeClock
    ) -> None:
        mirror.fail(MOJANG, EVERYTHING, status(503))
        await panel.offers.look(PACKAGE)
        tries = []
        for minute in range(1, 200):
            clock.advance(minutes=1)
            await panel.offers.refresh()
            if mirror.count(MOJANG) > len(tries) + 1:
                tries.append(minute)
        assert tries == [1, 3, 7, 15, 31, 63, 123, 183]
        mirror.heal()
        clock.advance(hours=1)
        await panel.offers.refresh()
        assert panel.state() == (4, True, False)
        clock.advance(hours=1)
        await panel.offers.refresh()
        assert mirror.count(MOJANG) == 10

    async def test_who_looks_is_not_made_to_wait_for_it_every_time(self, panel: Panel, mirror: Mirror) -> None:
        mirror.fail(MOJANG, EVERYTHING, hang())
        await panel.offers.look(PACKAGE)
        await panel.offers.look(PACKAGE)
        assert mirror.count(MOJANG) == 1
        with pytest.raises(VendorIsUnavailable) as caught:
            await panel.offers.choose(PACKAGE, None, None)
        assert MOJANG in caught.value.data["reason"]

    async def test_one_that_never_ends_is_waited_for_once_and_read_later(
        self, house: House, mirror: Mirror, clock: FakeClock
    ) -> None:
        async with HttpVendors([Mojang()], mirror=mirror.url, patience_s=30) as vendors:
            catalog = Catalog([PACKAGE])
            offers = Offers(
                house.database.works, clock, catalog, vendors, spread=lambda: 0.5, patience=timedelta(milliseconds=200)
            )
            mirror.fail(MOJANG, EVERYTHING, hang(), times=1)
            await offers.look(PACKAGE)
            await offers.look(PACKAGE)
            assert mirror.count(MOJANG) == 1
            clock.advance(minutes=2)
            await offers.refresh()
            assert offers.versions(PACKAGE, VANILLA).versions
            mirror.fail(MOJANG, EVERYTHING, hang(), times=1)
            with pytest.raises(VendorIsUnavailable) as caught:
                await offers.choose(PACKAGE, None, None)
            assert "in time" in caught.value.data["reason"]
            assert (await offers.choose(PACKAGE, None, None)).release is not None

    async def test_a_release_that_was_told_once_can_be_had_also_across_a_restart(
        self, house: House, vendors: HttpVendors, panel: Panel, mirror: Mirror, clock: FakeClock
    ) -> None:
        before = (await panel.offers.choose(PACKAGE, None, "1.20.4")).release
        mirror.fail(MOJANG, EVERYTHING, status(500))
        clock.advance(hours=1)
        assert (await panel.offers.choose(PACKAGE, None, "1.20.4")).release == before
        for asking in (vendors, None):
            again = Panel(house, asking)
            await again.offers.load()
            assert (await again.offers.choose(PACKAGE, None, "1.20.4")).release == before
            with pytest.raises(VendorIsUnavailable):
                await again.offers.choose(PACKAGE, None, "1.16.4")

    async def test_what_another_source_told_is_not_what_this_one_tells(
        self, house: House, vendors: HttpVendors, panel: Panel, mirror: Mirror
    ) -> None:
        await panel.offers.choose(PACKAGE, None, "1.20.4")
        moved = Runtime(
            name="vanilla", index=IndexSource(uses="mojang", url=VANILLA.index.url, options={"snapshots": "yes"})
        )
        package = Package(name="blocks", title="Blocks", start=Start(command=("true",)), runtimes=(moved,))
        mirror.fail(MOJANG, EVERYTHING, status(500))
        offers = Panel(house, vendors, package).offers
        await offers.load()
        assert offers.versions(package, moved).versions == ()
        with pytest.raises(VendorIsUnavailable):
            await offers.choose(package, None, "1.20.4")


class TestChoosing:
    async def test_many_at_once_ask_the_vendor_once(self, panel: Panel, mirror: Mirror) -> None:
        found = await asyncio.gather(*(panel.offers.choose(PACKAGE, None, "latest") for _ in range(50)))
        assert {chosen.version for chosen in found} == {"1.21.4"}
        assert mirror.count(MOJANG) == 3  # the manifest, the manifest again for the release, the version
        assert mirror.count(MOJANG_FILES) == 0  # files are the nodes' to fetch

    async def test_many_at_once_wait_for_a_vendor_that_is_down_once(self, panel: Panel, mirror: Mirror) -> None:
        await panel.offers.look(PACKAGE)
        mirror.fail(MOJANG, EVERYTHING, status(500))
        asked = [panel.offers.choose(PACKAGE, None, "latest") for _ in range(50)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(error) for error in found} == {VendorIsUnavailable}
        assert mirror.count(MOJANG) == 2

    async def test_a_version_that_is_not_known_is_looked_for_but_not_by_everybody(
        self, house: House, vendors: HttpVendors, panel: Panel, mirror: Mirror, clock: FakeClock
    ) -> None:
        await panel.offers.look(PACKAGE)
        clock.advance(minutes=2)
        mirror.vanilla("1.22")
        assert (await panel.offers.choose(PACKAGE, None, "1.22")).version == "1.22"
        asked = mirror.count(MOJANG, MANIFEST)
        for _ in range(20):
            with pytest.raises(NoSuchVersion):
                await panel.offers.choose(PACKAGE, None, "1.23")
        assert mirror.count(MOJANG, MANIFEST) == asked

    async def test_what_another_panel_learned_is_known_without_asking(
        self, house: House, vendors: HttpVendors, panel: Panel, mirror: Mirror, clock: FakeClock
    ) -> None:
        await panel.offers.look(PACKAGE)
        second = Panel(house, vendors)
        await second.offers.load()
        mirror.vanilla("1.22")
        clock.advance(minutes=2)
        await panel.offers.refresh_package(house.actor(house.root), PACKAGE)
        asked = mirror.count(MOJANG, MANIFEST)
        await second.offers.choose(PACKAGE, None, "1.22")
        assert mirror.count(MOJANG, MANIFEST) == asked + 1  # of the release alone

    async def test_a_release_is_asked_for_again_after_a_while(
        self, panel: Panel, mirror: Mirror, clock: FakeClock
    ) -> None:
        first = (await panel.offers.choose(PACKAGE, None, "1.20.4")).release
        mirror.vanilla("1.20.4", b"rebuilt")
        assert (await panel.offers.choose(PACKAGE, None, "1.20.4")).release == first
        clock.advance(minutes=11)
        assert (await panel.offers.choose(PACKAGE, None, "1.20.4")).release != first


async def test_where_vendors_are_not_asked_that_is_said(house: House, mirror: Mirror) -> None:
    panel = Panel(house, None)
    await panel.offers.load()
    await panel.offers.refresh()
    await panel.offers.look(PACKAGE)
    with pytest.raises(VendorIsUnavailable) as caught:
        await panel.offers.choose(PACKAGE, None, None)
    assert "not asked" in caught.value.data["reason"]
    (state,) = await panel.offers.refresh_package(house.actor(house.root), PACKAGE)
    assert (state.next_at, state.fetched_at) == (None, None)
    assert mirror.requests == []

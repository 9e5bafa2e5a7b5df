"""What every keeper of vendors' indexes must hold to; see `store_suite`."""

from msgspec.structs import replace

from innkeeper.core.catalog.index_store import KeptIndex, KeptRelease
from innkeeper.core.catalog.versions import IndexSource, VersionIndex
from innkeeper.core.servers.model import Download, Release
from innkeeper.testing.store_samples import NOON, TICK, Stores

SOURCE = IndexSource(uses="forge", url="https://a.example/forge/ä", options={"since": "1.5.2"})
INDEX = KeptIndex(
    package="minecraft",
    runtime="forge",
    source=SOURCE,
    index=VersionIndex(
        versions=("35.1.13", "35.1.4"),
        aliases={"latest": "35.1.13"},
        titles={"35.1.4": "35.1.4 “stable”"},
        synonyms={"1.16.4-35.1.4": "35.1.4"},
    ),
    fetched_at=NOON,
)
BARE = KeptIndex(
    package="factorio",
    runtime="factorio",
    source=IndexSource(uses="factorio", url="https://b.example"),
    index=VersionIndex(versions=("1.0.0",)),
    fetched_at=NOON,
)
RELEASE = KeptRelease(
    package="minecraft",
    runtime="forge",
    version="35.1.4",
    release=Release(
        version="35.1.4",
        game_version="1.16.4",
        downloads=(
            Download(url="https://a.example/x", path="forge.jar", algorithm="sha1", digest="00" * 20, size=2**40),
            Download(url="https://a.example/y", path="b/c"),
        ),
        java=8,
        facts={"full": "1.16.4-35.1.4"},
    ),
    fetched_at=NOON,
)


class IndexPromises:
    """`core.catalog.index_store`."""

    async def test_indexes_and_releases_come_back_as_they_were_kept_in_order(self, stores: Stores) -> None:
        other = replace(RELEASE, version="35.1.13")
        async with stores.works() as work:
            await work.indexes.put_index(INDEX)
            await work.indexes.put_index(BARE)
            await work.indexes.put_release(RELEASE)
            await work.indexes.put_release(other)
        async with stores.works() as work:
            assert await work.indexes.indexes() == [BARE, INDEX]
            assert await work.indexes.releases() == [other, RELEASE]

    async def test_the_newer_stays_whoever_comes_last(self, stores: Stores) -> None:
        newer = replace(INDEX, index=VersionIndex(versions=("36.0.0",)), fetched_at=NOON + TICK)
        again = replace(RELEASE, release=Release(version="35.1.4", java=11), fetched_at=NOON + TICK)
        for index, release in ((INDEX, RELEASE), (newer, again), (INDEX, RELEASE)):
            async with stores.works() as work:
                await work.indexes.put_index(index)
                await work.indexes.put_release(release)
        async with stores.works() as work:
            assert await work.indexes.indexes() == [newer]
            assert await work.indexes.releases() == [again]

    async def test_an_index_of_another_source_takes_the_releases_of_its_runtime_away(self, stores: Stores) -> None:
        elsewhere = replace(RELEASE, runtime="fabric")
        async with stores.works() as work:
            await work.indexes.put_index(INDEX)
            await work.indexes.put_release(RELEASE)
            await work.indexes.put_release(elsewhere)
            await work.indexes.put_index(replace(INDEX, fetched_at=NOON + TICK))
        async with stores.works() as work:
            assert await work.indexes.releases() == [elsewhere, RELEASE]
            moved = replace(INDEX, source=replace(SOURCE, options={}), fetched_at=NOON + 2 * TICK)
            await work.indexes.put_index(moved)
            assert await work.indexes.releases() == [elsewhere]
            assert await work.indexes.indexes() == [moved]

"""What Mojang, PaperMC, SpigotMC, Fabric and Forge tell becomes versions, aliases and releases."""

import json

import pytest

from innkeeper.contracts.versions import Fetch, IndexUnreadable, NotOffered
from innkeeper.drivers.versions.fabric import Fabric
from innkeeper.drivers.versions.forge import Forge
from innkeeper.drivers.versions.mojang import Mojang
from innkeeper.drivers.versions.papermc import PaperMc
from innkeeper.drivers.versions.spigotmc import SpigotMc
from tests.unit.drivers.versions.conftest import body_of
from tests.vendors.mirror import (
    BUILD_TOOLS,
    FABRIC,
    FORGE,
    FORGE_FILES,
    FORGE_PATH,
    MANIFEST,
    MOJANG,
    PAPER,
    SPIGOT,
    Mirror,
)
from tests.vendors.serving import corrupt, garbage

MOJANG_URL = f"https://{MOJANG}{MANIFEST}"
PAPER_URL = f"https://{PAPER}/v3/projects/paper"
SPIGOT_URL = f"https://{SPIGOT}/versions/"
FABRIC_URL = f"https://{FABRIC}/v2/versions"
FORGE_URL = f"https://{FORGE}{FORGE_PATH}/"


class TestMojang:
    async def test_releases_are_listed_in_the_vendors_order_and_snapshots_only_on_request(
        self, mirror: Mirror, fetch: Fetch
    ) -> None:
        mirror.everything()
        found = await Mojang().index(MOJANG_URL, {}, fetch)
        assert found.versions == ("1.21.4", "1.20.4", "1.16.4", "1.8.9")
        assert found.aliases == {"latest": "1.21.4", "recommended": "1.21.4"}
        found = await Mojang().index(MOJANG_URL, {"snapshots": "yes", "since": "1.16.4"}, fetch)
        assert found.versions == ("25w02a", "1.21.4", "1.20.4", "1.16.4")
        assert found.aliases == {"latest": "1.21.4", "recommended": "1.21.4", "snapshot": "25w02a"}

    async def test_a_release_is_the_server_with_its_checksum_and_its_java(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.vanilla("1.8.9", java=None)
        mirror.vanilla("1.20.4", b"the jar", java=17)
        found = await Mojang().release(MOJANG_URL, {}, "1.20.4", fetch)
        (download,) = found.downloads
        assert (download.path, download.algorithm, download.size) == ("server.jar", "sha1", 7)
        assert await body_of(download, fetch) == b"the jar"
        assert (found.version, found.game_version, found.java) == ("1.20.4", "1.20.4", 17)
        assert (await Mojang().release(MOJANG_URL, {}, "1.8.9", fetch)).java is None

    async def test_what_has_no_server_is_not_offered(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.vanilla("1.2.4", server=False)
        for version in ("1.2.4", "9.9"):
            with pytest.raises(NotOffered):
                await Mojang().release(MOJANG_URL, {}, version, fetch)

    async def test_a_version_document_that_the_manifest_does_not_announce_is_not_believed(
        self, mirror: Mirror, fetch: Fetch
    ) -> None:
        mirror.vanilla("1.20.4")
        manifest = json.loads(await fetch(MOJANG_URL))
        path = manifest["versions"][0]["url"].removeprefix(f"https://{MOJANG}")
        mirror.fail(MOJANG, path, corrupt())
        with pytest.raises(IndexUnreadable):
            await Mojang().release(MOJANG_URL, {}, "1.20.4", fetch)

    async def test_a_name_that_could_be_more_than_a_name_is_not_listed(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.vanilla("1.20.4")
        mirror.vanilla("1.14 Pre-Release 5")
        mirror.vanilla("{version}")
        mirror.vanilla("..")
        found = await Mojang().index(MOJANG_URL, {}, fetch)
        assert (found.versions, found.aliases) == (("1.20.4",), {})


class TestPaperMc:
    async def test_versions_are_the_games_and_recommended_is_the_newest_stable(
        self, mirror: Mirror, fetch: Fetch
    ) -> None:
        mirror.paper("1.20.4", build=496)
        mirror.paper("1.21.4", build=10)
        mirror.paper("1.21.9-rc1", build=3)
        mirror.paper("1.21.9", build=4, channel="BETA")
        found = await PaperMc().index(PAPER_URL, {}, fetch)
        assert found.versions == ("1.21.9", "1.21.4", "1.20.4")
        assert found.aliases == {"latest": "1.21.9", "recommended": "1.21.4"}

    async def test_the_newest_stable_build_is_had_else_the_newest(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.paper("1.20.4", b"older", build=494)
        mirror.paper("1.20.4", b"stable", build=495)
        mirror.paper("1.20.4", b"beta", build=496, channel="BETA", java=17)
        mirror.paper("1.21.9", b"alpha", build=1, channel="ALPHA", java=21)
        found = await PaperMc().release(PAPER_URL, {}, "1.20.4", fetch)
        assert await body_of(found.downloads[0], fetch) == b"stable"
        assert (found.facts, found.java) == ({"build": "495", "channel": "stable"}, 17)
        assert found.downloads[0].path == "server.jar"
        found = await PaperMc().release(PAPER_URL, {}, "1.21.9", fetch)
        assert await body_of(found.downloads[0], fetch) == b"alpha"
        assert (found.facts["channel"], found.java) == ("alpha", 21)


class TestSpigotMc:
    async def test_versions_are_read_from_the_listing_by_their_numbers(self, mirror: Mirror, fetch: Fetch) -> None:
        for version in ("1.9.4", "1.10.2", "1.8", "1.20.4"):
            mirror.spigot(version, rev="4050")
        found = await SpigotMc().index(SPIGOT_URL, {}, fetch)
        assert found.versions == ("1.20.4", "1.10.2", "1.9.4", "1.8")
        assert found.aliases == {"latest": "1.20.4", "recommended": "1.20.4"}

    async def test_a_release_is_build_tools_and_the_java_that_may_build_it(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.spigot("1.20.4", rev="4061", classes=(61, 65))
        mirror.spigot("1.8", rev="582", classes=None)
        mirror.build_tools(b"tools")
        found = await SpigotMc().release(SPIGOT_URL, {}, "1.20.4", fetch)
        assert found.downloads[0].url == f"https://{SPIGOT}{BUILD_TOOLS}"
        assert (found.downloads[0].path, found.downloads[0].algorithm) == ("BuildTools.jar", None)
        assert await body_of(found.downloads[0], fetch) == b"tools"
        assert (found.java, found.facts) == (17, {"rev": "1.20.4", "build": "4061"})
        assert (await SpigotMc().release(SPIGOT_URL, {}, "1.8", fetch)).java is None
        with pytest.raises(NotOffered):
            await SpigotMc().release(SPIGOT_URL, {}, "1.7", fetch)


class TestFabric:
    async def test_stable_game_versions_are_listed(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.fabric("1.20.4")
        mirror.fabric("25w02a", stable=False)
        found = await Fabric().index(FABRIC_URL, {}, fetch)
        assert (found.versions, found.aliases) == (("1.20.4",), {"latest": "1.20.4", "recommended": "1.20.4"})
        found = await Fabric().index(FABRIC_URL, {"snapshots": "yes"}, fetch)
        assert (found.versions, found.aliases["latest"]) == (("25w02a", "1.20.4"), "1.20.4")

    async def test_a_release_pins_the_newest_stable_loader_and_installer(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.fabric("1.20.4", b"launcher", loader="0.16.9", installer="1.0.1")
        found = await Fabric().release(FABRIC_URL, {}, "1.20.4", fetch)
        assert await body_of(found.downloads[0], fetch) == b"launcher"
        assert found.downloads[0].url == f"{FABRIC_URL}/loader/1.20.4/0.16.9/1.0.1/server/jar"
        assert found.facts == {"loader": "0.16.9", "installer": "1.0.1"}


class TestForge:
    async def test_a_version_is_forges_own_and_aliases_are_of_the_newest_game(
        self, mirror: Mirror, fetch: Fetch
    ) -> None:
        mirror.everything()
        found = await Forge().index(FORGE_URL, {}, fetch)
        assert found.versions == ("35.1.13", "35.1.4", "14.23.5.2859")
        assert found.aliases == {"latest": "35.1.13", "recommended": "35.1.4"}
        assert found.synonyms["1.16.4-35.1.4"] == "35.1.4"

    async def test_a_game_without_recommended_build_leaves_that_alias_to_an_older_one(
        self, mirror: Mirror, fetch: Fetch
    ) -> None:
        mirror.everything()
        mirror.forge("1.21.4-54.0.16", latest=True)
        found = await Forge().index(FORGE_URL, {}, fetch)
        assert found.aliases == {"latest": "54.0.16", "recommended": "35.1.4"}

    async def test_a_part_that_two_games_share_is_named_in_full(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.forge("1.7.10-10.13.4.1614-1.7.10")
        mirror.forge("1.16.4-35.1.4")
        mirror.forge("1.16.5-35.1.4", latest=True)
        mirror.forge("1.4.7-6.6.2.534")
        found = await Forge().index(FORGE_URL, {}, fetch)
        assert found.versions == ("1.16.5-35.1.4", "1.16.4-35.1.4", "10.13.4.1614")
        assert found.aliases == {"latest": "1.16.5-35.1.4"}
        release = await Forge().release(FORGE_URL, {}, "10.13.4.1614", fetch)
        assert (release.game_version, release.facts["full"]) == ("1.7.10", "1.7.10-10.13.4.1614-1.7.10")

    async def test_of_many_builds_the_newest_and_the_promoted_are_listed(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.forge("1.16.4-35.0.1", recommended=True)
        for number in range(2, 9):
            mirror.forge(f"1.16.4-35.0.{number}")
        found = await Forge().index(FORGE_URL, {"builds": "2"}, fetch)
        assert found.versions == ("35.0.8", "35.0.7", "35.0.1")

    async def test_a_release_is_the_installer_with_the_checksum_beside_it(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.forge("1.16.4-35.1.4", b"installer")
        found = await Forge().release(FORGE_URL, {}, "35.1.4", fetch)
        assert await body_of(found.downloads[0], fetch) == b"installer"
        assert (found.downloads[0].path, found.downloads[0].algorithm) == ("forge-installer.jar", "sha1")
        assert (found.version, found.game_version, found.java) == ("35.1.4", "1.16.4", None)
        assert (found.facts["full"], found.facts["forge"]) == ("1.16.4-35.1.4", "35.1.4")
        with pytest.raises(NotOffered):
            await Forge().release(FORGE_URL, {}, "1.0.0", fetch)
        for full, start in (
            ("1.7.10-10.13.4.1614-1.7.10", "-jar forge-1.7.10-10.13.4.1614-1.7.10-universal.jar"),
            ("1.16.4-35.1.4", "-jar forge-1.16.4-35.1.4.jar"),
            ("1.20.1-47.2.0", "@libraries/net/minecraftforge/forge/1.20.1-47.2.0/unix_args.txt"),
        ):
            mirror.forge(full)
            assert (await Forge().release(FORGE_URL, {}, full.split("-")[1], fetch)).facts["start"] == start
        mirror.remove(FORGE_FILES, f"{FORGE_PATH}/1.16.4-35.1.4/forge-1.16.4-35.1.4-installer.jar.sha1")
        with pytest.raises(NotOffered):
            await Forge().release(FORGE_URL, {}, "35.1.4", fetch)


@pytest.mark.parametrize(
    ("driver", "url", "host"),
    [
        (Mojang(), MOJANG_URL, MOJANG),
        (PaperMc(), PAPER_URL, PAPER),
        (SpigotMc(), SPIGOT_URL, SPIGOT),
        (Fabric(), FABRIC_URL, FABRIC),
        (Forge(), FORGE_URL, FORGE),
    ],
    ids=lambda value: getattr(value, "name", None),
)
async def test_what_is_not_as_documented_is_said_to_be_unreadable(
    mirror: Mirror, fetch: Fetch, driver: Mojang, url: str, host: str
) -> None:
    mirror.everything()
    for body in (b"", b"down for maintenance", b"[1]", b'{"latest": 1}', b"\xff\xfe", b"null"):
        mirror.fail(host, "*", garbage(body))
        with pytest.raises(IndexUnreadable):
            await driver.index(url, {}, fetch)

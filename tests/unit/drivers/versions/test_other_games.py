"""What Factorio, AlliedModders and the Bedrock download page tell becomes versions, aliases and releases."""

import pytest

from innkeeper.contracts.versions import Fetch, IndexUnreadable, NotOffered
from innkeeper.drivers.versions.bedrock import Bedrock
from innkeeper.drivers.versions.factorio import Factorio
from innkeeper.drivers.versions.sourcemod import SourceMod
from tests.unit.drivers.versions.conftest import body_of
from tests.vendors.mirror import BEDROCK, BEDROCK_LINKS, FACTORIO, METAMOD, SOURCEMOD, Mirror
from tests.vendors.serving import garbage

FACTORIO_URL = f"https://{FACTORIO}/api/latest-releases"
SOURCEMOD_URL = f"https://{SOURCEMOD}/smdrop"
BRANCHES = {"stable": "1.10", "development": "1.11", "metamod": f"https://{METAMOD}/mmsdrop/1.11"}
BEDROCK_URL = f"https://{BEDROCK}{BEDROCK_LINKS}"


class TestFactorio:
    async def test_every_version_is_told_newest_first_with_both_channels(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.factorio("0.11.22")
        mirror.factorio("1.0.0", stable=True)
        mirror.factorio("1.1.6")
        mirror.factorio("1.1.10", experimental=True)
        found = await Factorio().index(FACTORIO_URL, {}, fetch)
        assert found.versions == ("1.1.10", "1.1.6", "1.0.0")
        assert found.aliases == {"stable": "1.0.0", "experimental": "1.1.10"}

    async def test_a_release_is_the_archive_with_its_checksum_where_there_is_one(
        self, mirror: Mirror, fetch: Fetch
    ) -> None:
        mirror.factorio("0.17.79", b"old", checksum=False)
        mirror.factorio("1.0.0", b"archive", stable=True)
        found = await Factorio().release(FACTORIO_URL, {}, "1.0.0", fetch)
        (download,) = found.downloads
        assert download.url == f"https://{FACTORIO}/get-download/1.0.0/headless/linux64"
        assert (download.path, download.algorithm) == ("factorio-headless_linux_1.0.0.tar.xz", "sha256")
        assert await body_of(download, fetch) == b"archive"
        found = await Factorio().release(FACTORIO_URL, {}, "0.17.79", fetch)
        assert (found.downloads[0].algorithm, found.downloads[0].digest) == (None, "")
        with pytest.raises(NotOffered):
            await Factorio().release(FACTORIO_URL, {}, "3.0.0", fetch)


class TestSourceMod:
    async def test_both_branches_are_told_and_titled(self, mirror: Mirror, fetch: Fetch) -> None:
        for version in ("1.10-6499", "1.10-6492", "1.11-998", "1.11-6645"):
            mirror.sourcemod(version)
        found = await SourceMod().index(SOURCEMOD_URL, BRANCHES, fetch)
        assert found.versions == ("1.11-6645", "1.11-998", "1.10-6499", "1.10-6492")
        assert found.aliases == {"stable": "1.10-6499", "development": "1.11-6645"}
        assert found.titles["1.10-6499"] == "1.10 #6499"

    async def test_a_branch_that_is_not_there_leaves_the_other(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.sourcemod("1.10-6499")
        found = await SourceMod().index(SOURCEMOD_URL, BRANCHES, fetch)
        assert (found.versions, found.aliases) == (("1.10-6499",), {"stable": "1.10-6499"})

    async def test_a_release_is_both_archives(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.sourcemod("1.10-6499", b"sourcemod")
        mirror.metamod("1.11-1145")
        mirror.metamod("1.11-1148", b"metamod")
        found = await SourceMod().release(SOURCEMOD_URL, BRANCHES, "1.10-6499", fetch)
        assert [file.path for file in found.downloads] == [
            "sourcemod-1.10.0-git6499-linux.tar.gz",
            "mmsource-1.11.0-git1148-linux.tar.gz",
        ]
        assert [await body_of(file, fetch) for file in found.downloads] == [b"sourcemod", b"metamod"]
        assert found.facts == {"metamod_url": found.downloads[1].url, "metamod_build": "1148"}
        for version in ("1.10-1", "1.9-6499", "1.10"):
            with pytest.raises(NotOffered):
                await SourceMod().release(SOURCEMOD_URL, BRANCHES, version, fetch)

    async def test_a_metamod_that_cannot_be_named_is_unreadable(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.sourcemod("1.10-6499")
        mirror.metamod("1.11-1148")
        mirror.fail(METAMOD, "*", garbage(b"../../etc/passwd"))
        with pytest.raises(IndexUnreadable):
            await SourceMod().release(SOURCEMOD_URL, BRANCHES, "1.10-6499", fetch)


class TestBedrock:
    async def test_the_newest_and_the_preview_are_told_and_nothing_older(self, mirror: Mirror, fetch: Fetch) -> None:
        mirror.bedrock("1.21.50.7", b"old")
        mirror.bedrock("1.21.51.1", b"new")
        mirror.bedrock("1.21.60.21", preview=True)
        found = await Bedrock().index(BEDROCK_URL, {}, fetch)
        assert found.versions == ("1.21.51.1", "1.21.60.21")
        assert found.aliases == {"latest": "1.21.51.1", "recommended": "1.21.51.1", "preview": "1.21.60.21"}
        release = await Bedrock().release(BEDROCK_URL, {}, "1.21.51.1", fetch)
        assert release.downloads[0].path == "bedrock-server-1.21.51.1.zip"
        assert await body_of(release.downloads[0], fetch) == b"new"
        with pytest.raises(NotOffered):
            await Bedrock().release(BEDROCK_URL, {}, "1.21.50.7", fetch)


@pytest.mark.parametrize(
    ("driver", "url", "host"),
    [(Factorio(), FACTORIO_URL, FACTORIO), (SourceMod(), SOURCEMOD_URL, SOURCEMOD), (Bedrock(), BEDROCK_URL, BEDROCK)],
    ids=lambda value: getattr(value, "name", None),
)
async def test_what_is_not_as_documented_is_said_to_be_unreadable(
    mirror: Mirror, fetch: Fetch, driver: Factorio, url: str, host: str
) -> None:
    mirror.everything()
    for body in (b"", b"down for maintenance", b"[1]", b'{"result": 1}', b"\xff\xfe", b"null"):
        mirror.fail(host, "*", garbage(body))
        with pytest.raises(IndexUnreadable):
            await driver.index(url, BRANCHES, fetch)

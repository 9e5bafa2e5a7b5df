"""Files of vendors come into the server's folder whole, by themselves or as archives; failures leave nothing half."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from innkeeper.contracts.installer import InstallFailed
from innkeeper.drivers.fetching.store import Downloads
from innkeeper.drivers.installers.archive import ArchiveInstaller
from innkeeper.drivers.installers.download import DownloadInstaller
from tests.unit.drivers.installers.conftest import Site, make_site
from tests.vendors.mirror import tar_of
from tests.vendors.serving import FileServer, corrupt

VENDOR = "files.vendor.example"
JAR = b"a jar" * 10_000


@pytest.fixture
def vendor() -> Iterator[FileServer]:
    with FileServer() as files:
        files.put(VENDOR, "/server.jar", JAR)
        files.put(VENDOR, "/run", b"#!/bin/sh\n")
        yield files


@pytest.fixture
def downloads(vendor: FileServer) -> Downloads:
    return Downloads(mirror=vendor.url, pauses_s=(0.01,))


def file(name: str, path: str, **more: Any) -> dict[str, Any]:
    return {"url": f"https://{VENDOR}/{name}", "path": path, **more}


async def test_files_come_to_their_places_and_say_how_far_they_are(site: Site, downloads: Downloads) -> None:
    sha1 = hashlib.sha1(JAR, usedforsecurity=False).hexdigest()
    step = {
        "uses": "download",
        "key": "game",
        "files": [
            file("server.jar", "lib/game/server.jar", algorithm="sha1", digest=sha1, size=len(JAR)),
            file("run", "run.sh", algorithm=None, digest="", size=None, executable=True),
        ],
    }
    await DownloadInstaller(downloads).install(step, site.place)
    site.place.folder.write("run.sh", b"changed")
    await DownloadInstaller(downloads).install(step, site.place)
    assert site.content() == {
        "lib": None,
        "lib/game": None,
        "lib/game/server.jar": JAR,
        "run.sh": b"#!/bin/sh\n",
    }
    assert (site.root / "run.sh").stat().st_mode & 0o777 == 0o755
    fractions = [fraction for _, fraction in site.reports if fraction is not None]
    assert fractions[0] == 0.5
    assert fractions[-1] == 1.0


async def test_the_files_of_several_servers_are_fetched_once(
    site: Site, downloads: Downloads, vendor: FileServer
) -> None:
    digest = hashlib.sha256(JAR).hexdigest()
    step = {"files": [file("server.jar", "server.jar", algorithm="sha256", digest=digest)]}
    sites = [make_site(site.base / str(number)) for number in range(4)]
    installer = DownloadInstaller(downloads)
    await asyncio.gather(*(installer.install(step, replace(one.place, shared=site.place.shared)) for one in sites))
    assert [one.content() for one in sites] == [{"server.jar": JAR}] * 4
    assert vendor.count(VENDOR) == 1


async def test_a_file_that_is_not_what_was_promised_leaves_what_is_there(
    site: Site, downloads: Downloads, vendor: FileServer
) -> None:
    site.place.folder.write("server.jar", b"the old one")
    vendor.fail(VENDOR, "/server.jar", corrupt())
    wanted = file("server.jar", "server.jar", algorithm="sha256", digest=hashlib.sha256(JAR).hexdigest())
    with pytest.raises(InstallFailed, match=r"expected sha256 .*, found "):
        await DownloadInstaller(downloads).install({"files": [wanted]}, site.place)
    assert site.content() == {"server.jar": b"the old one"}


@pytest.mark.parametrize(
    "wanted",
    [
        {"url": f"https://{VENDOR}/server.jar"},
        file("server.jar", ""),
        file("server.jar", "../out"),
        file("server.jar", "a", sha256="ab"),
        file("server.jar", "a", algorithm="crc32", digest="ab"),
        {"url": "file:///etc/passwd", "path": "a"},
    ],
)
async def test_a_step_that_makes_no_sense_or_reaches_too_far_is_refused(
    site: Site, downloads: Downloads, wanted: dict[str, Any]
) -> None:
    with pytest.raises(InstallFailed):
        await DownloadInstaller(downloads).install({"files": [wanted]}, site.place)
    assert site.content() == {}


async def test_an_archive_of_a_vendor_is_fetched_and_unpacked(
    site: Site, downloads: Downloads, vendor: FileServer
) -> None:
    archive = tar_of({"game-1.0/bin/game": b"1", "game-1.0/data/a": b"2"}, "xz")
    vendor.put(VENDOR, "/game.tar.xz", archive)
    step = {
        "uses": "archive",
        "url": f"https://{VENDOR}/game.tar.xz",
        "algorithm": "sha256",
        "digest": hashlib.sha256(archive).hexdigest(),
        "size": len(archive),
        "into": "game",
    }
    for _ in range(2):
        await ArchiveInstaller(downloads).install(step, site.place)
    assert site.content() == {
        "game": None,
        "game/bin": None,
        "game/bin/game": b"1",
        "game/data": None,
        "game/data/a": b"2",
    }
    assert vendor.count(VENDOR) == 1
    with pytest.raises(InstallFailed, match="one of"):
        await ArchiveInstaller(downloads).install({**step, "upload": "a"}, site.place)

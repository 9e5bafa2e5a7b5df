"""Part of an archive, and an archive of the server's own, unpacked into a server's folder."""

import pytest

from innkeeper.contracts.installer import InstallFailed
from innkeeper.drivers.fetching.store import Downloads
from innkeeper.drivers.installers.archive import ArchiveInstaller, unpack
from tests.unit.drivers.installers.conftest import Site
from tests.unit.drivers.installers.test_archive import make_zip

WORLD = make_zip(("old/readme", b"r"), ("old/world/level.dat", b"l"), ("old/world/region/r.0.0.mca", b"m"))


async def install(site: Site, root: str) -> None:
    (site.uploads / "old.zip").write_bytes(WORLD)
    step = {"uses": "archive", "upload": "old.zip", "root": root}
    await ArchiveInstaller(Downloads()).install(step, site.place)


@pytest.mark.parametrize("root", ["old/world", "/old/world/"])
async def test_only_one_folder_of_an_archive_is_unpacked(site: Site, root: str) -> None:
    await install(site, root)
    assert site.content() == {"level.dat": b"l", "region": None, "region/r.0.0.mca": b"m"}


async def test_without_a_folder_all_of_the_archive_is_unpacked(site: Site) -> None:
    await install(site, "")
    assert set(site.content()) == {"readme", "world", "world/level.dat", "world/region", "world/region/r.0.0.mca"}


async def test_a_folder_that_climbs_is_refused(site: Site) -> None:
    with pytest.raises(InstallFailed):
        await install(site, "../old")


async def test_a_folder_that_the_archive_has_not_is_no_installation(site: Site) -> None:
    with pytest.raises(InstallFailed, match="no folder"):
        await install(site, "new/world")


async def test_an_archive_of_the_servers_own_is_unpacked_as_it_is(site: Site) -> None:
    (site.root / "in").mkdir()
    (site.root / "in" / "old.zip").write_bytes(WORLD)
    assert await unpack(site.place.folder, "in/old.zip", "in") == 3
    assert (site.root / "in" / "old" / "world" / "level.dat").read_bytes() == b"l"


async def test_what_is_no_archive_leaves_nothing(site: Site) -> None:
    (site.root / "broken.zip").write_bytes(b"no archive")
    with pytest.raises(InstallFailed):
        await unpack(site.place.folder, "broken.zip", "")
    with pytest.raises(InstallFailed):
        await unpack(site.place.folder, "gone.zip", "")
    assert site.content() == {"broken.zip": b"no archive"}

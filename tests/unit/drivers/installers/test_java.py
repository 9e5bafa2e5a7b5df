"""A vendor's installer in a jar is run in the server's folder, and what becomes of it is told."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from innkeeper.contracts.installer import FolderError, InstallFailed
from innkeeper.drivers.fetching.store import Downloads
from innkeeper.drivers.installers.download import DownloadInstaller
from innkeeper.drivers.installers.java import JavaInstaller
from innkeeper.kit.tasks import TaskSet
from tests.unit.drivers.installers.conftest import Site
from tests.unit.drivers.installers.jars import maker_jar
from tests.vendors.serving import FileServer

pytestmark = pytest.mark.skipif(shutil.which("javac") is None, reason="there is no Java development kit here")


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    with FileServer() as files:
        files.put("vendor.example", "/installer.jar", maker_jar(tmp_path_factory.mktemp("jar")))
        yield files


async def install(site: Site, vendor: FileServer, *arguments: str, **step: Any) -> None:
    installer = JavaInstaller(DownloadInstaller(Downloads(mirror=vendor.url)))
    files = [{"url": "https://vendor.example/installer.jar", "path": "installer.jar"}]
    await installer.install(
        {"uses": "java", "jar": "installer.jar", "arguments": list(arguments), "downloads": files, **step}, site.place
    )


async def test_a_jar_is_fetched_run_and_removed_and_what_it_made_stays(site: Site, vendor: FileServer) -> None:
    step = {"remove": ["installer.jar", "logs", "never/there", "tool-*"], "options": ["-Xmx64m"]}
    await install(
        site, vendor, "make:libraries/a.jar", "make:logs/install.log", "make:tool-3.9/a", "{server}", "{java}", **step
    )
    assert site.content() == {"libraries": None, "libraries/a.jar": b"made"}
    said = [text for text, _ in site.reports]
    told = ["make:libraries/a.jar", "make:logs/install.log", "make:tool-3.9/a", site.root, site.place.tool("java")]
    assert f"arguments [{', '.join(map(str, told))}]" in said
    assert f"folder {site.root}" in said
    assert any(text.endswith(f"home {site.root}") for text in said)


async def test_a_failure_is_told_with_what_was_said_last(site: Site, vendor: FileServer) -> None:
    with pytest.raises(InstallFailed, match=r"installer\.jar ended with 3: .*Processor failed, invalid outputs"):
        await install(site, vendor, "fail", remove=["installer.jar"])
    assert site.content() == {}


async def test_one_that_takes_too_long_is_ended(site: Site, vendor: FileServer) -> None:
    with pytest.raises(InstallFailed, match="took longer than"):
        await install(site, vendor, "hang", timeout_s=1, remove=["installer.jar"])


async def test_cancelled_it_is_ended_with_all_it_started(site: Site, vendor: FileServer) -> None:
    async with TaskSet("test") as tasks:
        task = tasks.start(install(site, vendor, "hang"), name="installing")
        async with asyncio.timeout(20):
            while not any(text.startswith("folder") for text, _ in site.reports):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert not [pid for pid in Path("/proc").iterdir() if pid.name.isdigit() and _is_in(pid, site.root)]


def _is_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink() == folder
    except OSError:
        return False


async def test_the_java_that_is_not_there_and_steps_without_sense_are_refused(site: Site, vendor: FileServer) -> None:
    def no_java(name: str) -> Path:
        raise InstallFailed("Java 21 is needed; this node has 17")

    with pytest.raises(InstallFailed, match="Java 21 is needed; this node has 17"):
        await JavaInstaller(DownloadInstaller(Downloads())).install({"jar": "a.jar"}, replace(site.place, tool=no_java))
    for step in (
        {"jar": "missing.jar"},
        {"jar": "../a.jar"},
        {"timeout_s": -1},
        {"unknown": 1},
        {"remove": ["../../etc"]},
    ):
        with pytest.raises((InstallFailed, FolderError)):
            await install(site, vendor, **{"downloads": [], **step})
    assert site.content() == {}

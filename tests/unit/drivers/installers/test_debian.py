"""Debian packages in the store that servers share: real apt and dpkg, over an archive and a host of the test's own."""

import asyncio
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from innkeeper.contracts.installer import InstallFailed, Place
from innkeeper.drivers.installers.debian import DebianInstaller
from tests.unit.drivers.installers.conftest import Site

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="this host is no Debian")

ARCHITECTURE = "amd64"


@dataclass
class Archive:
    """Packages that apt can fetch, and a host that has some installed."""

    base: Path

    def __post_init__(self) -> None:
        for name in ("pool", "state/lists/partial", "cache/archives/partial"):
            (self.base / name).mkdir(parents=True)
        self.said: list[str] = []
        (self.base / "status").touch()
        (self.base / "sources.list").write_text(f"deb [trusted=yes] file:{self.base} ./\n")
        (self.base / "apt.conf").write_text(
            f"""
            APT::Architecture "{ARCHITECTURE}"; APT::Architectures "{ARCHITECTURE}"; APT::Sandbox::User "";
            Dir::Etc::sourcelist "{self.base}/sources.list"; Dir::Etc::sourceparts "-"; Dir::Etc::preferencesparts "-";
            Dir::State "{self.base}/state"; Dir::State::status "{self.base}/status"; Dir::Cache "{self.base}/cache";
            """
        )
        for tool in ("apt-get", "dpkg-deb"):
            script = self.base / tool
            script.write_text(
                f'#!/bin/sh\necho "$0 $*" >>{self.base}/asked\nAPT_CONFIG={self.base}/apt.conf exec {tool} "$@"\n'
            )
            script.chmod(0o755)

    def has(self, name: str, files: Mapping[str, str], *, depends: str = "", version: str = "1.0-1") -> Path:
        """Add a package, whose scripts would leave a mark, and have apt know of it."""
        tree = self.base / "made" / name
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: {ARCHITECTURE}\nMaintainer: nobody\n"
        control += f"Depends: {depends}\n" if depends else ""
        (tree / "DEBIAN" / "control").write_text(f"{control}Description: for a test\n")
        script = tree / "DEBIAN" / "postinst"
        script.write_text(f"#!/bin/sh\ntouch {self.base}/was-configured\n")
        script.chmod(0o755)
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
            (tree / path).chmod(0o4755)
        file = self.base / "pool" / f"{name}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, file], check=True, capture_output=True)
        body = file.read_bytes()
        self.said.append(
            f"{control}Filename: ./pool/{name}.deb\nSize: {len(body)}\nSHA256: {hashlib.sha256(body).hexdigest()}\n"
        )
        (self.base / "Packages").write_text("\n".join(self.said))
        subprocess.run([str(self.base / "apt-get"), "update"], check=True, capture_output=True)
        (self.base / "asked").unlink()
        return file

    def host_has(self, name: str) -> None:
        """Say that the host has installed that."""
        with (self.base / "status").open("a") as status:
            status.write(
                f"Package: {name}\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: {ARCHITECTURE}\n"
                "Maintainer: nobody\nDescription: of the host\n\n"
            )

    def asked(self, verb: str) -> int:
        """Return how often a tool was asked for that."""
        return (self.base / "asked").read_text().count(f" {verb} ")

    def place(self, site: Site) -> Place:
        return replace(site.place, tool=lambda name: self.base / name)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def game(archive: Archive) -> dict[str, object]:
    """Have a game, a library that the host lacks and one that it has; return the step for it."""
    archive.host_has("libthere")
    archive.has("libthere", {"usr/lib/there.so.1": "there"})
    archive.has(
        "liblacking", {"usr/lib/arch/lacking.so.2.1": "lacking", "usr/lib/arch/notes.txt": ""}, version="1:2~b-1"
    )
    archive.has(
        "game", {"usr/games/game": "#!", "usr/share/game/data": "data"}, depends="liblacking, libthere", version="3+x-1"
    )
    return {"key": "g", "packages": ["game"], "links": {"usr/games/data": "../share/game/data"}}


def trees(site: Site) -> list[str]:
    return os.listdir(site.place.shared / "debian")


async def test_a_tree_has_the_packages_and_what_the_host_lacks_and_nobody_configures_or_changes_it(
    site: Site, archive: Archive
) -> None:
    step = game(archive)
    await DebianInstaller().install(step, archive.place(site))
    tree = Path(site.exports["g"])
    found = {
        str(path.relative_to(tree)): stat.S_IMODE(path.stat().st_mode) for path in tree.rglob("*") if path.is_file()
    }
    assert found == {
        "usr/games/game": 0o555,
        "usr/games/data": 0o555,
        "usr/share/game/data": 0o555,
        "usr/lib/arch/lacking.so.2.1": 0o555,
        "usr/lib/arch/notes.txt": 0o555,
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in tree.rglob("*") if path.is_dir()} == {0o555}
    assert site.exports["g/libraries"] == str(tree / "usr/lib/arch")
    assert trees(site) == [tree.name] and tree.name.startswith("game-")
    assert not (archive.base / "was-configured").exists()


async def test_a_second_server_gets_the_same_tree_and_nothing_is_fetched_again(site: Site, archive: Archive) -> None:
    step, installer = game(archive), DebianInstaller()
    await asyncio.gather(*(installer.install(step, archive.place(site)) for _ in range(3)))
    await DebianInstaller().install(step, archive.place(site))
    assert len(trees(site)) == 1
    assert archive.asked("download") == 1
    await installer.install({**step, "links": {}}, archive.place(site))
    assert len(trees(site)) == 2, "other links are another tree"


async def test_an_unknown_package_is_refused_by_its_name(site: Site, archive: Archive) -> None:
    game(archive)
    with pytest.raises(InstallFailed, match="Unable to locate package doom"):
        await DebianInstaller().install({"packages": ["game", "doom"]}, archive.place(site))
    assert trees(site) == []


async def test_what_needs_something_that_there_is_not_is_refused(site: Site, archive: Archive) -> None:
    archive.has("game", {"usr/games/game": ""}, depends="libnowhere")
    with pytest.raises(InstallFailed, match="does not know how to install game here"):
        await DebianInstaller().install({"packages": ["game"]}, archive.place(site))


def _changed(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize("spoil", [_changed, Path.unlink])
async def test_a_package_that_is_not_what_the_lists_say_is_refused(
    site: Site, archive: Archive, spoil: Callable[[Path], None]
) -> None:
    spoil(archive.has("game", {"usr/games/game": ""}))
    with pytest.raises(InstallFailed, match="could not fetch game"):
        await DebianInstaller().install({"packages": ["game"]}, archive.place(site))
    assert trees(site) == []


@pytest.mark.parametrize(
    "step",
    [
        {"packages": []},
        {"packages": ["-o"]},
        {"packages": ["game=1"]},
        {"packages": ["../game"]},
        {"packages": "game"},
        {"packages": ["game"], "links": {"../x": "y"}},
        {"packages": ["game"], "links": {"/x": "y"}},
        {"packages": ["game"], "links": {"x": "../y"}},
        {"packages": ["game"], "links": {"x": "/etc/passwd"}},
        {"packages": ["game"], "links": {"usr/../../x": "y"}},
        {"packages": ["game"], "script": "x"},
    ],
)
async def test_a_step_that_is_not_understood_asks_nobody(site: Site, archive: Archive, step: dict[str, object]) -> None:
    with pytest.raises(InstallFailed):
        await DebianInstaller().install(step, archive.place(site))
    assert not (archive.base / "asked").exists()


@pytest.mark.parametrize("links", [{"usr/games/data": "nothing"}, {"usr/games/game": "other"}, {"x": "usr/out/x"}])
async def test_a_link_to_nothing_or_in_anothers_place_is_refused(
    site: Site, archive: Archive, links: dict[str, str]
) -> None:
    (archive.base / "made" / "game" / "usr").mkdir(parents=True)
    (archive.base / "made" / "game" / "usr" / "out").symlink_to("/etc")
    archive.has("game", {"usr/games/game": ""})
    with pytest.raises(InstallFailed, match="link"):
        await DebianInstaller().install({"packages": ["game"], "links": links}, archive.place(site))
    assert trees(site) == []


@pytest.mark.parametrize("missing", ["apt-get", "dpkg-deb"])
async def test_a_node_that_is_no_debian_says_so(site: Site, archive: Archive, missing: str) -> None:
    def tool(name: str) -> Path:
        if name == missing:
            raise InstallFailed(f"this node has no {name}")
        return archive.base / name

    archive.has("game", {"usr/games/game": ""})
    with pytest.raises(InstallFailed, match=f"this node has no {missing}"):
        await DebianInstaller().install({"packages": ["game"]}, replace(site.place, tool=tool))

"""The installer `debian`: packages of the host's Debian into the shared store, without root and without the host.

apt says which packages those are, with the dependencies that the host lacks, fetches them and checks them against its
signed lists; dpkg unpacks them into a tree of their own. Nothing is configured, no script of a package is run, and what
the host has installed stays as it is. Refuses to know what the packages are for.
"""

import asyncio
import hashlib
import json
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from weakref import WeakValueDictionary

import msgspec

from innkeeper.contracts.installer import InstallFailed, Place
from innkeeper.drivers.trees import publish, remove, working_folder
from innkeeper.kit.tasks import in_thread
from innkeeper.kit.threads import to_the_end

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,99}")
_PLANNED = re.compile(r"'[^']+' ([^ /]+)_([^ /_]+)_([^ /_]+)\.deb [0-9]+(?: .*)?")
_LIBRARY = re.compile(r".*\.so(\.[0-9.]+)?")
_LIBRARY_FOLDERS = ("lib", "usr/lib")
_TIMEOUT = timedelta(minutes=30)
_KEPT = 4000
"""So much of what apt says is looked at for its reason."""


class DebianStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of `debian`: the names of the packages.

    `links`: symbolic links laid into the tree, path → target as a link has it, for programs that look for their data
    beside themselves. The tree's place is exported as `key`, and as `key/libraries` the folders of its libraries,
    joined by colons.
    """

    packages: tuple[str, ...]
    uses: str = "debian"
    key: str = "debian"
    links: dict[str, str] = {}


class Planned(msgspec.Struct, frozen=True, order=True):
    """One package that apt would fetch."""

    name: str
    version: str
    architecture: str

    @property
    def wanted(self) -> str:
        """How apt is asked for exactly this one."""
        architecture = "" if self.architecture == "all" else f":{self.architecture}"
        return f"{self.name}{architecture}={self.version}"


class DebianInstaller:
    """Unpack Debian packages into `shared/debian/<key>`, and export where that is."""

    name = "debian"

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def install(self, step: Mapping[str, Any], place: Place) -> None:
        """See `contracts.installer.Installer.install` and `DebianStep`."""
        wanted = _understood(step)
        place.tool("dpkg-deb")
        request = _digest(wanted.packages, wanted.links)
        lock = self._locks.setdefault(request, asyncio.Lock())
        if lock.locked():
            place.report(f"Waiting for {wanted.packages[0]}, which another server is installing")
        async with lock:
            working = working_folder(place.shared / "debian")
            try:
                await in_thread(_prepare, working)
                tree = await self._installed(wanted, working, place)
            finally:
                await to_the_end(lambda: remove(working))
        place.export(wanted.key, str(tree))
        place.export(f"{wanted.key}/libraries", ":".join(await in_thread(_libraries, tree)))

    async def _installed(self, step: DebianStep, working: Path, place: Place) -> Path:
        planned = await _plan(step.packages, working, place)
        key = f"{step.packages[0]}-{_digest([one.wanted for one in planned], step.links)}"
        target = place.shared / "debian" / key
        if await in_thread(target.is_dir):
            place.report(f"{step.packages[0]} is installed already", 1.0)
            return target
        place.report(f"Fetching {len(planned)} Debian packages for {step.packages[0]}")
        apt, fetched = place.tool("apt-get"), working / "fetched"
        said = await _said(
            [str(apt), "-q", "download", *(one.wanted for one in planned)], fetched, working / "said", place
        )
        if said is not None:
            raise InstallFailed(f"apt-get could not fetch {step.packages[0]}: {said}")
        for archive in sorted(await in_thread(lambda: list(fetched.glob("*.deb")))):
            place.report(f"Unpacking {archive.name}")
            argv = [str(place.tool("dpkg-deb")), "--extract", str(archive), str(working / "tree")]
            status = await place.run(argv, working, {}, _TIMEOUT)
            if status != 0:
                raise InstallFailed(f"dpkg-deb could not unpack {archive.name}: it ended with {status}")
        await in_thread(_link, working / "tree", step.links)
        await in_thread(publish, working / "tree", target)
        place.report(f"Installed {step.packages[0]}", 1.0)
        return target


def _understood(step: Mapping[str, Any]) -> DebianStep:
    try:
        wanted = msgspec.convert(step, DebianStep)
    except msgspec.ValidationError as error:
        raise InstallFailed(f"The install step is not understood: {error}") from error
    if not wanted.packages:
        raise InstallFailed("The install step names no Debian package")
    for name in wanted.packages:
        if not _NAME.fullmatch(name):
            raise InstallFailed(f"{name!r} is not the name of a Debian package")
    for path, target in wanted.links.items():
        ends = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        for one in (path, ends):
            if one.startswith(("/", "../")) or one in ("", ".", "..") or ".." in path.split("/"):
                raise InstallFailed(f"The link {path!r} leads out of the tree")
    return wanted


def _digest(names: Sequence[str], links: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([sorted(names), sorted(links.items())]).encode()).hexdigest()[:16]


async def _plan(packages: Sequence[str], working: Path, place: Place) -> list[Planned]:
    """Ask apt what would be fetched, were they installed on this host; nothing is, and nothing is locked."""
    argv = [
        str(place.tool("apt-get")),
        *("-qq", "--print-uris", "--yes", "--reinstall", "--no-install-recommends"),
        # What the host happens to have fetched before must be told, too.
        *("-o", f"Dir::Cache::archives={working / 'nothing'}"),
        *("install", "--", *packages),
    ]
    said = await _said(argv, working, working / "said", place, output=working / "plan")
    if said is not None:
        raise InstallFailed(f"apt-get does not know how to install {', '.join(packages)} here: {said}")
    text = await in_thread((working / "plan").read_text, "utf-8")
    found = (_PLANNED.fullmatch(line) for line in text.splitlines())
    planned = [Planned(match[1], unquote(match[2]), match[3]) for match in found if match is not None]
    missing = set(packages) - {one.name for one in planned}
    if missing:
        raise InstallFailed(f"apt-get would fetch nothing for {', '.join(sorted(missing))}")
    return sorted(planned)


async def _said(
    argv: Sequence[str], cwd: Path, errors: Path, place: Place, output: Path = Path(os.devnull)
) -> str | None:
    """Run a command with its output and its errors in files; return None, or why it failed."""
    redirected = 'out=$1 err=$2; shift 2; exec "$@" >"$out" 2>"$err"'
    shell = ["/bin/sh", "-c", redirected, "sh", str(output), str(errors), *argv]
    status = await place.run(shell, cwd, {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}, _TIMEOUT)
    if status == 0:
        return None
    lines = (await in_thread(_read, errors)).splitlines()
    reasons = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    return "; ".join(reasons[:3]) or f"it ended with {status}"


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace")[:_KEPT]


def _prepare(working: Path) -> None:
    working.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # Nobody else looks into a tree that is being made.
    working.mkdir(mode=0o700)
    (working / "fetched").mkdir()
    (working / "nothing" / "partial").mkdir(parents=True)
    (working / "tree").mkdir(mode=0o755)


def _link(tree: Path, links: Mapping[str, str]) -> None:
    for path, target in links.items():
        link = tree / path
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
            if not link.resolve().is_relative_to(tree.resolve()) or not link.exists():
                raise InstallFailed(f"The link {path!r} leads to nothing in the tree")
        except OSError as error:
            raise InstallFailed(f"The link {path!r} cannot be made: {error.strerror or error}") from error


def _libraries(tree: Path) -> list[str]:
    """Give the folders of a tree that have shared libraries."""
    found = []
    for top in _LIBRARY_FOLDERS:
        for directory, folders, files in os.walk(tree / top):
            folders.sort()
            if any(_LIBRARY.fullmatch(name) for name in files):
                found.append(directory)
    return found

"""The installer `java`: run a vendor's own installer, which is a jar, in the server's folder.

Forge's installer and Spigot's BuildTools are such. Their code is foreign, so it runs as the server's user and sees
what the game sees. What it makes it makes in the server's folder itself: where it fails, what it has made so far stays
there, and the installation counts as failed. Refuses to know what any of them does.
"""

import fnmatch
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from innkeeper.contracts.installer import Folder, FolderError, Installer, InstallFailed, Place
from innkeeper.kit.tasks import in_thread

MAX_TIMEOUT_S = 6 * 3600
_LAST_LINES = 3
_MAX_REASON = 500


class JavaStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of `java`.

    - `downloads`: files as in a step of `download`, put in their places first.
    - `jar`: a path in the server's folder. `arguments` follow it; in them `{java}` is the program and `{server}` the
      folder.
    - `options`: for the virtual machine, before the jar. `timeout_s`: it is ended after so long.
    - `remove`: paths that are removed afterwards, whether it succeeds or not; a name directly in the folder may hold
      `*` and `?`.
    """

    jar: str
    uses: str = "java"
    key: str = ""
    arguments: list[str] = []
    options: list[str] = []
    timeout_s: float = 1800
    downloads: list[dict[str, Any]] = []
    remove: list[str] = []


class JavaInstaller:
    """Run a jar of the Java that the server needs."""

    name = "java"

    def __init__(self, download: Installer) -> None:
        """`download` carries out what comes before."""
        self._download = download

    async def install(self, step: Mapping[str, Any], place: Place) -> None:
        """See `contracts.installer.Installer.install` and `JavaStep`."""
        try:
            wanted = msgspec.convert(step, JavaStep)
        except msgspec.ValidationError as error:
            raise InstallFailed(f"The install step is not understood: {error}") from error
        if not 0 < wanted.timeout_s <= MAX_TIMEOUT_S:
            raise InstallFailed(f"An installer may take {MAX_TIMEOUT_S} seconds, not {wanted.timeout_s}")
        java = str(await in_thread(place.tool, "java"))
        try:
            if wanted.downloads:
                await self._download.install({"files": wanted.downloads}, place)
            if not await in_thread(place.folder.exists, wanted.jar):
                raise InstallFailed(f"{wanted.jar} is not in the server's folder")
            await _run(wanted, java, place)
        finally:
            await in_thread(_remove, wanted.remove, place.folder)
        place.report(f"{wanted.jar} is done", 1.0)


async def _run(step: JavaStep, java: str, place: Place) -> None:
    said: deque[str] = deque(maxlen=_LAST_LINES)

    def hear(line: str) -> None:
        said.append(line)
        place.report(line)

    known = {"{java}": java, "{server}": str(place.home)}
    place.report(f"Running {step.jar}")
    argv = [java, f"-Duser.home={place.home}", *step.options, "-jar", f"./{step.jar}"]
    argv += [_filled(word, known) for word in step.arguments]
    status = await place.as_server(argv, timedelta(seconds=step.timeout_s), hear=hear)
    if status != 0:
        last = " / ".join(said)[-_MAX_REASON:]
        raise InstallFailed(f"{step.jar} ended with {status}" + (f": {last}" if last else ""))


def _filled(word: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        word = word.replace(name, value)
    return word


def _remove(paths: list[str], folder: Folder) -> None:
    for path in paths:
        try:
            for found in _meant(path, folder):
                folder.delete(found, recursive=True)
        except FolderError as error:
            raise InstallFailed(f"{path!r} cannot be removed: {error}") from error


def _meant(path: str, folder: Folder) -> list[str]:
    if "*" in path or "?" in path:
        return [found.path for found in folder.walk(max_depth=1) if fnmatch.fnmatchcase(found.path, path)]
    return [path] if folder.exists(path) else []

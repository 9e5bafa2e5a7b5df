"""The installer `download`: files of a vendor into the server's folder, by way of the node's store of downloads.

What arrives has been checked before, and each file appears whole or not at all. Refuses to know vendors and games.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO

import msgspec

from innkeeper.contracts.installer import Folder, FolderError, InstallFailed, Place, Report
from innkeeper.drivers.fetching.store import Downloads, Wanted
from innkeeper.kit.threads import in_stoppable_thread

_CHUNK = 1 << 20
MAX_FILES = 1000


class File(Wanted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file: see `Wanted`; `path` is where it belongs in the server's folder."""

    path: str
    executable: bool = False


class DownloadStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of `download`. What is at a path is replaced."""

    files: list[File]
    uses: str = "download"
    key: str = ""


class DownloadInstaller:
    """Fetch files."""

    name = "download"

    def __init__(self, downloads: Downloads) -> None:
        self._downloads = downloads

    async def install(self, step: Mapping[str, Any], place: Place) -> None:
        """See `contracts.installer.Installer.install` and `DownloadStep`."""
        try:
            wanted = msgspec.convert(step, DownloadStep)
        except msgspec.ValidationError as error:
            raise InstallFailed(f"The install step is not understood: {error}") from error
        if len(wanted.files) > MAX_FILES:
            raise InstallFailed(f"The install step has more than {MAX_FILES} files")
        for number, file in enumerate(wanted.files):
            content = await self._downloads.get(file, place.shared, _part(place.report, number, len(wanted.files)))
            with content:
                await in_stoppable_thread(partial(_copy, content, file, place.folder))
        place.report(f"Downloaded {len(wanted.files)} files", 1.0)


def _copy(content: BinaryIO, file: File, folder: Folder, called_off: Callable[[], bool]) -> None:
    try:
        above, _, _ = file.path.rpartition("/")
        folder.make_directory(above, parents=True)
        with folder.begin_write(file.path, mode=0o755 if file.executable else 0o644) as upload:
            while chunk := content.read(_CHUNK):
                if called_off():
                    raise InstallFailed("The installation was cancelled")
                upload.write(chunk)
            upload.commit()
    except FolderError as error:
        raise InstallFailed(f"{file.path!r} cannot be written: {error}") from error


def _part(report: Report, number: int, count: int) -> Report:
    """Give the `Report` of one file of several."""

    def call(text: str, fraction: float | None = None) -> None:
        report(text, None if fraction is None else (number + fraction) / count)

    return call

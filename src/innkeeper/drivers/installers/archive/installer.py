"""The installers `archive` and `folder`: everything into a hidden stage, then, when whole, into its place.

Nothing of what is half done is ever seen, and a failure leaves the folder as it was. Refuses to know formats.
"""

import asyncio
import functools
import os
import stat
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from typing import Any, BinaryIO, Literal, TypeVar

import msgspec

from innkeeper.contracts.installer import Folder, FolderError, Found, InstallFailed, Place, Report, Source
from innkeeper.drivers.fetching.store import Downloads, Wanted
from innkeeper.drivers.installers.archive.limits import Budget, Limits
from innkeeper.drivers.installers.archive.members import Member, MemberKind, check_target, checked_parts
from innkeeper.drivers.installers.archive.reading import members
from innkeeper.kit.threads import in_stoppable_thread

_T = TypeVar("_T")
_CHUNK = 256 << 10
_REPORT_EVERY_BYTES = 32 << 20


class ArchiveStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of `archive`. Exactly one of `upload`, `path`, `file` and `url` says where the archive is.

    - `upload`: the name of a file that a user uploaded; `path`: an absolute path of this host, beneath a directory
      opened to imports; `file`: a path in the server's own folder; `url`: an address of a vendor, with `algorithm`,
      `digest` and `size` as in `drivers.fetching.store.Wanted`.
    - `into`: the folder to fill. `strip`: how many leading components to drop from each name; `auto` drops one where
      all of the archive is in one folder. `root`: a folder of the archive, only what is below it is unpacked and
      `strip` does not count; ".": all of it as it is; empty: all of it.
    """

    uses: str = "archive"
    key: str = ""
    upload: str | None = None
    path: str | None = None
    file: str | None = None
    url: str | None = None
    algorithm: Literal["sha256", "sha1", "md5", "sha512"] | None = None
    digest: str = ""
    size: int | None = None
    into: str = ""
    strip: int | Literal["auto"] = "auto"
    root: str = ""
    limits: Limits = Limits()


class FolderStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of `folder`: copy the folder `path` of this host, beneath a directory opened to imports, `into` ours."""

    path: str
    uses: str = "folder"
    key: str = ""
    into: str = ""
    limits: Limits = Limits(max_depth=120)


class ArchiveInstaller:
    """Unpack an archive."""

    name = "archive"

    def __init__(self, downloads: Downloads) -> None:
        self._downloads = downloads

    async def install(self, step: Mapping[str, Any], place: Place) -> None:
        """See `contracts.installer.Installer.install` and `ArchiveStep`."""
        wanted = _parsed(step, ArchiveStep)
        if isinstance(wanted.strip, int) and wanted.strip < 0:
            raise InstallFailed("strip may not be negative")
        file = await self._opened(wanted, place)
        with file:
            place.report("Unpacking the archive", 0.0)
            report = _loop_report(place.report)
            count, skipped = await in_stoppable_thread(functools.partial(_unpack, wanted, file, place.folder, report))
        left_out = f"; {skipped} were above what is kept" if skipped else ""
        place.report(f"Unpacked {count} files{left_out}", 1.0)

    async def _opened(self, step: ArchiveStep, place: Place) -> BinaryIO:
        if step.url is not None and (step.upload, step.path, step.file) == (None, None, None):
            wanted = Wanted(url=step.url, algorithm=step.algorithm, digest=step.digest, size=step.size)
            return await self._downloads.get(wanted, place.shared, place.report)
        source, path = _archive_source(step, place)
        try:
            return source.open_read(path)
        except FolderError as error:
            raise InstallFailed(f"The archive cannot be read: {error}") from error


async def unpack(folder: Folder, path: str, into: str) -> int:
    """Unpack the archive at `path` of a folder into another of its folders; return how many files that made.

    Nothing is seen of it before all of it is there. Raises InstallFailed.
    """
    try:
        file = folder.open_read(path)
    except FolderError as error:
        raise InstallFailed(f"The archive cannot be read: {error}") from error
    step = ArchiveStep(file=path, into=into, strip=0)
    with file:
        count, _ = await in_stoppable_thread(functools.partial(_unpack, step, file, folder, _told_nobody))
    return count


def _told_nobody(text: str, fraction: float | None = None) -> None:
    """Report nothing: nobody follows it."""


class FolderInstaller:
    """Copy a folder of this host, leaving links and whatever is no plain file behind."""

    name = "folder"

    async def install(self, step: Mapping[str, Any], place: Place) -> None:
        """See `contracts.installer.Installer.install` and `FolderStep`."""
        wanted = _parsed(step, FolderStep)
        source, path = place.source(wanted.path)
        place.report("Copying the folder")
        report = _loop_report(place.report)
        count, skipped = await in_stoppable_thread(
            functools.partial(_copy_folder, wanted, source, path, place.folder, report)
        )
        place.report(
            f"Copied {count} files" + (f"; left out {skipped} links and special files" if skipped else ""), 1.0
        )


def _parsed(step: Mapping[str, Any], kind: type[_T]) -> _T:
    try:
        return msgspec.convert(step, kind)
    except msgspec.ValidationError as error:
        raise InstallFailed(f"The install step is not understood: {error}") from error


def _archive_source(step: ArchiveStep, place: Place) -> tuple[Source, str]:
    match step.upload, step.path, step.file, step.url:
        case str(upload), None, None, None:
            return place.uploads, upload
        case None, str(path), None, None:
            return place.source(path)
        case None, None, str(file), None:
            return place.folder, file
    raise InstallFailed("The install step must say where the archive is, by one of upload, path, file and url")


def _unpack(
    step: ArchiveStep, file: BinaryIO, folder: Folder, report: Report, called_off: Callable[[], bool]
) -> tuple[int, int]:
    size = os.fstat(file.fileno()).st_size
    budget = Budget(step.limits, size, called_off)

    def progress(text: str) -> None:
        report(text, min(file.tell() / size, 1.0) if size else None)

    root = checked_parts(step.root.strip("/"))
    with closing(members(file, size, budget)) as content:
        if not root:
            return _fill(folder, content, step.into, 0 if step.root else step.strip, budget, progress)
        below = (member for member in content if member.parts[: len(root)] == root)
        filled = _fill(folder, below, step.into, len(root), budget, progress)
    if not filled[0]:
        raise InstallFailed(f"The archive has no folder {step.root!r} with files in it")
    return filled


def _copy_folder(
    step: FolderStep, source: Source, path: str, folder: Folder, report: Report, called_off: Callable[[], bool]
) -> tuple[int, int]:
    budget = Budget(step.limits, None, called_off)
    left_out = 0

    def content() -> Generator[Member, None, None]:
        nonlocal left_out
        for found in source.walk(path):
            parts = checked_parts(found.path)
            budget.entry(len(parts), found.size if found.kind == "file" else 0, found.path)
            if found.kind == "directory":
                yield Member(parts, MemberKind.DIRECTORY, iter(()))
            elif found.kind == "file":
                executable = bool(found.mode & stat.S_IXUSR)
                yield Member(parts, MemberKind.FILE, _found_chunks(found, budget), found.size, executable)
            else:
                left_out += 1

    with closing(content()) as copied:
        count, _ = _fill(folder, copied, step.into, 0, budget, report)
    return count, left_out


def _found_chunks(found: Found, budget: Budget) -> Iterator[bytes]:
    with found.open() as file:
        while chunk := file.read(_CHUNK):
            budget.unpacked(len(chunk))
            yield chunk


def _fill(
    folder: Folder,
    content: Iterator[Member],
    into: str,
    strip: int | Literal["auto"],
    budget: Budget,
    progress: Callable[[str], None],
) -> tuple[int, int]:
    """Make the members in a stage and move them to `into`; gives how many files, and how many were stripped away."""
    with folder.stage() as stage:
        filling = _Filling(folder, stage.path, progress)
        for member in content:
            filling.add(member, strip if isinstance(strip, int) else 0)
        top = filling.only_folder() if strip == "auto" else None
        filling.make_links(1 if top is not None else 0)
        budget.check()
        stage.merge(stage.path if top is None else f"{stage.path}/{top}", into)
    return filling.files, filling.skipped


class _Filling:
    """What has been made in the stage so far; links come last, so that nothing is ever made through one."""

    def __init__(self, folder: Folder, stage: str, progress: Callable[[str], None]) -> None:
        self.files = 0
        self.skipped = 0
        self._folder = folder
        self._stage = stage
        self._progress = progress
        self._written = 0
        self._directories: set[tuple[str, ...]] = {()}
        self._tops: dict[str, bool] = {}
        self._links: list[tuple[tuple[str, ...], str]] = []

    def add(self, member: Member, strip: int) -> None:
        parts = member.parts[strip:]
        if not parts:
            self.skipped += member.kind is not MemberKind.DIRECTORY
            return
        directory = member.kind is MemberKind.DIRECTORY
        self._tops[parts[0]] = self._tops.get(parts[0], False) or directory or len(parts) > 1
        try:
            self._make_directory(parts if directory else parts[:-1])
            if member.kind is MemberKind.FILE:
                self._write(parts, member)
            elif member.kind is MemberKind.LINK:
                self._links.append((parts, member.target))
        except FolderError as error:
            raise InstallFailed(f"The archive's {'/'.join(member.parts)!r} cannot be made: {error}") from error

    def only_folder(self) -> str | None:
        """Give the one folder that all of it is in."""
        if len(self._tops) == 1:
            for name, is_directory in self._tops.items():
                if is_directory:
                    return name
        return None

    def make_links(self, strip: int) -> None:
        for parts, target in self._links:
            check_target(parts[strip:], target)
            try:
                self._folder.make_link("/".join((self._stage, *parts)), target)
            except FolderError as error:
                raise InstallFailed(f"The archive's {'/'.join(parts)!r} cannot be made: {error}") from error

    def _make_directory(self, parts: tuple[str, ...]) -> None:
        if parts in self._directories:
            return
        self._make_directory(parts[:-1])
        self._folder.make_directory("/".join((self._stage, *parts)), parents=True)
        self._directories.add(parts)

    def _write(self, parts: tuple[str, ...], member: Member) -> None:
        with self._folder.begin_write(
            "/".join((self._stage, *parts)),
            mode=0o755 if member.executable else 0o644,
            modified=member.modified,
            replace=False,
            durable=False,
        ) as upload:
            for chunk in member.chunks:
                upload.write(chunk)
                self._written += len(chunk)
                if self._written >= _REPORT_EVERY_BYTES:
                    self._written = 0
                    self._progress(f"{self.files} files so far")
            upload.commit()
        self.files += 1


def _loop_report(report: Report) -> Report:
    """Give a `Report` that may be called from a thread."""
    loop = asyncio.get_running_loop()

    def call(text: str, fraction: float | None = None) -> None:
        loop.call_soon_threadsafe(report, text, fraction)

    return call

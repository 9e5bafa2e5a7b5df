"""Bring a folder or an archive of this host into a server's folder, file by file.

An archive is read here and never unpacked here. What is no plain file or folder (links, devices) is left out and said;
which names are allowed is the node's to decide.
"""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

import msgspec

from innkeeper.cli.call import Call
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.output import note
from innkeeper.cli.transfer import bar, parts_of


class Item(msgspec.Struct, frozen=True):
    """A file to be sent: its path in the server's folder, its bytes."""

    path: str
    size: int
    open: Callable[[], IO[bytes]]


def uploader(call: Call, source: str) -> Callable[[str], None]:
    """Return what uploads `source` to a server, by its id; raise CommandFailed at once for what cannot be read."""
    path = Path(source)
    if not path.exists():
        raise CommandFailed(f"There is no {source} here.", code="no_such_file", kind="not_found")
    if not (path.is_dir() or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
        raise CommandFailed(f"{source} is neither a folder nor a zip or tar archive.", code="no_archive", kind="invalid")

    def upload(server: str) -> None:
        try:
            send(call, server, items_of(path), path.name, "")
        except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise CommandFailed(f"{source} is damaged: {error}.", code="archive_is_damaged", kind="invalid") from error

    return upload


def send(call: Call, server: str, items: Iterator[Item], what: str, into: str) -> int:
    """Upload items below `into`; return how many they were."""
    count = 0
    with bar(what, None, quiet=call.out.as_json) as advance:
        for item in items:
            target = f"{into}/{item.path}" if into else item.path
            with item.open() as file:
                content = parts_of(cast("IO[bytes]", file), advance)  # type: ignore[arg-type]
                call.client.upload(f"/servers/{server}/files/content", content, item.size, path=target)
            count += 1
    return count


def items_of(path: Path) -> Iterator[Item]:
    """Give the files of a folder or an archive."""
    if path.is_dir():
        yield from _of_folder(path)
    elif zipfile.is_zipfile(path):
        yield from _of_zip(path)
    else:
        yield from _of_tar(path)


def _of_folder(folder: Path) -> Iterator[Item]:
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not (file.is_file() or file.is_dir()):
            note(f"Left out: {file} is no plain file.")
        elif file.is_file() and not any(parent.is_symlink() for parent in file.relative_to(folder).parents if parent.name):
            yield Item(file.relative_to(folder).as_posix(), file.stat().st_size, lambda file=file: file.open("rb"))  # type: ignore[misc]


def _of_zip(path: Path) -> Iterator[Item]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield Item(member.filename, member.file_size, lambda member=member: archive.open(member))  # type: ignore[misc]


def _of_tar(path: Path) -> Iterator[Item]:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                yield Item(member.name.removeprefix("./"), member.size, lambda member=member: _extracted(archive, member))  # type: ignore[misc]
            elif not member.isdir():
                note(f"Left out: {member.name} is no plain file.")


def _extracted(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member)
    if file is None:
        raise tarfile.ReadError(f"{member.name} cannot be read")
    return file

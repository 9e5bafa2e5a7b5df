"""Bring a folder of this host to a server: packed, for its installation; or file by file, into its folder.

Which names and links are allowed is the node's to decide.
"""

import os
import tarfile
import tempfile
import zipfile
from pathlib import Path

from innkeeper.cli.call import Call
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.output import note
from innkeeper.cli.transfer import bar, parts_of
from innkeeper.cli.waiting import progress_line


def check_source(source: str) -> Path:
    """Return the folder or archive at `source`; raise CommandFailed for anything else."""
    path = Path(source)
    try:
        if path.is_dir() or (path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))):
            return path
    except OSError as error:
        raise CommandFailed(f"{source} cannot be read: {error.strerror}.", code="not_read") from error
    if not path.exists():
        raise CommandFailed(f"There is no {source} here.", code="no_such_file", kind="not_found")
    raise CommandFailed(f"{source} is neither a folder nor a zip or tar archive.", code="no_archive", kind="invalid")


def send_archive(call: Call, server: str, source: Path) -> str:
    """Upload an archive, or a folder packed as one, for the next installation; return its name there."""
    if not source.is_dir():
        return _send(call, server, source, source.name)
    root = source.resolve().name or "files"
    with tempfile.TemporaryDirectory(prefix="innkeeper-") as folder:
        packed = Path(folder, "files.tar.gz")
        with progress_line(quiet=call.out.as_json) as show:
            show(f"packing {source}")
            try:
                with tarfile.open(packed, "w:gz", compresslevel=1) as archive:
                    archive.add(source.resolve(), arcname=root)
            except OSError as error:
                raise CommandFailed(f"{source} cannot be packed: {error}.", code="not_read") from error
        return _send(call, server, packed, f"{root}.tar.gz")


def _send(call: Call, server: str, file: Path, name: str) -> str:
    with file.open("rb") as content:
        size = os.fstat(content.fileno()).st_size
        with bar(name, size, quiet=call.out.as_json) as advance:
            call.client.upload(f"/servers/{server}/archive", parts_of(content, advance), size, name=name)
    return name


def send_folder(call: Call, server: str, folder: Path, into: str) -> int:
    """Upload the files of a folder below `into`; return how many. Links and devices are left out, and said."""
    count = 0
    with bar(folder.name, None, quiet=call.out.as_json) as advance:
        for base, folders, names in os.walk(folder):
            folders.sort()
            there = "/".join(part for part in (into, Path(base).relative_to(folder).as_posix()) if part != ".")
            call.client.post(f"/servers/{server}/files/directory", {"path": there})
            for name in sorted(names + [link for link in folders if Path(base, link).is_symlink()]):
                file = Path(base, name)
                if file.is_symlink() or not file.is_file():
                    note(f"Left out: {file} is no plain file.")
                    continue
                with file.open("rb") as content:
                    size = os.fstat(content.fileno()).st_size
                    parts = parts_of(content, advance)
                    call.client.upload(f"/servers/{server}/files/content", parts, size, path=f"{there}/{name}")
                count += 1
    return count

"""One download on the disk: what has come of it so far, and the whole file once it is.

    FOLDER/NAME             whole, and what was promised of it is true; never changes, is only replaced
    FOLDER/NAME.json        what the vendor said of the whole, where nothing else says whether it is still the same
    FOLDER/NAME.part        what has come so far
    FOLDER/NAME.part.json   what the vendor said of that

A file gets its plain name by renaming, after it has been checked and has reached the disk, so that whatever bears one
may be used. Everything blocks. Refuses to know networks.
"""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

log = structlog.get_logger(__name__)

_CHUNK = 1 << 20
PRIVATE = 0o600


class Said(msgspec.Struct, frozen=True):
    """What a vendor says of a file, by which it can be asked later whether it is still the same."""

    etag: str = ""
    modified: str = ""

    @property
    def proof(self) -> str:
        """What may stand in If-Range: weak tags prove nothing about bytes."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class Part:
    """A file that is coming in, its checksum counted as it comes."""

    def __init__(self, file: BinaryIO, algorithm: str | None, size: int) -> None:
        self._file = file
        self._algorithm = algorithm
        # For whoever hands it out; nobody relies on these to be safe against forgery but where a vendor has no better.
        self._hash = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
        self.size = size
        """Bytes so far."""

    def recount(self) -> None:
        """Count the checksum of what came before."""
        if self._hash is not None:
            self._file.seek(0)
            while chunk := self._file.read(_CHUNK):
                self._hash.update(chunk)
        self._file.seek(0, os.SEEK_END)

    def begin_anew(self) -> None:
        """Forget what came before."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0
        if self._algorithm:
            self._hash = hashlib.new(self._algorithm, usedforsecurity=False)

    def write(self, chunk: bytes) -> None:
        """Append."""
        remaining = memoryview(chunk)
        while remaining:
            remaining = remaining[self._file.write(remaining) :]
        self.size += len(chunk)
        if self._hash is not None:
            self._hash.update(chunk)

    def digest(self) -> str:
        """Return the checksum of everything so far, in hexadecimal; empty where none is wanted."""
        return self._hash.hexdigest() if self._hash is not None else ""

    def sync(self) -> None:
        """Return once it is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Shelf:
    """The files of one download in the store's folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._whole = folder / name
        self._whole_said = folder / f"{name}.json"
        self._part = folder / f"{name}.part"
        self._part_said = folder / f"{name}.part.json"

    def open(self) -> BinaryIO | None:
        """Open the whole file and note that it was used; None where there is none."""
        try:
            file = self._whole.open("rb", buffering=0)
        except FileNotFoundError:
            return None
        os.utime(file.fileno())
        return file

    def said(self) -> Said:
        """Return what the vendor said of the whole file."""
        return _load(self._whole_said)

    def part(self, algorithm: str | None) -> tuple[Part, Said]:
        """Open what has come so far, and return what the vendor said of it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        said = _load(self._part_said)
        descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
        file = os.fdopen(descriptor, "r+b", buffering=0)  # the part closes it
        part = Part(file, algorithm, os.fstat(descriptor).st_size)
        part.recount()
        return part, said

    def begin(self, part: Part, said: Said) -> None:
        """Begin the file anew, and remember what the vendor says of it: before any byte, so that it is true of all."""
        self._part_said.unlink(missing_ok=True)
        part.begin_anew()
        _save(self._part_said, said)

    def publish(self, part: Part, said: Said) -> None:
        """Give what has come the name of the whole file. What was said of an older one is forgotten first."""
        part.sync()
        self._whole_said.unlink(missing_ok=True)
        self._part.replace(self._whole)
        _save(self._whole_said, said)
        self._part_said.unlink(missing_ok=True)

    def discard(self) -> None:
        """Throw away what has come so far."""
        self._part_said.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)


def sweep(folder: Path, busy: frozenset[str], *, now: float, unfinished_s: float, unused_s: float) -> int:
    """Delete what nobody went on with for `unfinished_s` or used for `unused_s`, but for the downloads `busy`.

    Returns how many files. `now` in seconds since 1970.
    """
    count = 0
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name, _, ending = path.name.partition(".")
        if name in busy:
            continue
        try:
            if ending == "json":
                due = not (folder / name).exists()
            else:
                age = now - path.stat().st_mtime
                due = age > (unused_s if ending == "" else unfinished_s)
            if due:
                path.unlink()
                count += 1
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("downloads.sweep.failed", path=str(path), error=str(error))
    return count


def _load(path: Path) -> Said:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Said)
    except FileNotFoundError:
        return Said()
    except msgspec.MsgspecError as error:
        log.warning("downloads.note.unreadable", path=str(path), error=str(error))
        return Said()


def _save(path: Path, said: Said) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(msgspec.json.encode(said))
    fresh.replace(path)

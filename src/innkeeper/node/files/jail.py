"""The jail: all access to the files of one game server, and the promise that none ever leaves the server's folder.

The game owns its folder and is not trusted: it may hold links to anywhere, pipes, sockets, second names of foreign
files, a tree a thousand deep, and may swap folders for links while we work. So nothing is ever reached by a checked
string. Each verb opens the root, resolves beneath that descriptor (`resolve`), and acts on descriptors:

- *Reading* verbs (`read open_read list walk tree`) follow links, in the middle and at the end, as long as every step
  stays beneath the root; absolute links are refused even where they lead back inside.
- `stat` and every *changing* verb follow links only on the way to the last folder. At the last name they act on the
  link itself (`stat delete rename`, and writing, which replaces it) or refuse it (`chmod copy`).
- Only regular files are opened, pipes and devices never; a file of several names only if it is the game's own.
- What is being written or removed has a hidden name (`.innkeeper.….part`), which `list`, `walk` and `tree` leave out.

Every error is a `JailError`. All verbs block; they may be called from any thread. The jail knows no users,
permissions, asks whoever keeps the figures before it takes disk space (`room`), and trusts the directories *above* the
root.
"""

import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from innkeeper.node.files import walking
from innkeeper.node.files.entries import Entry, Placed, Tree, entry_of
from innkeeper.node.files.errors import (
    AlreadyExists,
    Busy,
    EscapesJail,
    NameRefused,
    NotADirectory,
    NotFound,
    NotPermitted,
    translated,
)
from innkeeper.node.files.names import MAX_PATH_BYTES, encode, parse, show
from innkeeper.node.files.opening import (
    change_mode,
    check_plain_file,
    fresh_name,
    is_hidden,
    listed,
    make_owned_directory,
    open_file,
)
from innkeeper.node.files.removing import remove_tree
from innkeeper.node.files.resolve import Resolver, best_resolver
from innkeeper.node.files.room import BLOCK, UNLIMITED, Room
from innkeeper.node.files.staging import Stage, sweep
from innkeeper.node.files.upload import Upload, rename

_COPY_CHUNK = 1 << 20
_MODES = 0o777


@dataclass(frozen=True, slots=True)
class Opened:
    """A located root, and the rules for what is done beneath it; see `Jail`."""

    root: int
    owner: tuple[int, int] | None
    trusted: int
    room: Room


# Inside the class, `list` is the verb.
Entries = list[Entry]
Placements = list[Placed]


class Jail:
    """The folder of one server. Keeps no descriptor open between calls, so there is nothing to close."""

    def __init__(
        self,
        root: Path,
        owner: tuple[int, int] | None = None,
        resolver: Resolver | None = None,
        *,
        room: Room = UNLIMITED,
    ) -> None:
        """Guard `root`, which must exist when a verb is called.

        `owner` is the (user, group) to whom files and folders made here are given, and whose hard links are trusted;
        None leaves them with the daemon's user. `resolver` is chosen by what the kernel offers. `room` is what the
        files may take.
        """
        self._root = root
        self._owner = owner
        self._trusted = owner[0] if owner is not None else os.geteuid()
        self._resolver = resolver or best_resolver()
        self._room = room

    @property
    def root(self) -> Path:
        """The folder that is guarded."""
        return self._root

    # Looking

    def stat(self, path: str) -> Entry:
        """Describe what has this name, a link itself rather than where it leads."""
        parts = parse(path)
        with translated(path), self._located(parts, follow=False) as located:
            return entry_of(show(parts[-1]) if parts else "", os.fstat(located))

    def exists(self, path: str) -> bool:
        """Tell whether there is anything, a link that leads nowhere included, of this name."""
        try:
            self.stat(path)
        except (NotFound, NotADirectory):
            return False
        return True

    def list(self, path: str, limit: int) -> Entries:
        """Describe what is in a folder, by name; of more than `limit` entries, any `limit` of them."""
        with translated(path), self._located(parse(path), follow=True) as located, listed(located) as scan:
            entries = [*islice(_entries(scan), limit)]
        entries.sort(key=lambda entry: entry.name)
        return entries

    def walk(self, path: str = "", max_depth: int | None = None) -> Generator[walking.Found, None, None]:
        """Give everything beneath a folder, of any depth, each folder before its content, links never followed.

        What vanishes meanwhile or may not be read is left out; so is what moves away while it is being walked.
        """
        with translated(path), self._located(parse(path), follow=True) as located:
            yield from walking.find(located, max_depth, self._trusted, path)

    def tree(self, path: str, max_entries: int, max_depth: int) -> Tree:
        """Describe what lies beneath a folder, as far as the limits go; depth 1 is what is directly in it."""
        entries: Placements = []
        complete = True
        walk = self.walk(path, max_depth + 1)
        try:
            for found in walk:
                if found.path.count("/") >= max_depth:
                    complete = False
                    continue
                if len(entries) >= max_entries:
                    complete = False
                    break
                entries.append(Placed(found.path, found.entry))
        finally:
            walk.close()
        return Tree(tuple(entries), complete)

    def usage(self) -> int:
        """Give the bytes of disk allocated to all files and folders, hidden ones included, each inode once."""
        with translated(""), self._located((), follow=True) as located:
            return walking.disk_use(located, "")

    # Reading

    def open_read(self, path: str) -> BinaryIO:
        """Open a regular file, unbuffered and seekable; the caller closes it. What it holds may grow meanwhile."""
        with translated(path), self._located(parse(path), follow=True) as located:
            return open(open_file(located, self._trusted, path), "rb", buffering=0)

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Give at most `length` bytes from `offset` on; fewer only at the end of the file."""
        if offset < 0 or length < 0:
            raise NotPermitted(path, "offset and length may not be negative")
        with self.open_read(path) as file, translated(path):
            pieces = []
            while length > 0:
                piece = os.pread(file.fileno(), min(length, _COPY_CHUNK), offset)
                if not piece:
                    break
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
            return b"".join(pieces)

    def read_link(self, path: str) -> str:
        """Give the text of a link, which may lead anywhere and is not followed."""
        with translated(path), self._located(parse(path), follow=False) as located:
            if not stat.S_ISLNK(os.fstat(located).st_mode):
                raise NotPermitted(path, "this is not a link")
            return show(os.readlink(b"", dir_fd=located))

    # Writing

    def begin_write(
        self,
        path: str,
        *,
        mode: int | None = None,
        modified: float | None = None,
        max_bytes: int | None = None,
        replace: bool = True,
        durable: bool = True,
    ) -> Upload:
        """Begin a file that appears whole on `commit`, in a folder that exists; a context manager that aborts.

        `mode` is by default that of the file replaced, else 0644; `modified` in seconds since 1970. Without
        `replace`, raises `AlreadyExists` now or on commit. Without `durable` nothing waits for the disk.
        """
        if mode is not None:
            _check_mode(path, mode)
        parts = parse(path)
        with translated(path):
            parent, name = self._open_parent(parts, path)
        return Upload(
            parent,
            name,
            path,
            owner=self._owner,
            mode=mode,
            modified=modified,
            max_bytes=max_bytes,
            replace=replace,
            durable=durable,
            room=self._room,
        )

    def write(self, path: str, data: bytes, *, mode: int | None = None, replace: bool = True) -> None:
        """Write a whole file at once, atomically and durably; see `begin_write`."""
        with self.begin_write(path, mode=mode, replace=replace) as upload:
            upload.write(data)
            upload.commit()

    def make_directory(self, path: str, *, parents: bool = False) -> None:
        """Make a folder, mode 0755.

        With `parents`, the missing ones above it too, and no complaint where it exists, be it by a link beneath.
        """
        parts = parse(path)
        if not parents:
            with translated(path), self._parent(parts, path) as (parent, name):
                self._make_directory(parent, name, path)
            return
        with translated(path):
            if self._is_directory(parts, path):
                return
            for depth in range(1, len(parts) + 1):
                with self._parent(parts[:depth], path) as (parent, name), suppress(FileExistsError):
                    self._make_directory(parent, name, path)
            if not self._is_directory(parts, path):
                raise Busy(path)

    def _make_directory(self, parent: int, name: bytes, path: str) -> None:
        self._room.take(BLOCK, path)
        try:
            make_owned_directory(parent, name, self._owner)
        except OSError:
            self._room.give_back(BLOCK)
            raise

    def make_link(self, path: str, target: str) -> None:
        """Make a symbolic link; `EscapesJail` unless the target is relative and by its text stays beneath the root.

        `..` is accepted only at the beginning, where it means real folders, so chains of such links stay beneath too.
        """
        parts = parse(path)
        raw = encode(target)
        if not raw or "\0" in target or len(raw) >= MAX_PATH_BYTES:
            raise NameRefused(path, "this target of a link is not acceptable")
        steps = [step for step in raw.split(b"/") if step not in (b"", b".")]
        climbs = steps.count(b"..")
        if raw.startswith(b"/") or climbs >= max(len(parts), 1) or steps[:climbs] != [b".."] * climbs:
            raise EscapesJail(path, "the link leads out of the server's folder")
        with translated(path):
            for depth in range(1, len(parts) if climbs else 1):
                with self._located(parts[:depth], follow=False) as located:
                    if stat.S_ISLNK(os.fstat(located).st_mode):
                        raise EscapesJail(path, "a link that climbs may not be made beyond another link")
            with self._parent(parts, path) as (parent, name):
                os.symlink(raw, name, dir_fd=parent)

    def copy(self, source: str, target: str) -> None:
        """Copy one file, with its permission bits; `AlreadyExists` where the target is there. Links are refused."""
        with translated(source), self._located(parse(source), follow=False) as located:
            descriptor = open_file(located, self._trusted, source)
        with open(descriptor, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            left = status.st_size
            with self.begin_write(target, mode=status.st_mode & _MODES, replace=False) as upload:
                while left > 0:
                    with translated(source):
                        chunk = file.read(min(left, _COPY_CHUNK))
                    if not chunk:
                        break
                    upload.write(chunk)
                    left -= len(chunk)
                upload.commit()

    # Changing

    def rename(self, source: str, target: str, *, replace: bool = False) -> None:
        """Rename a file, link or folder; without `replace`, `AlreadyExists` where the target is there.

        With `replace` a file replaces a file, and a folder an empty folder.
        """
        target_parts = parse(target)
        with translated(source), self._parent(parse(source), source) as (source_parent, source_name):
            os.stat(source_name, dir_fd=source_parent, follow_symlinks=False)
            with translated(target), self._parent(target_parts, target) as (parent, name):
                rename(source_parent, source_name, parent, name, replace=replace)
        if replace:
            self._room.lessened()

    def chmod(self, path: str, mode: int) -> None:
        """Set the nine permission bits of a file or folder; links are refused, and so are setuid, setgid and sticky."""
        _check_mode(path, mode)
        with translated(path), self._located(parse(path), follow=False) as located:
            status = os.fstat(located)
            if not stat.S_ISDIR(status.st_mode):
                check_plain_file(status, self._trusted, path)
            change_mode(located, mode)

    def delete(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link, or an empty folder; with `recursive`, a folder and all beneath it, of any depth.

        The folder vanishes from its place at once, and is then taken apart under a hidden name.
        """
        parts = parse(path)
        with translated(path), self._parent(parts, path) as (parent, name):
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                os.unlink(name, dir_fd=parent)
            elif not recursive:
                os.rmdir(name, dir_fd=parent)
            else:
                self._delete_tree(parent, name)
        self._room.lessened()

    def _delete_tree(self, parent: int, name: bytes) -> None:
        hidden = fresh_name("trash")
        with self._located((), follow=True) as root:
            try:
                os.rename(name, hidden, src_dir_fd=parent, dst_dir_fd=root)
            except OSError:
                # Another file system is mounted here, or its mode forbids moving it: it is taken apart where it is.
                remove_tree(parent, name)
            else:
                with suppress(FileNotFoundError):
                    remove_tree(root, hidden)

    def clear(self) -> None:
        """Remove everything in the folder but what is being written or removed at this moment."""
        with translated(""), self._located((), follow=True) as root, suppress(FileNotFoundError):
            with listed(root) as scan:
                names = [os.fsencode(item.name) for item in scan if not is_hidden(item.name)]
            for name in names:
                if stat.S_ISDIR(os.stat(name, dir_fd=root, follow_symlinks=False).st_mode):
                    self._delete_tree(root, name)
                else:
                    os.unlink(name, dir_fd=root)
        self._room.lessened()

    # Unfinished things

    def stage(self) -> Stage:
        """Make a hidden folder in the root, closed to the game, to prepare something in; a context manager."""
        with translated(""), self._located((), follow=True) as root:
            return Stage(self, os.dup(root), self._resolver, self._room)

    def sweep(self) -> int:
        """Remove the hidden things that a crash has left; gives how many. Those in use, by any process, are kept."""
        with translated(""), self._located((), follow=True) as root:
            return sweep(root)

    # Ways in

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Give the root as a descriptor, for those of the node who work on whole trees by descriptors alone."""
        with translated(""), self._located((), follow=True) as root:
            yield Opened(root, self._owner, self._trusted, self._room)

    @contextmanager
    def _located(self, parts: tuple[bytes, ...], *, follow: bool) -> Iterator[int]:
        located = self._locate(parts, follow=follow)
        try:
            yield located
        finally:
            os.close(located)

    def _locate(self, parts: tuple[bytes, ...], *, follow: bool) -> int:
        root = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return self._resolver.locate(root, parts, follow=follow)
        finally:
            os.close(root)

    @contextmanager
    def _parent(self, parts: tuple[bytes, ...], path: str) -> Iterator[tuple[int, bytes]]:
        parent, name = self._open_parent(parts, path)
        try:
            yield parent, name
        finally:
            os.close(parent)

    def _open_parent(self, parts: tuple[bytes, ...], path: str) -> tuple[int, bytes]:
        if not parts:
            raise NotPermitted(path, "the root of the folder stays as it is")
        return self._locate(parts[:-1], follow=True), parts[-1]

    def _is_directory(self, parts: tuple[bytes, ...], path: str) -> bool:
        """Tell whether there is such a folder; raises `AlreadyExists` where there is something else."""
        try:
            with self._located(parts, follow=True) as located:
                if stat.S_ISDIR(os.fstat(located).st_mode):
                    return True
        except FileNotFoundError:
            return False
        raise AlreadyExists(path)


def _entries(scan: Iterator[os.DirEntry[str]]) -> Iterator[Entry]:
    for item in scan:
        if not is_hidden(item.name):
            with suppress(FileNotFoundError):
                yield entry_of(show(os.fsencode(item.name)), item.stat(follow_symlinks=False))


def _check_mode(path: str, mode: int) -> None:
    if mode & ~_MODES:
        raise NotPermitted(path, "only the nine permission bits may be set")

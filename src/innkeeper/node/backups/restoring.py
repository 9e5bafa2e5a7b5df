"""Bring a folder back to what a snapshot says, comparing first, so that a second run goes on where the first has ended.

Files are written under hidden names beside their places and renamed over them; folders get their modes and times last;
and before the end everything is brought to the disk. What is written belongs to the folder's owner, whoever it belonged
to, and gets the nine permission bits alone. Links get the text they had, wherever it leads: the game could have made
them itself, and nobody here follows them. This module knows nothing of packs.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import NamedTuple

from innkeeper.node.backups.contents import runs_of
from innkeeper.node.backups.descent import Descent
from innkeeper.node.backups.errors import RepositoryIsDamaged
from innkeeper.node.backups.exclusions import Exclusions
from innkeeper.node.backups.model import Restored
from innkeeper.node.backups.packs import CHUNK, DIGEST
from innkeeper.node.backups.reading import Chunk, Damage, Reader
from innkeeper.node.backups.taking import Meter, Report
from innkeeper.node.backups.trees import Node, plain_size
from innkeeper.node.files import syscalls
from innkeeper.node.files.errors import translated
from innkeeper.node.files.jail import Jail, Opened
from innkeeper.node.files.names import show
from innkeeper.node.files.opening import change_mode, fresh_name, is_hidden, listed, locate_child, open_file
from innkeeper.node.files.room import whole_blocks

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TOGETHER = 64
"""Chunks that are written by one call of the system."""


class Plan(NamedTuple):
    """What to restore: nodes of a snapshot, the paths of them and above, and what else goes."""

    nodes: Sequence[Node]
    tops: Sequence[bytes]
    """The paths that were asked for; the root is the empty one."""
    delete_others: bool
    exclusions: Exclusions
    """What the snapshot has left out, and a deletion leaves where it is."""


class Restoring:
    """One restore."""

    def __init__(self, reader: Reader, plan: Plan, report: Report, cancelled: Callable[[], bool]) -> None:
        self._reader = reader
        self._plan = plan
        files = [node for node in plan.nodes if node.kind in "fh"]
        self._meter = Meter(report, cancelled, len(files), sum(_data_size(node) for node in files))
        self._links: dict[bytes, int] = {}
        """How many names each file is to have that has several."""
        for node in files:
            if node.kind == "h":
                self._links[node.target] = self._links.get(node.target, 1) + 1
        self._inodes: set[tuple[int, int]] = set()
        self._written = self._written_bytes = self._kept = self._deleted = 0

    def run(self, target: Jail) -> Restored:
        """Do it. Raises `JailError`, `RepositoryIsDamaged`, `BlobStoreError`, `CalledOff`."""
        with target.opened() as opened:
            descent = Descent(opened)
            try:
                self._make_folders(descent)
                if self._plan.delete_others:
                    self._delete_others(descent, opened)
                self._write_files(descent, opened)
                for node in self._plan.nodes:
                    with translated(node.shown):
                        if node.kind == "l":
                            self._make_link(descent, opened, node)
                        elif node.kind == "h":
                            self._make_name(descent, node)
                self._finish_folders(descent)
                if self._written or self._deleted:
                    syscalls.sync_file_system(descent.folder(()))
            finally:
                descent.close()
        self._meter.end()
        return Restored(self._written, self._written_bytes, self._kept, self._deleted)

    def _make_folders(self, descent: Descent) -> None:
        made: set[bytes] = set()
        for top in self._plan.tops:
            parts = top.split(b"/")
            for depth in range(1, len(parts)):
                self._make_folder(descent, b"/".join(parts[:depth]), made)
        for node in self._plan.nodes:
            if node.kind == "d":
                self._make_folder(descent, node.path, made)

    def _make_folder(self, descent: Descent, path: bytes, made: set[bytes]) -> None:
        if path not in made:
            made.add(path)
            with translated(show(path)):
                descent.make_folder(path.split(b"/"))

    # Deleting

    def _delete_others(self, descent: Descent, opened: Opened) -> None:
        wanted: dict[bytes, set[bytes]] = {}
        if b"" in self._plan.tops:
            wanted[b""] = set()
        for node in self._plan.nodes:
            above, _, name = node.path.rpartition(b"/")
            if node.kind == "d":
                wanted[node.path] = set()
            if above in wanted:
                wanted[above].add(name)
        for path, names in wanted.items():
            with translated(show(path)):
                self._delete_in(descent, path.split(b"/") if path else [], names)
            self._meter.done()
        if self._deleted:
            opened.room.lessened()

    def _delete_in(self, descent: Descent, parts: list[bytes], names: set[bytes]) -> None:
        folder = descent.folder(parts)
        with listed(folder) as scan:
            others = [
                (os.fsencode(item.name), item.is_dir(follow_symlinks=False))
                for item in scan
                if os.fsencode(item.name) not in names and not is_hidden(item.name)
            ]
        for name, is_folder in others:
            if not self._plan.exclusions.leave_out([*parts, name], is_folder=is_folder):
                descent.remove(folder, name)
                self._deleted += 1

    # Files

    def _write_files(self, descent: Descent, opened: Opened) -> None:
        writing: _Writing | None = None
        try:
            with closing(self._reader.read(self._wanted(descent, opened))) as elements:
                for element in elements:
                    if isinstance(element, Node):
                        self._end(writing)
                        writing = None
                        with translated(element.shown):
                            writing = _Writing(descent, opened, element)
                    elif isinstance(element, Damage) or writing is None:
                        reason = element.reason if isinstance(element, Damage) else "A chunk of nothing"
                        raise RepositoryIsDamaged(f"{reason}, of {writing.node.shown if writing else ''!r}")
                    else:
                        self._meter.done(size=writing.write(element))
            self._end(writing)
            writing = None
        finally:
            if writing is not None:
                writing.abort()

    def _end(self, writing: "_Writing | None") -> None:
        if writing is None:
            return
        with translated(writing.node.shown):
            written = writing.commit()
        self._written += 1
        self._written_bytes += writing.node.size
        self._meter.done(files=1, size=written)

    def _wanted(self, descent: Descent, opened: Opened) -> Iterator[Chunk | Node]:
        for node in self._plan.nodes:
            if node.kind != "f":
                continue
            with translated(node.shown):
                stands = self._stands(descent, opened, node)
            if stands:
                self._kept += 1
                self._meter.done(files=1, size=_data_size(node))
                continue
            yield node
            for digest in node.digests():
                yield Chunk(digest)

    def _stands(self, descent: Descent, opened: Opened, node: Node) -> bool:
        """Tell whether the very file is there; if so, it has its mode and times afterwards."""
        *above, name = node.parts
        folder = descent.folder(above)
        try:
            located = locate_child(folder, name)
        except FileNotFoundError:
            return False
        try:
            status = os.fstat(located)
            inode = status.st_dev, status.st_ino
            if (
                not stat.S_ISREG(status.st_mode)
                or status.st_size != node.size
                or status.st_uid != opened.trusted
                or status.st_nlink > self._links.get(node.path, 1)
                or inode in self._inodes
                or not _holds(located, opened, node)
            ):
                return False
            # What is right is not set again: the next snapshot need not read it then.
            if stat.S_IMODE(status.st_mode) != node.mode:
                change_mode(located, node.mode)
            if status.st_mtime_ns != node.mtime_ns:
                os.utime(f"/proc/self/fd/{located}", ns=(node.mtime_ns, node.mtime_ns))
        finally:
            os.close(located)
        if node.path in self._links:
            self._inodes.add(inode)
        return True

    # Links

    def _make_link(self, descent: Descent, opened: Opened, node: Node) -> None:
        *above, name = node.parts
        folder = descent.folder(above)
        with suppress(OSError):
            if os.readlink(name, dir_fd=folder) == node.target:
                os.utime(name, ns=(node.mtime_ns, node.mtime_ns), dir_fd=folder, follow_symlinks=False)
                return
        hidden = fresh_name("part")
        os.symlink(node.target, hidden, dir_fd=folder)
        if opened.owner is not None:
            os.chown(hidden, *opened.owner, dir_fd=folder, follow_symlinks=False)
        os.utime(hidden, ns=(node.mtime_ns, node.mtime_ns), dir_fd=folder, follow_symlinks=False)
        descent.put_in_place(folder, hidden, name)

    def _make_name(self, descent: Descent, node: Node) -> None:
        *source_above, source = node.target.split(b"/")
        *above, name = node.parts
        first = os.dup(descent.folder(source_above))
        try:
            folder = descent.folder(above)
            file = os.stat(source, dir_fd=first, follow_symlinks=False)
            with suppress(FileNotFoundError):
                standing = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if (standing.st_dev, standing.st_ino) == (file.st_dev, file.st_ino):
                    self._kept += 1
                    self._meter.done(files=1)
                    return
            hidden = fresh_name("part")
            os.link(source, hidden, src_dir_fd=first, dst_dir_fd=folder, follow_symlinks=False)
            descent.put_in_place(folder, hidden, name)
        finally:
            os.close(first)
        self._written += 1
        self._meter.done(files=1)

    # Folders

    def _finish_folders(self, descent: Descent) -> None:
        for node in reversed(self._plan.nodes):
            if node.kind == "d":
                with translated(node.shown):
                    folder = os.dup(descent.folder(node.parts))
                    try:
                        os.fchmod(folder, node.mode)
                        os.utime(folder, ns=(node.mtime_ns, node.mtime_ns))
                    finally:
                        os.close(folder)


def _holds(located: int, opened: Opened, node: Node) -> bool:
    """Tell whether a located file has the content that the node tells."""
    try:
        descriptor = open_file(located, opened.trusted, node.shown)
    except PermissionError:
        # Closed to its own owner: it is written anew, as nothing tells what it holds.
        return False
    try:
        return runs_of(descriptor, os.fstat(descriptor)) == (node.size, node.runs)
    finally:
        os.close(descriptor)


class _Writing:
    """One file that is being written under a hidden name."""

    def __init__(self, descent: Descent, opened: Opened, node: Node) -> None:
        self.node = node
        *above, self._name = node.parts
        self._descent = descent
        self._opened = opened
        self._folder = os.dup(descent.folder(above))
        self._descriptor = -1
        self._grown = 0
        self._numbers = _numbers(node)
        self._first = 0
        self._chunks: list[bytes] = []
        """What is yet to be written, from the chunk number `_first` on."""
        self._hidden = fresh_name("part")
        try:
            self._replaced = self._standing_blocks()
            grown = whole_blocks(_data_size(node)) - self._replaced
            if grown > 0:
                opened.room.take(grown, node.shown)
            self._grown = grown
            self._descriptor = os.open(self._hidden, _NEW, 0o600, dir_fd=self._folder)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, node.size)
        except BaseException:
            self.abort()
            raise

    def _standing_blocks(self) -> int:
        try:
            status = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return 0
        return status.st_blocks * 512 if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0

    def write(self, chunk: bytes) -> int:
        """Take the next chunk; gives how many bytes were written by that, of this and those before."""
        number = next(self._numbers)
        if len(chunk) != plain_size(self.node, number):
            raise RepositoryIsDamaged(f"A chunk of {self.node.shown!r} does not have the size that the file needs")
        written = 0
        if number != self._first + len(self._chunks) or len(self._chunks) >= _TOGETHER:
            written = self._flush()
            self._first = number
        self._chunks.append(chunk)
        return written

    def _flush(self) -> int:
        """Write what was taken: chunks that follow each other, by one call of the system for many."""
        with translated(self.node.shown):
            offset, rest = self._first * CHUNK, self._chunks
            size = sum(map(len, rest))
            while rest and (count := os.pwritev(self._descriptor, rest, offset)) < sum(map(len, rest)):
                # Cut short by a signal, or by the end of the disk, which the next call tells.
                rest = [b"".join(rest)[count:]]
                offset += count
        self._chunks = []
        return size

    def commit(self) -> int:
        """Put the file in its place; gives how many bytes were written by that."""
        try:
            written = self._flush()
            if self._opened.owner is not None:
                os.fchown(self._descriptor, *self._opened.owner)
            os.fchmod(self._descriptor, self.node.mode)
            os.utime(self._descriptor, ns=(self.node.mtime_ns, self.node.mtime_ns))
            self._descent.put_in_place(self._folder, self._hidden, self._name)
        except BaseException:
            self.abort()
            raise
        if self._grown < 0:
            self._opened.room.give_back(-self._grown)
        self._close()
        return written

    def abort(self) -> None:
        if self._folder < 0:
            return
        if self._descriptor >= 0:
            with suppress(FileNotFoundError):
                os.unlink(self._hidden, dir_fd=self._folder)
        if self._grown > 0:
            self._opened.room.give_back(self._grown)
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        os.close(self._folder)
        self._folder = self._descriptor = -1


def _numbers(node: Node) -> Iterator[int]:
    """Give the number of each chunk that the file has."""
    for run in node.runs:
        yield from range(run.first, run.first + len(run.digests) // DIGEST)


def _data_size(node: Node) -> int:
    """Give the bytes of a file that are in chunks."""
    return min(sum(len(run.digests) // DIGEST for run in node.runs) * CHUNK, node.size)

"""Read a server's folder into nodes, and its new chunks into a sink, while the game may be changing it.

One thread walks and reads, two hash and compress, and the sink puts packs beside them; however large the folder is, no
more than some tens of MiB are under way. A file that the parent snapshot knows by the same size, times and inode, and
whose chunks are all in the store, is not read. One that shrinks while it is read is recorded as long as it was found,
one that vanishes is left out. This module knows nothing of packs and stores.
"""

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol

import msgspec
import structlog

from innkeeper.node.backups.contents import PIECE, Content, Runs, digests_of
from innkeeper.node.backups.errors import CalledOff, FolderIsTooLarge
from innkeeper.node.backups.exclusions import Exclusions
from innkeeper.node.backups.model import Progress
from innkeeper.node.backups.packs import CHUNK, Frame, compress
from innkeeper.node.backups.trees import MODES, Node, sort_key
from innkeeper.node.files import walking
from innkeeper.node.files.errors import JailError
from innkeeper.node.files.jail import Jail, Opened
from innkeeper.node.files.names import show
from innkeeper.node.files.opening import locate_child, open_file

_THREADS = 2
_AHEAD = 6
_PIECES = 256
_MOST_NODES = 1_000_000
"""Names of one snapshot, each of which takes half a kilobyte of memory while it is made or read."""
_TOO_MANY = f"The folder holds more than {_MOST_NODES:,} files and folders, the most of one backup; leave some out"
_NOTED = 100
_GRAIN_NS = 100_000_000
_COARSE_GRAIN_NS = 2_100_000_000

_log = structlog.get_logger(__name__)

Report = Callable[[Progress], None]


class Sink(Protocol):
    """What takes the chunks. Called by several threads, but `keep` by one."""

    def claim(self, digests: Sequence[bytes]) -> set[bytes]:
        """Give those of the digests that nobody has and nobody else brings; whoever asked brings them."""
        ...

    def has(self, digests: Sequence[bytes]) -> bool:
        """Tell whether all the chunks are in the store already."""
        ...

    def keep(self, frames: Sequence[Frame]) -> None:
        """Take chunks that were claimed."""
        ...


class Nothing:
    """A sink for those who want to know the nodes alone."""

    def claim(self, digests: Sequence[bytes]) -> set[bytes]:
        """See `Sink.claim`."""
        return set()

    def has(self, digests: Sequence[bytes]) -> bool:
        """See `Sink.has`."""
        return False

    def keep(self, frames: Sequence[Frame]) -> None:
        """See `Sink.keep`."""


class Taken(NamedTuple):
    """What was found; the nodes are in order."""

    nodes: list[Node]
    skipped: tuple[str, ...]
    skipped_count: int


class Meter:
    """Counts what is done, and reports it ten times a second at most."""

    def __init__(self, report: Report, cancelled: Callable[[], bool], files: int | None, size: int | None) -> None:
        self._report = report
        self._cancelled = cancelled
        self._totals = files, size
        self._files = self._bytes = 0
        self._next = 0.0

    def done(self, *, files: int = 0, size: int = 0) -> None:
        """Count; raises `CalledOff`."""
        self._files += files
        self._bytes += size
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 0.1
            self.tell()
            if self._cancelled():
                raise CalledOff

    def tell(self) -> None:
        """Report now."""
        self._report(Progress(self._files, self._bytes, *self._totals))

    def end(self) -> None:
        """Report that all is done, which may be more or less than was expected."""
        self._totals = self._files, self._bytes
        self.tell()


class _Piece(NamedTuple):
    runs: Runs
    first: int
    data: bytes


class _Waiting(NamedTuple):
    """A file that is being hashed."""

    node: Node
    content: Content
    runs: Runs


class Taking:
    """One reading of a folder."""

    def __init__(
        self,
        exclusions: Exclusions,
        parent: Mapping[bytes, Node],
        sink: Sink,
        report: Report,
        cancelled: Callable[[], bool],
    ) -> None:
        self._exclusions = exclusions
        self._parent = parent
        self._sink = sink
        self._report = report
        self._cancelled = cancelled
        self._nodes: list[Node] = []
        self._waiting: list[_Waiting] = []
        self._names: dict[tuple[int, int], list[Node]] = {}
        self._skipped: list[str] = []
        self._skipped_count = 0
        self._batch: list[_Piece] = []
        self._batched = 0
        self._under_way: deque[Future[list[tuple[Runs, int, list[bytes], list[Frame]]]]] = deque()

    def run(self, source: Jail) -> Taken:
        """Read everything; raises `CalledOff`, `FolderIsTooLarge`, `JailError` for the root, and what the sink does."""
        with source.opened() as opened, ThreadPoolExecutor(_THREADS, "backup chunks") as pool:
            try:
                self._meter = Meter(self._report, self._cancelled, *self._measure(opened))
                for place, status, parts in self._visit(opened, self._miss):
                    self._take(pool, opened, place, status, parts)
                self._submit(pool)
                while self._under_way:
                    self._settle()
            finally:
                for future in self._under_way:
                    future.cancel()
        self._finish()
        self._meter.end()
        return Taken(self._nodes, tuple(self._skipped), self._skipped_count)

    def _measure(self, opened: Opened) -> tuple[int, int]:
        files = size = 0
        for count, (_, status, _) in enumerate(self._visit(opened), 1):
            if not count % 1000 and self._cancelled():
                raise CalledOff
            if count > _MOST_NODES:
                raise FolderIsTooLarge(_TOO_MANY)
            if stat.S_ISREG(status.st_mode):
                files += 1
                size += min(status.st_size, status.st_blocks * 512)
        return files, size

    def _miss(self, names: list[str]) -> None:
        self._skip(os.fsencode("/".join(names)), "the folder cannot be read")

    def _visit(
        self, opened: Opened, missed: Callable[[list[str]], None] | None = None
    ) -> Iterator[tuple[walking.Visit, os.stat_result, list[bytes]]]:
        folder: list[str] = []
        above: list[bytes] = []
        for place in walking.visit(opened.root, hidden=False, missed=missed):
            status = place.status()
            if status is None:
                continue
            if folder != place.folder:
                folder = list(place.folder)
                above = [os.fsencode(name) for name in folder]
            parts = [*above, os.fsencode(place.item.name)]
            if self._exclusions.leave_out(parts, is_folder=stat.S_ISDIR(status.st_mode)):
                place.pruned = True
                continue
            yield place, status, parts

    def _take(
        self, pool: ThreadPoolExecutor, opened: Opened, place: walking.Visit, status: os.stat_result, parts: list[bytes]
    ) -> None:
        path = b"/".join(parts)
        if len(self._nodes) + len(self._waiting) >= _MOST_NODES:
            raise FolderIsTooLarge(_TOO_MANY)
        if stat.S_ISDIR(status.st_mode):
            self._nodes.append(Node(path, "d", status.st_mode & MODES, status.st_mtime_ns))
        elif stat.S_ISLNK(status.st_mode):
            try:
                target = os.fsencode(os.readlink(place.item.name, dir_fd=place.directory))
            except OSError:
                return
            self._nodes.append(Node(path, "l", 0, status.st_mtime_ns, target=target))
        elif stat.S_ISREG(status.st_mode):
            try:
                self._take_file(pool, opened, place, status, path)
            except FileNotFoundError:
                return
            except (OSError, JailError) as error:
                self._skip(path, str(error))
        else:
            self._skip(path, "this is neither a file nor a folder")

    def _skip(self, path: bytes, reason: str) -> None:
        self._skipped_count += 1
        if len(self._skipped) < _NOTED:
            self._skipped.append(show(path))
        _log.info("backups.file.skipped", path=show(path), reason=reason)

    def _take_file(
        self, pool: ThreadPoolExecutor, opened: Opened, place: walking.Visit, status: os.stat_result, path: bytes
    ) -> None:
        inode = status.st_dev, status.st_ino
        if status.st_nlink > 1 and inode in self._names:
            self._names[inode].append(Node(path, "h"))
            self._meter.done(files=1, size=min(status.st_size, status.st_blocks * 512))
            return
        before = self._parent.get(path)
        if before is not None and _is_same(before, status) and self._sink.has([*before.digests()]):
            mode = status.st_mode & MODES
            # Not trusted to be the game's own file, its content is as little for us as its name.
            if status.st_nlink == 1 or status.st_uid == opened.trusted:
                self._nodes.append(before if before.mode == mode else msgspec.structs.replace(before, mode=mode))
                if status.st_nlink > 1:
                    self._names[inode] = [self._nodes[-1]]
                self._meter.done(files=1, size=min(status.st_size, status.st_blocks * 512))
                return
        located = locate_child(place.directory, place.item.name)
        try:
            descriptor = open_file(located, opened.trusted, show(path))
        finally:
            os.close(located)
        try:
            self._read(pool, descriptor, path)
        finally:
            os.close(descriptor)

    def _read(self, pool: ThreadPoolExecutor, descriptor: int, path: bytes) -> None:
        begun = time.time_ns()
        status = os.fstat(descriptor)
        content, runs = Content(descriptor, status), Runs()
        for first, data in content.pieces():
            self._batch.append(_Piece(runs, first, data))
            self._batched += len(data)
            self._meter.done(size=len(data))
            if self._batched >= PIECE or len(self._batch) >= _PIECES:
                self._submit(pool)
        after = os.fstat(descriptor)
        grain = _GRAIN_NS if after.st_ctime_ns % 1_000_000_000 else _COARSE_GRAIN_NS
        # A change within the clock's grain after our look would leave the same time: such a time proves nothing.
        believed = status.st_ctime_ns == after.st_ctime_ns and after.st_ctime_ns < begun - grain
        inode = status.st_dev, status.st_ino
        node = Node(
            path,
            "f",
            after.st_mode & MODES,
            status.st_mtime_ns,
            inode=inode,
            changed_ns=after.st_ctime_ns if believed else 0,
        )
        self._waiting.append(_Waiting(node, content, runs))
        if status.st_nlink > 1:
            self._names[inode] = [node]
        self._meter.done(files=1)

    def _submit(self, pool: ThreadPoolExecutor) -> None:
        if not self._batch:
            return
        while len(self._under_way) >= _AHEAD:
            self._settle()
        self._under_way.append(pool.submit(self._digest, self._batch))
        self._batch, self._batched = [], 0

    def _digest(self, batch: list[_Piece]) -> list[tuple[Runs, int, list[bytes], list[Frame]]]:
        """Hash and compress, in a thread of its own."""
        hashed = [digests_of(piece.data) for piece in batch]
        new = self._sink.claim([digest for digests in hashed for digest in digests if digest])
        result = []
        for piece, digests in zip(batch, hashed, strict=True):
            frames = []
            if new:
                view = memoryview(piece.data)
                for number, digest in enumerate(digests):
                    if digest in new:
                        new.discard(digest)
                        frames.append(compress(digest, view[number * CHUNK : (number + 1) * CHUNK]))
            result.append((piece.runs, piece.first, digests, frames))
        return result

    def _settle(self) -> None:
        for runs, first, digests, frames in self._under_way.popleft().result():
            runs.add(first, digests)
            if frames:
                self._sink.keep(frames)

    def _finish(self) -> None:
        done = {}
        linked = {names[0].path for names in self._names.values()}
        for node, content, runs in self._waiting:
            whole = msgspec.structs.replace(node, size=content.size, runs=runs.take())
            done[node.path] = whole
            self._nodes.append(whole)
        if linked:
            done.update((node.path, node) for node in self._nodes if node.path in linked)
            self._nodes = [node for node in self._nodes if node.path not in linked]
        for names in self._names.values():
            self._nodes.extend(_name_first(done[names[0].path], names))
        self._nodes.sort(key=sort_key)


def _name_first(file: Node, names: list[Node]) -> Iterator[Node]:
    """Give a file of several names under the first of them, and the others as names of it."""
    first, *others = sorted((node.path for node in names), key=lambda path: path.split(b"/"))
    yield msgspec.structs.replace(file, path=first)
    for path in others:
        yield Node(path, "h", target=first)


def _is_same(before: Node, status: os.stat_result) -> bool:
    return (
        before.kind == "f"
        and before.changed_ns == status.st_ctime_ns
        and before.size == status.st_size
        and before.mtime_ns == status.st_mtime_ns
        and before.inode == (status.st_dev, status.st_ino)
    )

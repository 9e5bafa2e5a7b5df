"""The repository: snapshots of servers' folders in a blob store, made of chunks that are kept once for all of them.

    leases/…      who is at work (`leases`)
    packs/…       compressed chunks, many in one blob, with a table (`packs`)
    snapshots/…   one blob for each finished snapshot: what the folder held (`trees`)

Blobs are only added and, as a whole, removed; a snapshot's own is put last, when every pack that it needs is in the
store. So whatever dies at whatever moment, what is listed can be restored, and what nobody lists is freed by `collect`.
All methods block and may be called from any thread; several processes may use one store. Nothing is encrypted: whoever
reads the store reads the servers' files. This module knows nothing of servers, jobs and schedules.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import structlog

from innkeeper.contracts.blobstore import BlobIsMissing, BlobStore
from innkeeper.kit.clock import wall_microseconds
from innkeeper.kit.ids import uuid7
from innkeeper.node.backups import collecting, streaming
from innkeeper.node.backups.errors import (
    LeaseIsLost,
    PathIsNotInSnapshot,
    RepositoryIsDamaged,
    SnapshotIsMissing,
    SnapshotIsReadable,
)
from innkeeper.node.backups.exclusions import Exclusions
from innkeeper.node.backups.index import Index
from innkeeper.node.backups.leases import Lease, leased
from innkeeper.node.backups.model import Collected, Progress, Restored, Snapshot, Verified
from innkeeper.node.backups.reading import Chunk, Damage, Reader
from innkeeper.node.backups.restoring import Plan, Restoring
from innkeeper.node.backups.storing import Storing
from innkeeper.node.backups.taking import Meter, Nothing, Taken, Taking
from innkeeper.node.backups.trees import (
    PREFIX,
    Node,
    decode_head,
    digest_of_tree,
    encode,
    pack_tree,
    plain_size,
    read_head,
    read_tree,
    select,
)
from innkeeper.node.files.entries import Entry, Kind
from innkeeper.node.files.jail import Jail
from innkeeper.node.files.names import parse, show

__all__ = ["Progress", "Repository", "Snapshot"]

_MAX_NOTE = 16 << 10
_TOLD = 100
_KINDS = {"f": Kind.FILE, "h": Kind.FILE, "d": Kind.DIRECTORY, "l": Kind.LINK}

_log = structlog.get_logger(__name__)


def _ignore(progress: Progress) -> None:
    """Tell nobody."""


def _never() -> bool:
    """Never call off."""
    return False


class Repository:
    """See the module. Close it when it is done with."""

    def __init__(self, store: BlobStore, cache: Path) -> None:
        """Keep to `store`; `cache` is a folder of this host for the index, which may be lost at any time."""
        self._store = store
        self._index = Index(store, cache)
        self._reader = Reader(store, self._index)
        self._listing = threading.Lock()

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def describe(self) -> str:
        """Give where the backups are, for people."""
        return self._store.describe()

    # Snapshots

    def snapshot(
        self,
        source: Jail,
        *,
        exclude: Sequence[str] = (),
        parent: str | None = None,
        note: Mapping[str, str] | None = None,
        progress: Callable[[Progress], None] = _ignore,
        cancelled: Callable[[], bool] = _never,
    ) -> Snapshot:
        """Keep what the folder holds now; gives the snapshot once it is safely in the store.

        `exclude`: see `exclusions`. `parent` is an earlier snapshot of the folder, of which unchanged files need not be
        read; one that is gone is no harm. Waits while a collection is going on. Raises `CalledOff`,
        `ExclusionIsInvalid`, `FolderIsTooLarge`, `LeaseIsLost`, `JailError` and `BlobStoreError`; nothing is listed
        then.
        """
        noted = dict(note or {})
        if sum(len(key) + len(value) for key, value in noted.items()) > _MAX_NOTE:
            raise ValueError("the note is too long")
        exclusions = Exclusions(exclude)
        with leased(self._store, "shared", cancelled) as lease:
            self._index.refresh()
            before = self._parent(parent)
            with Storing(self._store, self._index) as storing:
                taken = Taking(exclusions, before, storing, progress, cancelled).run(source)
                storing.finish()
            tree = pack_tree(taken.nodes)
            head = Snapshot(
                id=uuid7().hex,
                at_us=wall_microseconds(),
                files=sum(1 for node in taken.nodes if node.kind in "fh"),
                bytes=sum(node.size for node in taken.nodes),
                stored_bytes=storing.stored_bytes + len(tree),
                digest=digest_of_tree(taken.nodes),
                exclude=tuple(exclude),
                skipped=taken.skipped,
                skipped_count=taken.skipped_count,
                parent=parent if before else None,
                note=noted,
            )
            lease.check()
            self._store.put(PREFIX + head.id, encode(head, tree))
            self._make_sure(head, taken, lease)
        _log.info("backups.snapshot.finished", id=head.id, files=head.files, bytes=head.bytes, stored=head.stored_bytes)
        return head

    def _parent(self, snapshot_id: str | None) -> dict[bytes, Node]:
        if snapshot_id is None:
            return {}
        try:
            return {node.path: node for node in read_tree(self._store, snapshot_id) if node.kind == "f"}
        except (SnapshotIsMissing, RepositoryIsDamaged) as error:
            _log.warning("backups.parent.useless", id=snapshot_id, reason=error.reason)
            return {}

    def _make_sure(self, head: Snapshot, taken: Taken, lease: Lease) -> None:
        """Take the snapshot back if the lease was lost while it was put, and a chunk with it."""
        try:
            lease.check()
        except LeaseIsLost:
            self._index.refresh()
            with self._index.needed(digest for node in taken.nodes for digest in node.digests()) as needed:
                if needed.missing(0)[0]:
                    self._store.delete(PREFIX + head.id)
                    raise

    def snapshots(self) -> list[Snapshot]:
        """Give all finished snapshots, oldest first. Those whose blobs are damaged are left out: see `check`."""
        found = []
        names = {name.removeprefix(PREFIX) for name, _ in self._store.list(PREFIX)}
        for snapshot_id in names:
            try:
                found.append(self._head(snapshot_id))
            except SnapshotIsMissing:
                continue
            except RepositoryIsDamaged as error:
                _log.error("backups.snapshot.damaged", id=snapshot_id, reason=error.reason)
        self._index.drop_heads(names)
        return sorted(found, key=lambda snapshot: (snapshot.at_us, snapshot.id))

    def get(self, snapshot_id: str) -> Snapshot:
        """Give one finished snapshot; raises `SnapshotIsMissing` and `RepositoryIsDamaged`."""
        _check_id(snapshot_id)
        head = self._head(snapshot_id)
        try:
            # Told from memory only while it is there.
            self._store.get(PREFIX + snapshot_id, 0, 1)
        except BlobIsMissing as error:
            raise SnapshotIsMissing(snapshot_id) from error
        return head

    def _head(self, snapshot_id: str) -> Snapshot:
        kept = self._index.head(snapshot_id)
        if kept is not None:
            try:
                return decode_head(kept)
            except msgspec.DecodeError:
                _log.warning("backups.head.unreadable", id=snapshot_id)
        raw, head = read_head(self._store, snapshot_id)
        self._index.keep_head(snapshot_id, raw)
        return head

    def entries(self, snapshot_id: str, folder: str) -> list[Entry]:
        """Describe what is in a folder of a snapshot, by name; raises `PathIsNotInSnapshot`.

        One at a time: each has the whole tree in memory.
        """
        with self._listing:
            return self._entries(self._nodes(snapshot_id), folder)

    @staticmethod
    def _entries(nodes: Sequence[Node], folder: str) -> list[Entry]:
        parts = parse(folder)
        files = {node.path: node for node in nodes if node.kind == "f"}
        found, is_there = [], not parts
        for node in nodes:
            *above, name = node.parts
            if tuple(node.parts) == parts and node.kind == "d":
                is_there = True
            if tuple(above) == parts:
                told = files[node.target] if node.kind == "h" else node
                found.append(Entry(show(name), _KINDS[node.kind], told.size, told.mtime_ns / 1e9, told.mode))
        if not is_there:
            raise PathIsNotInSnapshot(folder)
        return sorted(found, key=lambda entry: entry.name)

    def missing(self, snapshot_id: str) -> int:
        """Count the chunks of a snapshot that no pack is known to hold: 0, if it can be restored as far as one can see.

        Reads no chunks. Raises as `restore`.
        """
        self.get(snapshot_id)
        nodes, missing = self._nodes(snapshot_id), 0
        for _ in range(2):  # a check that began after the first look had everything forgotten, to learn it anew
            self._index.refresh()
            with self._index.needed(digest for node in nodes for digest in node.digests()) as needed:
                missing = needed.missing(0)[0]
            if not missing:
                break
        return missing

    def forget(self, snapshot_id: str) -> None:
        """Remove a snapshot from the list; nothing happens where there is none. `collect` frees what it took."""
        _check_id(snapshot_id)
        self._store.delete(PREFIX + snapshot_id)

    def discard(self, snapshot_id: str) -> None:
        """Remove a snapshot that cannot be read, so that `collect` can go on; nobody else may know of it any more.

        Raises `SnapshotIsMissing`, and `SnapshotIsReadable` where nothing is wrong with its blob.
        """
        try:
            self._nodes(snapshot_id)
        except RepositoryIsDamaged as error:
            _log.warning("backups.snapshot.discarded", id=snapshot_id, reason=error.reason)
            self.forget(snapshot_id)
        else:
            raise SnapshotIsReadable

    # What they hold

    def restore(
        self,
        snapshot_id: str,
        target: Jail,
        *,
        paths: Sequence[str] | None = None,
        delete_others: bool,
        progress: Callable[[Progress], None] = _ignore,
        cancelled: Callable[[], bool] = _never,
    ) -> Restored:
        """Bring a folder back to what the snapshot says, all of it or what is at and beneath `paths`.

        With `delete_others`, what the snapshot does not hold goes, beneath `paths` alone where they are given; what the
        snapshot was told to leave out stays. Whatever is found equal is left as it is, so a restore that was
        interrupted is continued by doing it again; until then the folder is a mixture. Raises `PathIsNotInSnapshot`,
        `RepositoryIsDamaged`, `CalledOff`, `JailError` and `BlobStoreError`.
        """
        head = self.get(snapshot_id)
        nodes = select(self._nodes(snapshot_id), paths)
        tops = sorted({b"/".join(parse(path)) for path in paths}) if paths is not None else [b""]
        plan = Plan(nodes, tops, delete_others, Exclusions(head.exclude))
        return Restoring(self._reader, plan, progress, cancelled).run(target)

    def stream(self, snapshot_id: str, form: streaming.Form, path: str = "") -> Iterator[bytes]:
        """Give an archive of what is at and beneath `path`, in pieces of some hundred KiB; see `streaming`."""
        nodes = select(self._nodes(snapshot_id), [path])
        above = b"/".join(parse(path)[:-1])
        return streaming.stream(self._reader, nodes, above, form)

    def verify(
        self,
        snapshot_id: str,
        progress: Callable[[Progress], None] = _ignore,
        cancelled: Callable[[], bool] = _never,
        *,
        scratch: Jail | None = None,
    ) -> Verified:
        """Read every chunk of a snapshot and hold it against its digest.

        With `scratch`, an empty folder, the snapshot is also restored there and the result compared; what was restored
        is left to whoever gave it. Raises `SnapshotIsMissing`, `CalledOff`, `JailError` and `BlobStoreError`.
        """
        try:
            head, nodes = self.get(snapshot_id), self._nodes(snapshot_id)
        except RepositoryIsDamaged as error:
            return Verified(0, 0, False, (error.reason,))
        problems = self._read_all(nodes, progress, cancelled)
        if digest_of_tree(nodes) != head.digest:
            problems.append("The tree is not the one that its digest names")
        if scratch is not None and not problems:
            problems = self._compare(snapshot_id, nodes, scratch, progress, cancelled)
        files = sum(1 for node in nodes if node.kind in "fh")
        size = sum(node.size for node in nodes)
        return Verified(files, size, scratch is not None and not problems, tuple(problems[:_TOLD]))

    def _read_all(
        self, nodes: Sequence[Node], progress: Callable[[Progress], None], cancelled: Callable[[], bool]
    ) -> list[str]:
        files = [node for node in nodes if node.kind == "f"]
        meter = Meter(progress, cancelled, len(files), sum(node.size for node in files))
        problems: dict[str, str] = {}

        def wanted() -> Iterator[Chunk | tuple[Node, int]]:
            for node in files:
                for run in node.runs:
                    for number, digest in enumerate(run, run.first):
                        yield node, number
                        yield Chunk(digest)

        node, number = Node(b"", "f"), 0
        with closing(self._reader.read(wanted())) as elements:
            for element in elements:
                if isinstance(element, tuple):
                    if element[0] is not node:
                        meter.done(files=1)
                    node, number = element
                elif isinstance(element, Damage):
                    problems.setdefault(node.shown, element.reason)
                elif len(element) != plain_size(node, number):
                    problems.setdefault(node.shown, "A chunk does not have the size that its file needs")
                else:
                    meter.done(size=len(element))
        meter.end()
        return [f"{path!r}: {reason}" for path, reason in problems.items()]

    def _compare(
        self,
        snapshot_id: str,
        nodes: Sequence[Node],
        scratch: Jail,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> list[str]:
        self.restore(snapshot_id, scratch, delete_others=False, progress=progress, cancelled=cancelled)
        found = Taking(Exclusions(()), {}, Nothing(), _ignore, cancelled).run(scratch).nodes
        if digest_of_tree(found) == digest_of_tree(nodes):
            return []
        wanted = {node.path: _bare(node) for node in nodes}
        there = {node.path: _bare(node) for node in found}
        differing = sorted(path for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))
        return [f"{show(path)!r}: It was not restored as it was" for path in differing]

    # The store

    def collect(self) -> Collected:
        """Free what no snapshot needs; may be interrupted at any point and done again.

        Raises `RepositoryIsBusy` while a snapshot is being taken or another collection goes on, `RepositoryIsDamaged`
        while a snapshot cannot be read (discard it, or bring its blob back), and `BlobStoreError`.
        """
        with leased(self._store, "exclusive", _never) as lease:
            collected = collecting.collect(self._store, self._index, lease)
        _log.info("backups.collected", removed=collected.removed, freed=collected.freed_bytes)
        return collected

    def check(self, cancelled: Callable[[], bool] = _never) -> list[str]:
        """Tell what is wrong with the store, without reading chunks (`verify` does): nothing, if it is sound.

        Keeps collections away meanwhile, and waits for one that is going on. Raises `CalledOff`, `BlobStoreError`.
        """
        with leased(self._store, "shared", cancelled):
            names = [name for name, _ in self._store.list(PREFIX)]
            return collecting.check(self._store, self._index, names, cancelled)

    def _nodes(self, snapshot_id: str) -> list[Node]:
        _check_id(snapshot_id)
        return read_tree(self._store, snapshot_id)


def _bare(node: Node) -> Node:
    return msgspec.structs.replace(node, inode=(0, 0), changed_ns=0)


def _check_id(snapshot_id: str) -> None:
    if len(snapshot_id) != 32 or not set(snapshot_id) <= set("0123456789abcdef"):
        raise SnapshotIsMissing(snapshot_id[:64])

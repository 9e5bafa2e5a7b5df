"""Free what no snapshot needs, and tell whether everything that one needs is there.

The order is what makes a crash harmless: chunks that are still needed are first put into new packs, and only when
these are in the store do the old ones go. In between a chunk is there twice, which the next collection ends. Nothing is
freed while a snapshot cannot be read, for nobody knows then what it needs. This module knows nothing of files' names.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from innkeeper.contracts.blobstore import BlobStore
from innkeeper.node.backups.errors import CalledOff, LeaseIsLost, RepositoryIsDamaged, SnapshotIsMissing
from innkeeper.node.backups.index import Index, Needed, PackUse
from innkeeper.node.backups.leases import Lease
from innkeeper.node.backups.model import Collected
from innkeeper.node.backups.packs import PACK_BYTES, Frame, Row, decompress
from innkeeper.node.backups.storing import Storing
from innkeeper.node.backups.trees import PREFIX, read_tree

_SMALL = PACK_BYTES // 4
_GAP = 64 << 10
_REQUEST = 8 << 20
_TOLD = 20

_log = structlog.get_logger(__name__)


def collect(store: BlobStore, index: Index, lease: Lease) -> Collected:
    """Free it, under the exclusive lease. Raises `RepositoryIsDamaged`, `LeaseIsLost`, `BlobStoreError`."""
    store.tidy()
    index.refresh()
    snapshots = {name for name, _ in store.list(PREFIX)}
    with index.needed(_digests(store, snapshots)) as needed:
        if needed.missing(0)[0]:
            # Perhaps it was only distrusted here: then its pack is not to be taken for one that nobody needs.
            index.rebuild()
        uses = needed.uses()
        sizes = {use.name: use.size for use in uses}
        # Where nothing is missing, nothing that is needed can be in packs whose tables cannot be read.
        unusable = {} if needed.missing(0)[0] else needed.unusable()
        sizes.update(unusable)
        useless = [*unusable, *(use.name for use in uses if not use.needed_bytes)]
        wasteful = _wasteful(uses)
        with Storing(store, index) as storing:
            emptied = [name for name in wasteful if _move(store, needed, name, storing, lease)]
            storing.finish()
        lease.check()
        if {name for name, _ in store.list(PREFIX)} - snapshots:
            raise LeaseIsLost
        gone = [*useless, *emptied]
        for name in gone:
            lease.check()
            store.delete(name)
        index.forget(gone)
    freed = sum(sizes[name] for name in gone) - storing.stored_bytes
    return Collected(len(gone), len(emptied), max(freed, 0))


def _digests(store: BlobStore, names: Iterable[str]) -> Iterator[bytes]:
    for name in names:
        try:
            nodes = read_tree(store, name.removeprefix(PREFIX))
        except SnapshotIsMissing:
            # Forgotten meanwhile.
            continue
        for node in nodes:
            yield from node.digests()


def _wasteful(uses: Sequence[PackUse]) -> list[str]:
    """Choose the packs that are mostly garbage, and small ones where several can be made one."""
    waste = [use.name for use in uses if 0 < use.needed_bytes < use.chunks_bytes // 2]
    small = [use.name for use in uses if use.needed_bytes >= use.chunks_bytes // 2 and 0 < use.chunks_bytes < _SMALL]
    return waste + (small if len(small) > 8 else [])


def _move(store: BlobStore, needed: Needed, name: str, storing: Storing, lease: Lease) -> bool:
    """Give what is needed of a pack to `storing`; tells whether the pack may go then."""
    whole = True
    for rows in _near(needed.needed_of(name)):
        lease.check()
        start = rows[0].offset
        data = memoryview(store.get(name, start, rows[-1].offset + rows[-1].stored - start))
        frames = []
        for row in rows:
            stored = data[row.offset - start : row.offset - start + row.stored]
            try:
                decompress(row, stored)
            except RepositoryIsDamaged as error:
                _log.error("backups.chunk.damaged", pack=name, digest=row.digest.hex(), reason=error.reason)
                whole = False
                continue
            frames.append(Frame(row.digest, bytes(stored), row.plain))
        storing.keep(frames)
    return whole


def _near(rows: Sequence[Row]) -> Iterator[list[Row]]:
    request: list[Row] = []
    for row in rows:
        end = row.offset + row.stored
        last = request[-1].offset + request[-1].stored if request else 0
        if request and (row.offset - last > _GAP or end - request[0].offset > _REQUEST):
            yield request
            request = []
        request.append(row)
    if request:
        yield request


def check(store: BlobStore, index: Index, snapshots: Sequence[str], cancelled: Callable[[], bool]) -> list[str]:
    """Tell what is wrong: packs without a sound table, snapshots that cannot be read, chunks that no pack holds.

    `snapshots` are names of blobs. Raises `CalledOff`.
    """
    index.rebuild(cancelled)
    problems = index.refresh(cancelled)
    for name in sorted(snapshots):
        if cancelled():
            raise CalledOff
        try:
            nodes = read_tree(store, name.removeprefix(PREFIX))
        except SnapshotIsMissing:
            continue
        except RepositoryIsDamaged as error:
            problems.append(error.reason)
            continue
        with index.needed(digest for node in nodes for digest in node.digests()) as needed:
            count, some = needed.missing(_TOLD)
        if count:
            lost = set(some)
            files = [node.shown for node in nodes if not lost.isdisjoint(node.digests())][:_TOLD]
            problems.append(f"{name}: {count} chunks are missing, of {', '.join(map(repr, files))}")
    return problems

"""Where each chunk stands, kept in a local SQLite file made of the tables of the packs; it may be lost at any time.

The file is filled and brought up to date from what the store lists, so it never has to be believed for longer than one
look. It lies on disk and not in memory, for a large store holds tens of millions of chunks. Where it is damaged it is
made anew. This module knows nothing of snapshots' content, but keeps their heads, which never change.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog

from innkeeper.contracts.blobstore import BlobIsMissing, BlobStore
from innkeeper.node.backups.errors import CalledOff, IndexFailed, RepositoryIsDamaged
from innkeeper.node.backups.packs import PREFIX, Row, read_table

_T = TypeVar("_T")
_AT_ONCE = 512
_PATIENCE_S = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS packs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
                                  problem TEXT);
CREATE TABLE IF NOT EXISTS chunks (digest BLOB NOT NULL, pack INTEGER NOT NULL, "offset" INTEGER NOT NULL,
                                   stored INTEGER NOT NULL, plain INTEGER NOT NULL,
                                   PRIMARY KEY (digest, pack)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads (id TEXT PRIMARY KEY, head BLOB NOT NULL) WITHOUT ROWID;
"""

_log = structlog.get_logger(__name__)


class Place(NamedTuple):
    """Where a chunk can be read."""

    pack: str
    row: Row


class PackUse(NamedTuple):
    """How much of a pack is still needed: bytes of chunks, of all and of those that are."""

    name: str
    size: int
    chunks_bytes: int
    needed_bytes: int


class Index:
    """The index of one store. May be used from any thread, and by several processes with the same file."""

    def __init__(self, store: BlobStore, folder: Path) -> None:
        """Keep the file in `folder`, which is made; the file is opened when it is first needed."""
        self._store = store
        self._path = folder / "index.sqlite"
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file; it opens again when it is needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def refresh(self, cancelled: Callable[[], bool] = lambda: False) -> list[str]:
        """Learn of packs that have come and gone; gives what is wrong with those that cannot be used.

        Raises `CalledOff`; then what was not learned is learned the next time.
        """
        there = dict(self._store.list(PREFIX))
        known = self._do(lambda base: dict(base.execute("SELECT name, size FROM packs")))
        self.forget([name for name, size in known.items() if there.get(name) != size])
        for name in sorted(name for name, size in there.items() if known.get(name) != size):
            if cancelled():
                raise CalledOff
            try:
                self.add(name, there[name], read_table(self._store, name, there[name]))
            except BlobIsMissing:
                continue
            except RepositoryIsDamaged as error:
                _log.error("backups.pack.damaged", name=name, reason=error.reason)
                self.add(name, there[name], [], problem=error.reason)
        return self._do(lambda base: [row[0] for row in base.execute("SELECT problem FROM packs WHERE problem <> ''")])

    def rebuild(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Forget everything about packs and learn it again, as `refresh` does."""

        def act(base: sqlite3.Connection) -> None:
            with _transaction(base):
                base.execute("DELETE FROM chunks")
                base.execute("DELETE FROM packs")

        self._do(act)
        self.refresh(cancelled)

    def add(self, name: str, size: int, rows: Iterable[Row], *, problem: str = "") -> None:
        """Take in a pack that is in the store."""

        def act(base: sqlite3.Connection) -> None:
            with _transaction(base):
                base.execute(
                    "INSERT OR IGNORE INTO packs (name, size, problem) VALUES (?, ?, ?)", (name, size, problem)
                )
                (pack,) = base.execute("SELECT id FROM packs WHERE name = ?", (name,)).fetchone()
                base.executemany(
                    "INSERT OR IGNORE INTO chunks VALUES (?, ?, ?, ?, ?)",
                    [(row.digest, pack, row.offset, row.stored, row.plain) for row in sorted(rows)],
                )

        self._do(act)

    def forget(self, names: Sequence[str]) -> None:
        """Forget packs that are no longer in the store."""
        if not names:
            return

        def act(base: sqlite3.Connection) -> None:
            with _transaction(base):
                packs = [base.execute("SELECT id FROM packs WHERE name = ?", (name,)).fetchone() for name in names]
                gone = [row[0] for row in packs if row is not None]
                for some in _portions(gone):
                    marks = _marks(some)
                    base.execute(f"DELETE FROM chunks WHERE pack IN ({marks})", some)  # noqa: S608 question marks
                    base.execute(f"DELETE FROM packs WHERE id IN ({marks})", some)  # noqa: S608

        self._do(act)

    def distrust(self, name: str, digest: bytes) -> None:
        """Forget one chunk of a pack, which is damaged there, until everything is learned again."""
        query = "DELETE FROM chunks WHERE digest = ? AND pack = (SELECT id FROM packs WHERE name = ?)"
        self._do(lambda base: base.execute(query, (digest, name)))

    def known(self, digests: Sequence[bytes]) -> set[bytes]:
        """Give those of the digests that some pack holds."""

        def act(base: sqlite3.Connection) -> set[bytes]:
            found: set[bytes] = set()
            for some in _portions(digests):
                query = f"SELECT digest FROM chunks WHERE digest IN ({_marks(some)})"  # noqa: S608
                found.update(row[0] for row in base.execute(query, some))
            return found

        return self._do(act)

    def locate(self, digests: Sequence[bytes]) -> dict[bytes, Place]:
        """Give where to read each of the digests; those that no pack holds are missing in the answer."""

        def act(base: sqlite3.Connection) -> dict[bytes, Place]:
            found: dict[bytes, Place] = {}
            for some in _portions(digests):
                query = (
                    'SELECT digest, "offset", stored, plain, name FROM chunks JOIN packs ON packs.id = pack '  # noqa: S608
                    f"WHERE digest IN ({_marks(some)}) ORDER BY pack DESC"
                )
                for digest, offset, stored, plain, name in base.execute(query, some):
                    found[digest] = Place(name, Row(digest, offset, stored, plain))
            return found

        return self._do(act)

    def chunks_of(self, name: str) -> list[Row]:
        """Give what a pack holds, by where it stands."""
        query = (
            'SELECT digest, "offset", stored, plain FROM chunks WHERE pack = (SELECT id FROM packs WHERE name = ?) '
            'ORDER BY "offset"'
        )
        return self._do(lambda base: [Row(*row) for row in base.execute(query, (name,))])

    @contextmanager
    def needed(self, digests: Iterable[bytes]) -> Iterator["Needed"]:
        """Hold all of `digests`, of which there may be millions, for questions about what is not among them."""
        # By a connection of its own, for the questions go on for long.
        with _told(self._path), closing(self._connect()) as base:
            base.execute("CREATE TEMP TABLE needed (digest BLOB PRIMARY KEY) WITHOUT ROWID")
            with _transaction(base):
                base.executemany("INSERT OR IGNORE INTO temp.needed VALUES (?)", ((each,) for each in digests))
            yield Needed(base)

    def head(self, snapshot_id: str) -> bytes | None:
        """Give the head of a snapshot that was kept."""
        row = self._do(lambda base: base.execute("SELECT head FROM heads WHERE id = ?", (snapshot_id,)).fetchone())
        return None if row is None else bytes(row[0])

    def keep_head(self, snapshot_id: str, head: bytes) -> None:
        """Keep the head of a snapshot."""
        self._do(lambda base: base.execute("INSERT OR REPLACE INTO heads VALUES (?, ?)", (snapshot_id, head)))

    def drop_heads(self, but: set[str]) -> None:
        """Forget the heads of all snapshots but these."""

        def act(base: sqlite3.Connection) -> None:
            gone = [row for row in base.execute("SELECT id FROM heads") if row[0] not in but]
            if gone:
                base.executemany("DELETE FROM heads WHERE id = ?", gone)

        self._do(act)

    def _do(self, act: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._lock:
            try:
                return act(self._open())
            except sqlite3.OperationalError as error:
                raise IndexFailed(f"The index {self._path} failed: {error}") from error
            except sqlite3.DatabaseError as error:
                _log.warning("backups.index.damaged", path=str(self._path), error=str(error))
                self._begin_anew()
        # What was asked is asked again of a new index, which must have learned everything first.
        self.refresh()
        with self._lock:
            return act(self._open())

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(0o700, parents=True, exist_ok=True)
        base = sqlite3.connect(self._path, _PATIENCE_S, isolation_level=None, check_same_thread=False)
        try:
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = NORMAL")
            base.execute("PRAGMA temp_store = FILE")
            base.executescript(_SCHEMA)
        except BaseException:
            base.close()
            raise
        return base

    def _begin_anew(self) -> None:
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


class Needed:
    """Questions about a set of chunks held in the index; good while the context of `Index.needed` lasts."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def missing(self, limit: int) -> tuple[int, list[bytes]]:
        """Give how many needed chunks no pack holds, and at most `limit` of them."""
        without = "FROM temp.needed WHERE digest NOT IN (SELECT digest FROM chunks)"
        (count,) = self._base.execute(f"SELECT count(*) {without}").fetchone()
        return count, [row[0] for row in self._base.execute(f"SELECT digest {without} LIMIT ?", (limit,))]

    def uses(self) -> list[PackUse]:
        """Give how much of each sound pack is needed; a chunk that several packs hold is needed in one of them."""
        query = """
            SELECT name, size, sum(stored),
                   sum(CASE WHEN chunks.digest IN (SELECT digest FROM temp.needed)
                             AND pack = (SELECT min(pack) FROM chunks AS other WHERE other.digest = chunks.digest)
                       THEN stored ELSE 0 END)
            FROM packs LEFT JOIN chunks ON pack = packs.id WHERE problem = '' GROUP BY packs.id ORDER BY packs.id
        """
        return [PackUse(name, size, whole or 0, part or 0) for name, size, whole, part in self._base.execute(query)]

    def unusable(self) -> dict[str, int]:
        """Give the names and sizes of packs whose tables are damaged."""
        return dict(self._base.execute("SELECT name, size FROM packs WHERE problem <> ''"))

    def needed_of(self, name: str) -> list[Row]:
        """Give the chunks that are needed in this very pack, by where they stand."""
        query = """
            SELECT digest, "offset", stored, plain FROM chunks
            WHERE pack = (SELECT id FROM packs WHERE name = ?) AND digest IN (SELECT digest FROM temp.needed)
              AND pack = (SELECT min(pack) FROM chunks AS other WHERE other.digest = chunks.digest)
            ORDER BY "offset"
        """
        return [Row(*row) for row in self._base.execute(query, (name,))]


@contextmanager
def _transaction(base: sqlite3.Connection) -> Iterator[None]:
    base.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        base.execute("ROLLBACK")
        raise
    base.execute("COMMIT")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise IndexFailed(f"The index {path} failed: {error}") from error


def _portions(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def _marks(items: Sequence[object]) -> str:
    return ",".join("?" * len(items))

"""Who is at work in a store, said by small blobs in it, so that nothing is removed that somebody is about to rely on.

Many may hold a *shared* lease (they add), or one the *exclusive* one (it removes). Both put their own blob first and
look for others' then, so of two that come at once at least one sees the other and gives way. A lease is good for ten
minutes and renewed every minute; that of a process which has ended on this host is broken at once, any other when its
time has run out by this host's clock, so clocks of hosts that share a store must agree within minutes. A holder that
was stopped or cut off for too long learns of it from `Lease.check`, before it makes anything count.

This module knows nothing of what is added or removed.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from innkeeper.contracts.blobstore import BlobIsMissing, BlobStore, BlobStoreError
from innkeeper.kit.clock import wall_microseconds
from innkeeper.node.backups.errors import CalledOff, LeaseIsLost, RepositoryIsBusy

PREFIX = "leases/"
_LIFE = timedelta(minutes=10)
_RENEWAL = timedelta(minutes=1)
_LARGEST = 4096

Kind = Literal["shared", "exclusive"]

_log = structlog.get_logger(__name__)

_own: set[str] = set()
"""The leases that this process holds, whatever store they are in."""
_own_lock = threading.Lock()


class _Holder(msgspec.Struct, frozen=True):
    """Who holds a lease; `world` is the boot of the kernel and the namespace of process ids, in which `pid` counts."""

    kind: Kind
    world: str
    pid: int
    started: int
    until_us: int


class Lease:
    """A lease that is held."""

    def __init__(self, store: BlobStore, kind: Kind) -> None:
        self._store = store
        self._kind: Kind = kind
        self.name = f"{PREFIX}{kind}-{secrets.token_hex(16)}"
        self._until = 0.0
        self._lost = False
        self._end = threading.Event()
        self._renewer = threading.Thread(target=self._keep, name=f"lease {self.name}", daemon=True)

    def take(self) -> None:
        """Put the blob, and keep it fresh."""
        with _own_lock:
            _own.add(self.name)
        try:
            self._put()
        except BaseException:
            self._disown()
            raise
        self._renewer.start()

    def give_back(self) -> None:
        """Remove the blob."""
        self._end.set()
        self._renewer.join()
        try:
            self._store.delete(self.name)
        except BlobStoreError as error:
            _log.warning("backups.lease.left", name=self.name, error=str(error))
        finally:
            self._disown()

    def _disown(self) -> None:
        with _own_lock:
            _own.discard(self.name)

    def check(self) -> None:
        """Raise `LeaseIsLost` where others may already count this lease for nothing."""
        if self._lost or _since_boot() >= self._until:
            raise LeaseIsLost

    def _put(self) -> None:
        begun = _since_boot()
        until = wall_microseconds() + _LIFE // timedelta(microseconds=1)
        holder = _Holder(self._kind, _world(), os.getpid(), _started(os.getpid()) or 0, until)
        self._store.put(self.name, msgspec.json.encode(holder))
        self._until = begun + _LIFE.total_seconds()

    def _keep(self) -> None:
        while not self._end.wait(_RENEWAL.total_seconds()):
            try:
                self._store.get(self.name, 0, 1)
                self.check()
                self._put()
            except (BlobIsMissing, LeaseIsLost):
                self._lost = True
                _log.error("backups.lease.lost", name=self.name)
                return
            except BlobStoreError as error:
                _log.warning("backups.lease.not_renewed", name=self.name, error=str(error))


@contextmanager
def leased(store: BlobStore, kind: Kind, cancelled: Callable[[], bool]) -> Iterator[Lease]:
    """Hold a lease meanwhile.

    A shared one waits for whoever holds the exclusive one, until it is called off (`CalledOff`); the exclusive one
    waits for nobody: `RepositoryIsBusy`.
    """
    lease = _take(store, kind)
    while lease is None:
        if kind == "exclusive":
            raise RepositoryIsBusy
        if cancelled():
            raise CalledOff
        # Not all at the same moment again.
        time.sleep(0.1 + secrets.randbelow(200) / 1000)
        lease = _take(store, kind)
    try:
        yield lease
    finally:
        lease.give_back()


def _take(store: BlobStore, kind: Kind) -> Lease | None:
    if _in_the_way(store, kind, but=""):
        return None
    lease = Lease(store, kind)
    lease.take()
    try:
        if not _in_the_way(store, kind, but=lease.name):
            return lease
    except BaseException:
        lease.give_back()
        raise
    lease.give_back()
    return None


def _in_the_way(store: BlobStore, kind: Kind, *, but: str) -> bool:
    """Tell whether somebody's lease forbids one of this kind; breaks those that nobody holds any more."""
    busy = False
    for name, size in list(store.list(PREFIX)):
        if name == but:
            continue
        try:
            holder = msgspec.json.decode(store.get(name, 0, min(size, _LARGEST)), type=_Holder)
        except BlobIsMissing:
            continue
        except msgspec.DecodeError:
            _log.warning("backups.lease.unreadable", name=name)
            store.delete(name)
            continue
        if _is_over(name, holder):
            _log.warning("backups.lease.broken", name=name, pid=holder.pid)
            store.delete(name)
        elif kind == "exclusive" or holder.kind == "exclusive":
            busy = True
    return busy


def _is_over(name: str, holder: _Holder) -> bool:
    if holder.world == _world() and holder.started:
        if holder.pid == os.getpid() and holder.started == _started(holder.pid):
            # One that could not be removed at its end is held by nobody, long as this process may live.
            with _own_lock:
                return name not in _own
        return _started(holder.pid) != holder.started
    return holder.until_us < wall_microseconds()


def _world() -> str:
    """Give what is equal for two processes only if one can tell by its id whether the other lives."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> int | None:
    """Give when the process was started, in the kernel's ticks; None where there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def _since_boot() -> float:
    """Give seconds that go on while the host sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)

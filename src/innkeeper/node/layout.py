"""Where a node keeps what it must not forget, and the promise that only one process does so at a time.

    DATA/                       0711   (a server's user must come through to its own folder)
    ├── identity.json           0600   who this node is
    ├── lock                    0600   held by the process that keeps this folder
    ├── alive.json              0600   which runs were seen alive last, and when
    ├── zygote/                 0700   what keepers are forked from
    ├── shared/                 0755   content that many servers use, made by installers
    ├── uploads/UUID/NAME       0700   archives waiting to be installed
    ├── backups/                0700   the store of backups, where it is not another place
    ├── backup-cache/           0700   what is known of the store; may be lost
    ├── scratch/UUID/           0700   a backup restored to be compared
    └── servers/UUID/           0711
        ├── desired.json        0600   what should be, as last told
        ├── memory.json         0600   what the supervisor remembers
        ├── jobs.json           0600   backups and the like under way, and how the last ones ended
        ├── files/              0750   the game's own, owned by its user
        ├── keeper/             0700   the keeper's socket and state
        └── journal/            0700   the console

Knows names, modes and owners; what is in the files is others' business.
"""

import fcntl
import os
import shutil
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from innkeeper.node.files.errors import JailError
from innkeeper.node.files.jail import Jail
from innkeeper.node.supervisor.place import ServerPlace
from innkeeper.wire.messages import DesiredServer

log = structlog.get_logger(__name__)

PRIVATE = 0o600


class DataFolderInUse(RuntimeError):
    """Another process keeps this data folder."""


class DataFolder:
    """One node's data folder. All methods block."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.servers = self.root / "servers"
        self.shared = self.root / "shared"
        self.uploads = self.root / "uploads"
        self.zygote = self.root / "zygote"
        self.backups = self.root / "backups"
        self.scratch = self.root / "scratch"
        self.identity = self.root / "identity.json"
        self.alive = self.root / "alive.json"
        self._lock: int | None = None

    def prepare(self) -> None:
        """Make the folders, with their modes."""
        for path, mode in ((self.root, 0o711), (self.servers, 0o711), (self.shared, 0o755), (self.uploads, 0o700)):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)

    def lock(self) -> None:
        """Keep every other process out until `unlock` or our end; raise DataFolderInUse where one is in."""
        if self._lock is not None:
            return
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise DataFolderInUse(
                f"{self.root} is kept by another process{f' ({holder})' if holder else ''}"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()}\n".encode(), 0)
        self._lock = descriptor

    def unlock(self) -> None:
        """Let others in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def place(self, server: UUID) -> ServerPlace:
        """Return where the things of `server` are, whether or not they exist."""
        return ServerPlace(root=self.servers / str(server), shared=self.shared)

    def make_server(self, server: UUID, owner: tuple[int, int] | None) -> ServerPlace:
        """Make what is missing of a server's folders; its files belong to `owner` (uid, gid)."""
        place = self.place(server)
        for path, mode in ((place.root, 0o711), (place.keeper, 0o700), (place.journal, 0o700)):
            path.mkdir(exist_ok=True)
            path.chmod(mode)
        try:
            place.files.mkdir(mode=0o750)
        except FileExistsError:
            return place
        place.files.chmod(0o750)
        if owner is not None:
            os.chown(place.files, *owner)
        return place

    def archives(self, server: UUID) -> Path:
        """Return the folder of archives that wait to be installed in `server`, made where it is missing."""
        path = self.uploads / str(server)
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def remembered(self) -> list[DesiredServer]:
        """Return every server that was to be kept when this was last written; a damaged file is logged and skipped."""
        found = []
        for path in sorted(self.servers.glob("*/desired.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=DesiredServer))
            except (OSError, msgspec.MsgspecError) as error:
                log.error("server.desired.unreadable", path=str(path), error=str(error))
        return found

    def forget_archives(self, server: UUID) -> None:
        """Delete the archives that wait to be installed in `server`."""
        shutil.rmtree(self.uploads / str(server), ignore_errors=True)

    def sweep(self) -> None:
        """Delete archives that a crash has left unfinished."""
        for path in self.uploads.iterdir():
            try:
                Jail(path).sweep()
            except JailError as error:
                log.warning("server.archives.left", path=str(path), error=str(error))


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, mode 0600, atomically and durably."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, PRIVATE)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

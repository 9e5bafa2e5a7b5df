"""Where a node keeps what it must not forget, and the promise that only one process does so at a time.

    DATA/                       0711   (a server's user must come through to its own folder)
    ├── identity.json           0600   who this node is
    ├── lock                    0600   held by the process that keeps this folder
    ├── shared/                 0755   content that many servers use, made by installers
    ├── uploads/UUID/NAME       0700   archives waiting to be installed
    └── servers/UUID/           0711
        ├── desired.json        0600   what should be, as last told
        ├── memory.json         0600   what the supervisor remembers
        ├── files/              0750   the game's own, owned by its user
        ├── keeper/             0700   the keeper's socket and state
        └── journal/            0700   the console

Knows names, modes and owners; what is in the files is others' business.
"""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from innkeeper.wire.messages import DesiredServer

log = structlog.get_logger(__name__)

PRIVATE = 0o600


class DataFolderInUse(RuntimeError):
    """Another process keeps this data folder."""


class ServerFolders(msgspec.Struct, frozen=True):
    """The folders and files of one server."""

    root: Path

    @property
    def files(self) -> Path:
        return self.root / "files"

    @property
    def keeper(self) -> Path:
        return self.root / "keeper"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def desired(self) -> Path:
        return self.root / "desired.json"

    @property
    def memory(self) -> Path:
        return self.root / "memory.json"


class DataFolder:
    """One node's data folder. All methods block."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.servers = self.root / "servers"
        self.shared = self.root / "shared"
        self.uploads = self.root / "uploads"
        self.identity = self.root / "identity.json"
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

    def folders(self, server: UUID) -> ServerFolders:
        """Return where the things of `server` are, whether or not they exist."""
        return ServerFolders(self.servers / str(server))

    def make_server(self, server: UUID, owner: tuple[int, int] | None) -> ServerFolders:
        """Make what is missing of a server's folders; its files belong to `owner` (uid, gid)."""
        folders = self.folders(server)
        for path, mode in ((folders.root, 0o711), (folders.keeper, 0o700), (folders.journal, 0o700)):
            path.mkdir(exist_ok=True)
            path.chmod(mode)
        try:
            folders.files.mkdir(mode=0o750)
        except FileExistsError:
            return folders
        folders.files.chmod(0o750)
        if owner is not None:
            os.chown(folders.files, *owner)
        return folders

    def remembered(self) -> list[DesiredServer]:
        """Return every server that was to be kept when this was last written; a damaged file is logged and skipped."""
        found = []
        for path in sorted(self.servers.glob("*/desired.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=DesiredServer))
            except (OSError, msgspec.MsgspecError) as error:
                log.error("server.desired.unreadable", path=str(path), error=str(error))
        return found

    def remember(self, desired: DesiredServer) -> None:
        """Write down what should be, so that it survives a power cut."""
        write_private(self.folders(desired.uuid).desired, msgspec.json.encode(desired))

    def forget(self, server: UUID) -> None:
        """Delete everything of a server but its files, which the jail must take apart."""
        folders = self.folders(server)
        with suppress(FileNotFoundError):
            folders.desired.unlink()
        shutil.rmtree(self.uploads / str(server), ignore_errors=True)
        with suppress(FileNotFoundError):
            shutil.rmtree(folders.root)


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

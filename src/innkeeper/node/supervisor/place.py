"""Where one server's things lie on this node, and what of it is written down between two lives of the node.

Knows files and their atomic replacement; what the memory means is the machine's business.
"""

import os
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from innkeeper.node.supervisor.access import ManagementAccess
from innkeeper.node.supervisor.memory import Memory
from innkeeper.wire.messages import DesiredServer, OnlinePlayer

log = structlog.get_logger(__name__)

T = TypeVar("T")

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class ServerPlace(msgspec.Struct, frozen=True, kw_only=True):
    """The folders of one server. `shared`: what many servers of this node use and none may change."""

    root: Path
    shared: Path

    @property
    def files(self) -> Path:
        """The game's own files, its working directory."""
        return self.root / "files"

    @property
    def keeper(self) -> Path:
        """The keeper's socket, lock and state."""
        return self.root / "keeper"

    @property
    def journal(self) -> Path:
        """The console."""
        return self.root / "journal"

    @property
    def memory(self) -> Path:
        """What the supervisor remembers (`Kept`)."""
        return self.root / "memory.json"

    @property
    def desired(self) -> Path:
        """What should be, as last told (`DesiredServer`)."""
        return self.root / "desired.json"


class Kept(msgspec.Struct):
    """All that a supervisor remembers of one server.

    One file, so that it is always of one moment: the state is that after line `seen_seq`, no earlier and no later.
    """

    machine: Memory = msgspec.field(default_factory=Memory)
    boot_id: str = ""
    """Of the host when this was written: another one means that no process of then lives."""
    restore: bool = False
    """The node stopped the game with itself: its next start brings it back."""
    seen_seq: int = 0
    """The last console line whose meaning is in this state."""
    announced_seq: int = 0
    """The last console line that was announced."""
    players: list[OnlinePlayer] = []
    exports: dict[str, str] = {}
    """What the installation named for the command line: placeholder → value."""
    management: ManagementAccess | None = None
    """How the management server of the last start is reached."""


def load_kept(place: ServerPlace) -> Kept | None:
    """Return what is remembered of the server, None where there is nothing or it is damaged (which is logged)."""
    return _load(place.memory, Kept)


def recall(place: ServerPlace) -> tuple[Kept, bool, bool]:
    """Return what is remembered, whether its power intent is to be restored, and whether there was nothing.

    Intents are restored after a boot of the host, and where the node stopped the game with itself.
    """
    kept = load_kept(place)
    is_unknown = kept is None
    if kept is None:
        has_files = place.files.is_dir() and any(place.files.iterdir())
        kept = Kept(machine=Memory(phase="stopped" if has_files else "created", installed=has_files))
    this_boot = boot_id()
    booted = kept.restore or kept.boot_id not in ("", this_boot)
    kept.restore, kept.boot_id = False, this_boot
    return kept, booted, is_unknown


def load_desired(place: ServerPlace) -> DesiredServer | None:
    """Return what should be of the server, None where there is nothing or it is damaged (which is logged)."""
    return _load(place.desired, DesiredServer)


def save(path: Path, content: msgspec.Struct, *, durable: bool = False) -> None:
    """Replace `path` by `content` as JSON, as `write_private` does."""
    write_private(path, msgspec.json.encode(content), durable=durable)


def write_private(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace `path` by `data`, mode 0600, atomically; `durable`: not even a power cut takes it back."""
    fresh = path.with_name(f".{path.name}.supervisor")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[os.write(descriptor, remaining) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)


def make_durable(path: Path) -> None:
    """Return once not even a power cut takes back what was written to `path` last."""
    for place, flags in ((path, 0), (path.parent, os.O_DIRECTORY)):
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def boot_id() -> str:
    """Return what names this boot of the host; empty where the host does not say."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _load(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.error("server.memory.unreadable", path=str(path), error=str(error))
        return None

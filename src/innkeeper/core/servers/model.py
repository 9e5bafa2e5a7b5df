"""What a server is: what was decided about it (`Server`), and what is seen of it now (`Live`)."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from innkeeper.core.servers.lifecycle import State

PropertyValue = str | int | float | bool


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a server may use; None: not limited."""

    memory_mib: int | None = None
    cpu_percent: int | None = None
    """100 is one core."""
    disk_mib: int | None = None


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a vendor offers."""

    url: str
    path: str
    """Where it lies below the server's folder."""
    algorithm: Literal["sha256", "sha1", "md5", "sha512"] | None = None
    digest: str = ""
    """In hexadecimal digits; empty where the vendor gives none."""
    size: int | None = None


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What one version of a runtime consists of, as its vendor said when it was chosen: it stays so for the server."""

    version: str
    game_version: str = ""
    """Of the game, where the runtime counts otherwise."""
    downloads: tuple[Download, ...] = ()
    java: int | None = None
    """The Java major that it needs; None: none, or the package says."""
    facts: dict[str, str] = {}
    """Whatever else an install step goes by: {release.NAME}."""


class CrashPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a crashed server is started again, and after how many crashes within ten minutes no more."""

    restart: bool = True
    limit: int = 5


class Handling(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is handled where that is not left to its package or to the house."""

    stop_command: str | None = None
    """The line that stops the game; None: its package's."""
    stop_timeout_s: int | None = None
    """After so long a stop becomes a kill; None: as its package says."""
    clean_exits: tuple[int, ...] | None = None
    """Exit codes that are no crash, a negative one the number of a signal; None: as its package says."""
    autostart_delay_s: int = 0
    """After a reboot of its host it is started so much later than it could be."""
    show_status: bool = False
    """Everybody may see whether it runs and who plays on it, without signing in."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about a game server."""

    id: int
    uuid: UUID
    owner_id: int
    node_id: int
    name: str
    description: str = ""
    package: str
    runtime: str
    version: str
    """A version of the runtime, aliases resolved when the server was made."""
    addons: dict[str, str] = {}
    """Further runtimes, by name, each with its version: what extends the game rather than runs it."""
    releases: dict[str, Release] = {}
    """By runtime, what its vendor's index said of the chosen version; runtimes without an index have none."""
    plan: str | None = None
    """What it was sold as; None: it has the limits that somebody gave it."""
    billing_type: Literal["hourly", "monthly"] | None = None
    """How its plan is paid for; None: it is not rented."""
    properties: dict[str, PropertyValue] = {}
    address: str
    port: int | None = None
    protocol: Literal["tcp", "udp"] = "tcp"
    limits: Limits = Limits()
    crash: CrashPolicy = CrashPolicy()
    autostart: bool = True
    """After a reboot of its host it is brought back as it was; false: it stays stopped."""
    handling: Handling = Handling()
    idle_stop_minutes: int | None = None
    """It is stopped after so long without players; None: never."""
    keep_until: datetime | None = None
    """Before then it is not stopped for want of players."""
    pool_id: int | None = None
    """The credit pool that pays for it; None: its owner's wallet."""
    paid_by: int | None = None
    """The account that pays, out of its own wallet, for as long as it is on; None: as it is otherwise."""
    power: Literal["on", "off"] = "off"
    """The power intent."""
    suspended: bool = False
    suspended_reason: str | None = None
    state: State = State.CREATED
    """As last seen; `Live` has the particulars."""
    order_id: UUID | None = None
    """The operation that the node was told last."""
    generation: int = 1
    created_at: datetime
    deleted_at: datetime | None = None
    purge_at: datetime | None = None
    """Deleted, but kept until then: an administrator can bring it back."""

    @property
    def kept(self) -> bool:
        """Whether it was deleted and can be brought back still: it has its port, its room and its files."""
        return self.state is State.DELETED and self.purge_at is not None


class OnlinePlayer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on a server now."""

    name: str
    since: datetime


class LastExit(msgspec.Struct, frozen=True, kw_only=True):
    """How the last run of the game ended."""

    code: int | None
    signal: int | None
    started_at: datetime | None = None
    """When that run began, where that is known."""
    at: datetime
    clean: bool
    reason: str


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a server used at one moment."""

    at: datetime
    cpu_percent: float
    memory_bytes: int
    disk_bytes: int | None
    players: int
    heap_bytes: int | None = None
    """Of the heap of a Java virtual machine; None where there is none."""
    heap_max_bytes: int | None = None
    tick_ms: float | None = None
    """The average tick, while somebody looks; None where the game does not tell."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the game that has ended."""

    run_id: str
    started_at: datetime
    ended_at: datetime


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What is seen of a server now."""

    state: State
    reason: str | None = None
    """Why it is so, where that is not plain."""
    pid: int | None = None
    run_id: str | None = None
    started_at: datetime | None = None
    ready_at: datetime | None = None
    last_exit: LastExit | None = None
    runs: tuple[Run, ...] = ()
    """Runs that ended, oldest first, of which no panel had kept the end when this was seen."""
    players: tuple[OnlinePlayer, ...] = ()
    crashes: int = 0
    notes: tuple[str, ...] = ()
    usage: Usage | None = None

    @property
    def run_began_at(self) -> datetime | None:
        """When the run under way began, or else the last one; None where no run is known."""
        if self.started_at is not None or self.last_exit is None:
            return self.started_at
        return self.last_exit.started_at


class ServerDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked when a server is made. None: the package's or the house's default."""

    name: str
    package: str
    runtime: str | None = None
    version: str | None = None
    description: str = ""
    properties: dict[str, Any] = {}
    address: str | None = None
    port: int | None = None
    limits: Limits = Limits()
    crash: CrashPolicy = CrashPolicy()
    autostart: bool = True
    handling: Handling = Handling()
    idle_stop_minutes: int | None = None
    node: UUID | None = None
    region: str | None = None
    plan: str | None = None
    """Its resources are those of the plan; `limits` must then be empty."""
    billing_type: Literal["hourly", "monthly"] = "hourly"
    """Of a server with a plan."""
    addons: dict[str, str | None] = {}
    """Further runtimes by name, each with a version or alias; None: its default."""
    owner: UUID | None = None
    start: bool = False
    """Start it once it is installed."""


class ServerChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be changed of a server; what is UNSET stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    properties: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """Only the named properties change."""
    port: int | msgspec.UnsetType = msgspec.UNSET
    limits: Limits | msgspec.UnsetType = msgspec.UNSET
    crash: CrashPolicy | msgspec.UnsetType = msgspec.UNSET
    autostart: bool | msgspec.UnsetType = msgspec.UNSET
    handling: Handling | msgspec.UnsetType = msgspec.UNSET
    idle_stop_minutes: int | msgspec.UnsetType | None = msgspec.UNSET

"""What should be: all that a node must know to keep one game server."""

from typing import Any, Literal
from uuid import UUID

from innkeeper.wire.messages.base import Message
from innkeeper.wire.messages.jobs import Job, Restore

Verb = Literal["install", "start", "stop", "restart", "kill", "restore"]


class Order(Message, frozen=True, kw_only=True):
    """One thing to be done once: the operation behind it is remembered by the node, so a repeated order is not."""

    id: UUID
    verb: Verb
    restore: Restore | None = None
    """What is restored, by the verb of that name."""


class StopRule(Message, frozen=True, kw_only=True):
    """How the game is asked to stop, and how long it may take before it is killed."""

    command: str | None = None
    """A line for its console; None: `signal` is sent instead."""
    signal: str = "SIGTERM"
    timeout_s: float = 30


class CrashRule(Message, frozen=True, kw_only=True):
    """What follows a crash: another start after a growing wait, until there were too many in the window."""

    restart: bool = True
    limit: int = 5
    window_s: float = 600
    first_delay_s: float = 2
    longest_delay_s: float = 120


class Patterns(Message, frozen=True, kw_only=True):
    """Regular expressions over one console line, freed of ANSI codes and of what `strip` matches at its start."""

    strip: str | None = None
    ready: str | None = None
    join: str | None = None
    """Group `player`; so too leave and chat (which also has `text`)."""
    leave: str | None = None
    chat: str | None = None
    saving: str | None = None


class TickRule(Message, frozen=True, kw_only=True):
    """How the game tells its tick time: a line typed on its console, and the answer's expression (group `ms`)."""

    command: str
    pattern: str


ConfigValue = str | int | float | bool | list[str]
"""A value in a config file: a list is one of plain values."""


class ConfigWrite(Message, frozen=True, kw_only=True):
    """Values for one of the game's config files; the rest of the file is the user's."""

    path: str
    format: str
    values: dict[str, ConfigValue] = {}
    """They must stand so."""
    initial: dict[str, ConfigValue] = {}
    """They are written where the file has no such key."""


class DesiredServer(Message, frozen=True, kw_only=True):
    """Everything a node must know to keep one game server."""

    uuid: UUID
    number: int
    generation: int
    """Grows with every change; a node ignores an older one."""
    name: str
    running: bool
    """The power intent, restored after a reboot of the host."""
    autostart: bool = True
    autostart_delay_s: float = 0
    """After a reboot of the host it is started so much later than its turn comes."""
    suspended: bool = False
    order: Order | None = None
    runtime: str = "process"
    install: list[dict[str, Any]] = []
    argv: list[str]
    """May hold {server}, {shared:KEY}, {port}, {address} and the like, resolved by the node."""
    environment: dict[str, str] = {}
    stop: StopRule = StopRule()
    crash: CrashRule = CrashRule()
    clean_exit: tuple[int, ...] = (0,)
    """Exit codes of an orderly end; a negative one is a signal's number."""
    patterns: Patterns = Patterns()
    ready_when: Literal["pattern", "query", "port", "output"] = "pattern"
    """What, beside the ready line, proves that the game runs."""
    query: str | None = None
    tick: TickRule | None = None
    management: bool = False
    """The game serves Minecraft's Management Server Protocol at {management_port}, with {management_secret}: both are
    chosen by the node at each start."""
    config: list[ConfigWrite] = []
    address: str = "127.0.0.1"
    port: int | None = None
    protocol: Literal["tcp", "udp"] = "tcp"
    start_timeout_s: float = 300
    memory_mib: int | None = None
    cpu_percent: int | None = None
    disk_mib: int | None = None
    java: int | None = None
    """The Java major that {java} must be; None: any."""
    processes: int | None = 1024
    open_files: int | None = 65536
    journal_retain_mib: int = 256
    measure_disk_s: int = 300
    """How often its files are measured while it runs, about."""
    rows: int = 40
    columns: int = 200
    jobs: list[Job] = []
    """What has not been reported as ended; one that is missing here is not given up for that."""

"""What is: what a node sees of its servers, and tells unasked."""

from typing import Any, Literal
from uuid import UUID

import msgspec

from innkeeper.wire.messages.base import Message
from innkeeper.wire.messages.jobs import JobReport

Phase = Literal[
    "created",
    "installing",
    "stopped",
    "preparing",
    "starting",
    "running",
    "stopping",
    "saving",
    "restarting",
    "crashed",
]


class ExitReport(Message, frozen=True, kw_only=True):
    """How a run of the game ended."""

    run_id: str
    code: int | None = None
    signal: int | None = None
    started_us: int | None = None
    """When the run began, where that is known."""
    at_us: int = 0
    clean: bool = False
    reason: str = ""
    """For people: "ended by itself with code 1", "killed on request", …"""


class RunReport(Message, frozen=True, kw_only=True):
    """A run of the game that has ended: from the birth of its process to its end."""

    run_id: str
    started_us: int
    ended_us: int
    """Where nobody saw the end (the host went down): the last moment it was seen alive."""


class OrderReport(Message, frozen=True, kw_only=True):
    """How an order stands."""

    id: UUID
    state: Literal["waiting", "running", "done", "failed"]
    reason: str | None = None
    """Why it waits or failed."""
    steps: list[str] = []
    """What was done so far, for people, oldest first."""
    fraction: float | None = None


class OnlinePlayer(Message, frozen=True, kw_only=True):
    """Somebody on the server now."""

    name: str
    since_us: int


class ObservedServer(Message, frozen=True, kw_only=True):
    """What the node sees of one server."""

    uuid: UUID
    generation: int
    phase: Phase
    reason: str | None = None
    """Why it is so, where that is not plain: "waits 8 s after crash 3 of 5"."""
    pid: int | None = None
    run_id: str | None = None
    started_us: int | None = None
    ready_us: int | None = None
    order: OrderReport | None = None
    last_exit: ExitReport | None = None
    runs: list[RunReport] = []
    """Runs that ended, oldest first; told until a report with them is acknowledged."""
    players: list[OnlinePlayer] = []
    crashes: int = 0
    notes: list[str] = []
    """What of the asked isolation and limits this host could not give."""
    jobs: list[JobReport] = []
    """Those under way, and those that ended until a report with them is acknowledged."""


class Report(Message, frozen=True, kw_only=True):
    """What a node sees, of all its servers (`complete`) or of those that changed."""

    node: UUID
    session: str
    """New at every start of the node's process: a report of another session is out of order."""
    number: int
    complete: bool
    servers: list[ObservedServer]


class Sample(Message, frozen=True, kw_only=True):
    """What one server used, at one moment."""

    uuid: UUID
    cpu_percent: float
    """100 is one core, averaged since the sample before."""
    memory_bytes: int
    disk_bytes: int | None
    players: int
    processes: int
    heap_bytes: int | None = None
    """Of the heap of a Java virtual machine; None where there is none, or it does not tell."""
    heap_max_bytes: int | None = None
    tick_ms: float | None = None
    """The average tick, while somebody asked for it (`Attend`); None where the game does not tell."""


class DiskSample(Message, frozen=True, kw_only=True):
    """A mounted file system of a host, in bytes."""

    device: str
    mount: str
    filesystem: str
    total_bytes: int
    used_bytes: int
    free_bytes: int
    """What programs that are not root's may still take."""


class HostSample(Message, frozen=True, kw_only=True):
    """What a host used, at one moment, all its programs together."""

    cpu_percent: float
    """100 is all its cores, averaged since the sample before."""
    cpus: int
    memory_bytes: int
    memory_total_bytes: int
    booted_us: int
    cpu_mhz: float | None = None
    cpu_mhz_max: float | None = None
    disks: list[DiskSample] = []


class Samples(Message, frozen=True, kw_only=True):
    """One tick of samples of all running servers of a node, or what its host used, or both."""

    node: UUID
    at_us: int
    servers: list[Sample]
    host: HostSample | None = None
    """Told more rarely than what servers use, and where none runs, too."""


class Block(msgspec.Struct, frozen=True, array_like=True):
    """Consecutive console lines read in one go: the unit of the journal and of every stream.

    `payload` is the game's raw bytes; every line ends with a newline, except that the last may be partial (a prompt).
    """

    first_seq: int
    time_us: int
    payload: bytes


class ConsoleBlocks(Message, frozen=True, kw_only=True):
    """Console output as it came, in order; a gap in the numbers means that a message was lost."""

    server: UUID
    blocks: list[Block]


class ManagementNote(Message, frozen=True, kw_only=True):
    """A notification of a game's management server, passed on."""

    server: UUID
    name: str
    data: Any = None

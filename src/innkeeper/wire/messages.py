"""What panel and node say to each other.

The panel asks a node (`Ask` → `Answer` or `Refusal`); a node reports to whichever panel answers (`Report`, kept by
the node until acknowledged) and publishes console blocks and samples (numbered or repeated, so that a lost one
heals). `DesiredServer` is complete: a node needs no catalogue and no database of ours to run it.

Subjects, made by the functions below; a NATS account can be bound to them per node:

    innkeeper.panel.enrol           request, node → panels   Enrol → Enrolled
    innkeeper.panel.hello           request, node → panels   Hello → Welcome
    innkeeper.panel.report          request, node → panels   Report → Acknowledged
    innkeeper.panel.notes           publish, panel → panels  PanelNote
    innkeeper.node.ID.ask           request, panel → node    Ask → Answer
    innkeeper.node.ID.samples       publish, node → panels   Samples
    innkeeper.node.ID.console.UUID  publish, node → panels   ConsoleBlocks
"""

from typing import Any, Literal
from uuid import UUID

import msgspec

PANEL_ENROL = "innkeeper.panel.enrol"
PANEL_HELLO = "innkeeper.panel.hello"
PANEL_REPORT = "innkeeper.panel.report"
PANEL_NOTES = "innkeeper.panel.notes"
ANY_SAMPLES = "innkeeper.node.*.samples"


def node_ask(node: UUID) -> str:
    """Return the subject on which `node` answers what it is asked."""
    return f"innkeeper.node.{node}.ask"


def node_samples(node: UUID) -> str:
    """Return the subject on which `node` publishes samples."""
    return f"innkeeper.node.{node}.samples"


def node_console(node: UUID | Literal["*"], server: UUID) -> str:
    """Return the subject of the console of `server` on `node` (`*`: wherever it runs)."""
    return f"innkeeper.node.{node}.console.{server}"


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of everything on the wire; the type's name is its tag."""


# --- what should be -----------------------------------------------------------------------------------------------

Verb = Literal["install", "start", "stop", "restart", "kill"]


class Order(Message, frozen=True, kw_only=True):
    """One thing to be done once: the operation behind it is remembered by the node, so a repeated order is not."""

    id: UUID
    verb: Verb


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


class ConfigWrite(Message, frozen=True, kw_only=True):
    """Values for one of the game's config files; the rest of the file is the user's."""

    path: str
    format: str
    values: dict[str, str] = {}
    """They must stand so."""
    initial: dict[str, str] = {}
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
    config: list[ConfigWrite] = []
    address: str = "127.0.0.1"
    port: int | None = None
    protocol: Literal["tcp", "udp"] = "tcp"
    start_timeout_s: float = 300
    memory_mib: int | None = None
    cpu_percent: int | None = None
    processes: int | None = 1024
    open_files: int | None = 65536
    journal_retain_mib: int = 256
    rows: int = 40
    columns: int = 200


# --- what is ------------------------------------------------------------------------------------------------------

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
    at_us: int = 0
    clean: bool = False
    reason: str = ""
    """For people: "ended by itself with code 1", "killed on request", …"""


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
    players: list[OnlinePlayer] = []
    crashes: int = 0
    notes: list[str] = []
    """What of the asked isolation and limits this host could not give."""


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


class Samples(Message, frozen=True, kw_only=True):
    """One tick of samples of all running servers of a node."""

    node: UUID
    at_us: int
    servers: list[Sample]


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


# --- enrolment ----------------------------------------------------------------------------------------------------


class NodeFacts(Message, frozen=True, kw_only=True):
    """What a node is."""

    version: str
    hostname: str
    system: str
    cpus: int
    memory_mib: int
    disk_mib: int
    disk_free_mib: int
    runtimes: list[str]
    tools: dict[str, str]
    """Name → version of what games need (node, java)."""
    isolation: list[str] = []
    """How servers are held apart on this host, for people."""


class Enrol(Message, frozen=True, kw_only=True):
    """A new node asks to belong, with a token used once."""

    token: str
    name: str
    facts: NodeFacts
    address: str = "127.0.0.1"
    """Where its game servers listen, unless one says otherwise."""
    public_host: str = ""
    """What players type to reach it; empty: the address."""


class Enrolled(Message, frozen=True, kw_only=True):
    """The node belongs; `secret` is shown this once and proves it from now on."""

    node: UUID
    secret: str


class Hello(Message, frozen=True, kw_only=True):
    """A node is there (again): it is then sent everything it should keep."""

    node: UUID
    secret: str
    session: str
    facts: NodeFacts


class Welcome(Message, frozen=True, kw_only=True):
    """The panel knows the node."""


class Acknowledged(Message, frozen=True, kw_only=True):
    """Kept: the node may forget it."""


# --- what panels tell each other ------------------------------------------------------------------------------------


class PanelNote(Message, frozen=True, kw_only=True):
    """What one panel learned and the others must: rows to be read again, and what a node reported."""

    origin: str
    changes: list[tuple[str, int]] = []
    node: UUID | None = None
    servers: list[ObservedServer] = []


# --- what a node is asked -----------------------------------------------------------------------------------------


class Refusal(Message, frozen=True, kw_only=True):
    """The asked cannot be done; `code` names the condition as core's errors do, `data` its particulars."""

    code: str
    message: str
    data: dict[str, Any] = {}


class Apply(Message, frozen=True, kw_only=True):
    """Make it so. `complete`: whatever is not in `servers` is no longer this node's, and is forgotten."""

    servers: list[DesiredServer]
    complete: bool = False


class Done(Message, frozen=True, kw_only=True):
    """It was done, or will be: what follows is reported."""


class Remove(Message, frozen=True, kw_only=True):
    """Kill and delete the server with all its files. Idempotent."""

    server: UUID


class Announce(Message, frozen=True, kw_only=True):
    """Report everything again, completely."""


class SendLine(Message, frozen=True, kw_only=True):
    """Write one line to the console of a server."""

    server: UUID
    line: str


class ReadConsole(Message, frozen=True, kw_only=True):
    """Ask for journaled blocks after a sequence number, or the last `tail` lines when that is given."""

    server: UUID
    after_seq: int = 0
    tail: int | None = None
    max_bytes: int = 512 * 1024


class ConsoleRead(Message, frozen=True, kw_only=True):
    """Journaled blocks; `first_seq` is the oldest line still kept, `next_seq` that of the next line to come."""

    blocks: list[Block]
    first_seq: int
    next_seq: int


class SearchConsole(Message, frozen=True, kw_only=True):
    """Ask for lines holding `text` (any case, colours ignored), within a span of time."""

    server: UUID
    text: str = ""
    since_us: int | None = None
    until_us: int | None = None
    after_seq: int = 0
    limit: int = 100


class ConsoleFound(Message, frozen=True, kw_only=True):
    """Lines found; `next_after` continues the search, None when the journal's end was reached."""

    lines: list[tuple[int, int, bytes]]
    """(sequence number, time in µs, raw bytes without the newline)."""
    next_after: int | None


class FindPort(Message, frozen=True, kw_only=True):
    """Ask for the first of `candidates` that no program of the host holds."""

    address: str
    protocol: Literal["tcp", "udp"]
    candidates: list[int]


class PortFound(Message, frozen=True, kw_only=True):
    """The free port, or None."""

    port: int | None


class FileEntry(Message, frozen=True, kw_only=True):
    """One file, folder or other thing of a server."""

    path: str
    name: str
    kind: Literal["file", "directory", "link", "other"]
    size: int
    mtime_us: int
    mode: int


class StatFile(Message, frozen=True, kw_only=True):
    server: UUID
    path: str


class ListFiles(Message, frozen=True, kw_only=True):
    """Ask for a folder's entries by name, continuing after one."""

    server: UUID
    path: str
    after: str | None = None
    limit: int = 1000


class FilesListed(Message, frozen=True, kw_only=True):
    entries: list[FileEntry]
    more: bool


class ReadFile(Message, frozen=True, kw_only=True):
    """Ask for part of a file; at most 512 KiB at once."""

    server: UUID
    path: str
    offset: int = 0
    length: int = 512 * 1024


class FilePart(Message, frozen=True, kw_only=True):
    data: bytes
    size: int
    """Of the whole file, now."""


class BeginUpload(Message, frozen=True, kw_only=True):
    """Start writing a file beside its target: nothing is seen until it is finished."""

    server: UUID
    path: str


class UploadBegun(Message, frozen=True, kw_only=True):
    upload: str


class UploadPart(Message, frozen=True, kw_only=True):
    """Append; `offset` must be what was written so far, so that a repeated part is noticed."""

    upload: str
    offset: int
    data: bytes


class FinishUpload(Message, frozen=True, kw_only=True):
    """Put the written file in place of its target, atomically; or with `keep` false throw it away."""

    upload: str
    keep: bool = True


class MakeDirectory(Message, frozen=True, kw_only=True):
    server: UUID
    path: str


class DeleteFile(Message, frozen=True, kw_only=True):
    server: UUID
    path: str
    recursive: bool = True


class WriteConfig(Message, frozen=True, kw_only=True):
    """Set values in a config file now, whether the game runs or not."""

    server: UUID
    write: ConfigWrite


class RenameFile(Message, frozen=True, kw_only=True):
    server: UUID
    source: str
    target: str


class BeginArchive(Message, frozen=True, kw_only=True):
    """Start receiving an archive that an install step will unpack; finished by FinishUpload."""

    server: UUID
    name: str


Ask = (
    Apply
    | Remove
    | Announce
    | SendLine
    | ReadConsole
    | SearchConsole
    | FindPort
    | StatFile
    | ListFiles
    | ReadFile
    | BeginUpload
    | UploadPart
    | FinishUpload
    | MakeDirectory
    | DeleteFile
    | RenameFile
    | WriteConfig
    | BeginArchive
)
Answer = (
    Done
    | ConsoleRead
    | ConsoleFound
    | PortFound
    | FileEntry
    | FilesListed
    | FilePart
    | UploadBegun
    | Refusal
    | Enrolled
    | Welcome
    | Acknowledged
)

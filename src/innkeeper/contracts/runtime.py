"""What a runtime driver promises: to say how a game server's process is to be executed.

A runtime never starts anything itself: the keeper executes the plan, owns the terminal and reads the exit status,
whichever runtime made the plan. Knows nothing of packages, desired state or the wire.
"""

from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

import msgspec


class RuntimeRefused(Exception):
    """The server cannot be executed on this node; the message says why, for people."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a game server may use. None: not limited by us."""

    memory_mib: int | None = None
    cpu_percent: int | None = None
    """100 is one core."""
    processes: int | None = None
    open_files: int | None = None
    storage_mib: int | None = None
    """Of all its files together. A runtime keeps it for each single file; for all of them the node does."""


Bound = Literal["memory", "cpu", "processes"]


class Confined(msgspec.Struct, frozen=True, kw_only=True):
    """The control groups of one run, made and bounded."""

    folders: list[str] = []
    notes: list[str] = []
    """What of the limits the host would not take, a sentence each, for people."""


class Confinement(Protocol):
    """What bounds the use of a run's processes as a whole: the kernel's control groups."""

    @property
    def bounds(self) -> frozenset[Bound]:
        """What it can bound on this host."""
        ...

    def describe(self) -> str:
        """Return what bounds it, or why nothing does: half a sentence, for people."""
        ...

    def confine(self, server: UUID, run_id: str, limits: Limits) -> Confined:
        """Make the groups of a run, which its process then joins. Blocking, under 2 ms; what fails is noted."""
        ...


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One start of one game server, everything resolved for this node."""

    server: UUID
    number: int
    """The server's integer, unique in the installation: its own user id derives from it."""
    run_id: str
    argv: list[str]
    environment: dict[str, str]
    folder: Path
    """The server's own files, its working directory."""
    readable: list[Path] = []
    """Further folders it must be able to read: shared runtimes, tools."""
    hidden: list[Path] = []
    """Folders it must not see, whatever their modes say."""
    limits: Limits = Limits()
    rows: int = 40
    columns: int = 200


class Isolation(msgspec.Struct, frozen=True, kw_only=True):
    """What the process sees of the file system below the folders it may not traverse."""

    visible: list[tuple[str, str]]
    """(absolute path, "rw" or "ro")."""
    hide: list[str]
    user: str | None = None
    """Its user as a line of /etc/passwd, for programs that need a name; None where it has one."""


class ExecPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the keeper executes: nothing is inherited, everything is named here."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    uid: int | None = None
    """None: stay the user that we are."""
    gid: int | None = None
    umask: int = 0o027
    rlimits: dict[str, tuple[int, int]] = {}
    """By name without RLIMIT_ ("NOFILE"): (soft, hard)."""
    no_new_privs: bool = True
    isolation: Isolation | None = None
    cgroups: list[str] = []
    """Folders of control groups that the process joins before it is executed."""
    notes: list[str] = []
    """What of the limits is not kept in this run, a sentence each, for people."""
    rows: int = 40
    columns: int = 200


class Owner(msgspec.Struct, frozen=True):
    """The user and group that a server's files belong to."""

    uid: int
    gid: int


class Runtime(Protocol):
    """How the processes of one kind of server are executed."""

    name: str

    def owner(self, number: int) -> Owner | None:
        """Return who the files of server `number` belong to; None where everything stays ours (not root).

        Called before the server's folder is made, and by the jail for every file it creates. The answer for one
        number never changes on one node.
        """
        ...

    def shortcomings(self, limits: Limits) -> list[str]:
        """Return what of `limits` this host cannot keep, a sentence each, for people: shown with the server."""
        ...

    def plan(self, launch: Launch) -> ExecPlan:
        """Return how to execute `launch`.

        Called for every start, after the files are in place. Raises RuntimeRefused when the executable is missing
        or the limits cannot be kept; executing the plan may still fail, and then the keeper says why.
        """
        ...

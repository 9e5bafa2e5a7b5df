"""What an installer promises: to carry out one install step in a server's folder.

An installer touches the server's folder only through `Folder` (which the node's jail is), runs commands only through
`Place.run`, and reads archives only through `Source`. It refuses to know servers, users, and where anything lies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Protocol


class FolderError(Exception):
    """The folder refused; the text says why and may be shown to the user."""


class InstallFailed(Exception):
    """The step could not be carried out."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Upload(Protocol):
    """One file being written, seen by nobody until it is committed."""

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append; raises `FolderError` where there is no space or the limit is passed."""
        ...

    def commit(self) -> None:
        """Make the file appear under its name, whole, replacing what `begin_write` allowed it to replace."""
        ...

    def abort(self) -> None:
        """Remove what was written; does nothing after `commit`."""
        ...


class Stage(Protocol):
    """A hidden folder in the server's folder, in which something is prepared out of sight.

    On leaving the context it is removed, with what is still in it.
    """

    @property
    def path(self) -> str:
        """The path of the hidden folder, for the verbs of `Folder`."""
        ...

    def merge(self, source: str, into: str) -> None:
        """Move everything in the staged folder `source` into the folder `into`, replacing files, merging folders.

        All conflicts (a file where a folder is needed, or the reverse) are found before the first move: `FolderError`
        then means that nothing has moved.
        """
        ...


class Found(Protocol):
    """One thing met by `Source.walk`; good until the walk goes on."""

    @property
    def path(self) -> str:
        """The path beneath where the walk began, components parted by `/`."""
        ...

    @property
    def kind(self) -> str:
        """One of `file`, `directory`, `link`, `other`."""
        ...

    @property
    def mode(self) -> int:
        """The permission bits."""
        ...

    @property
    def size(self) -> int:
        """Bytes, of a file."""
        ...

    def open(self) -> BinaryIO:
        """Open the file for reading; the caller closes it. Raises `FolderError` where it is no plain file."""
        ...


class Source(Protocol):
    """A folder to read: no path and no link leads out of it, and nothing but plain files is opened."""

    def exists(self, path: str) -> bool:
        """Tell whether there is anything, a link that leads nowhere included, of this path."""
        ...

    def open_read(self, path: str) -> BinaryIO:
        """Open a plain file, unbuffered and seekable; the caller closes it. Raises `FolderError`."""
        ...

    def walk(self, path: str = "", max_depth: int | None = None) -> Iterator[Found]:
        """Give everything beneath a folder, each folder before its content, links never followed."""
        ...


class Folder(Source, Protocol):
    """The server's folder, as far as installers may use it.

    Paths are relative to the folder, parted by `/`. Files and folders made here belong to the server's user. All verbs
    block, may be called from any thread, and raise `FolderError`.
    """

    def begin_write(
        self,
        path: str,
        *,
        mode: int | None = None,
        modified: float | None = None,
        max_bytes: int | None = None,
        replace: bool = True,
        durable: bool = True,
    ) -> AbstractContextManager[Upload]:
        """Begin a file that appears whole on `commit`; leaving the context without it removes every trace."""
        ...

    def write(self, path: str, data: bytes, *, mode: int | None = None, replace: bool = True) -> None:
        """Write a whole file at once, atomically."""
        ...

    def make_directory(self, path: str, *, parents: bool = False) -> None:
        """Make a folder; with `parents`, the missing ones above it too, and no complaint where it exists."""
        ...

    def make_link(self, path: str, target: str) -> None:
        """Make a symbolic link; only relative targets that stay, by their text, within the folder are accepted."""
        ...

    def delete(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link itself, or an empty folder; with `recursive`, a folder with all beneath it."""
        ...

    def stage(self) -> AbstractContextManager[Stage]:
        """Make a hidden folder, out of the game's reach, to prepare something in."""
        ...


class Run(Protocol):
    """Run a command for an installer."""

    async def __call__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: timedelta) -> int:
        """Run to the end and give the exit code (-N for signal N); its lines of output are reported.

        It runs in a session of its own, with none of the daemon's environment but the host's proxy and certificate
        settings. On cancellation and on time-out it is killed with everything it started; `InstallFailed` says that
        the time ran out, or that the command could not be started.
        """
        ...


class RunAsServer(Protocol):
    """Run a command whose code is not ours: a vendor's installer."""

    async def __call__(
        self,
        argv: Sequence[str],
        timeout: timedelta,
        *,
        env: Mapping[str, str] = {},
        hear: Callable[[str], None] | None = None,
    ) -> int:
        """Run to the end and give the exit code (-N for signal N); each line of output goes to `hear`, or is reported.

        It runs in the server's folder, as the server's own user, in the view of the file system and under the limits
        that the game itself gets; it can gain no privileges, and has the network. What it is otherwise given, and how
        it is ended, is as with `Run`; whatever else runs under the server's own user is ended before and after.
        `InstallFailed` as there. Where the node has no users to give, it runs as the node.
        """
        ...


class Report(Protocol):
    """Tell the user how far it is."""

    def __call__(self, text: str, fraction: float | None = None) -> None:
        """Say one line; `fraction` is between 0 and 1 where it is known. Called on the event loop, never blocks."""
        ...


def _export_nothing(name: str, value: str) -> None:
    """Drop the value: this place has nobody to tell."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where and with what a step is carried out; the node gives it.

    - `folder`: the server's folder.
    - `shared`: a directory for content that many servers use, such as npm trees: world-readable, written by installers
      only, immutable once complete. Each installer keeps to `shared/<its name>` and `shared/<its name>-cache`.
    - `uploads`: the files that users have uploaded to be installed from, one level, named as the node named them.
    - `source`: gives the folder that holds an absolute path of this host, and the path within it; raises
      `InstallFailed` unless the administrator has opened a directory above it to imports.
    - `run`, `report`: see there.
    - `tool`: finds an executable (`node`, `npm`); raises `InstallFailed` where this node has none. `java` is of the
      major that the server needs. May block.
    - `home`, `as_server`: the absolute path of the server's folder, for command lines of `as_server` alone; see there.
    - `export`: names a value that the server's command line may use, such as where shared content lies.
    """

    folder: Folder
    shared: Path
    uploads: Source
    source: Callable[[str], tuple[Source, str]]
    run: Run
    report: Report
    tool: Callable[[str], Path]
    home: Path
    as_server: RunAsServer
    export: Callable[[str, str], None] = field(default=_export_nothing)


class Installer(Protocol):
    """One way to fill a server's folder."""

    @property
    def name(self) -> str:
        """The value of `uses` by which a step asks for this installer."""
        ...

    async def install(self, step: Mapping[str, Any], place: Place) -> None:
        """Carry out one step.

        Called when a server is created or reinstalled, with the server stopped; steps of one server come one after
        another, those of different servers at once. Afterwards everything the step asks for is there. May be called
        again with the same step, after success or failure, and then comes to the same result.
        Raises `InstallFailed`, and `FolderError` where the folder refused; the folder then holds nothing that is
        half-made. On cancellation it ends what it started, threads and processes, before it lets the cancellation out.
        """
        ...

"""Game servers as plain processes of this host, each under its own user where we are root.

Says which user, which limits and which part of the file system; executes nothing, and makes no user accounts: a uid
without a name is enough for the kernel, and only the game sees one. Memory, cpu and processes are bounded by the
control groups that it is given; where there are none, `shortcomings` and `describe` say so.
"""

import os
import resource
import stat
from collections.abc import Sequence
from pathlib import Path

from innkeeper.contracts.runtime import (
    Bound,
    Confined,
    Confinement,
    ExecPlan,
    Isolation,
    Launch,
    Limits,
    Owner,
    RuntimeRefused,
)

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games"
FIRST_UID = 1_900_000_000
LARGEST_NUMBER = 90_000_000
"""Above it uids would reach those of user name spaces of other programs."""
MIB = 1 << 20
_BOUNDS: tuple[Bound, ...] = ("memory", "cpu", "processes")


class ProcessRuntime:
    """The runtime `process`.

    `tools` are folders that every server may read (interpreters, and what `tool_binaries` holds on their PATH) even
    where they stand below a folder that its user may not enter. `first_uid` + number is a server's uid and gid;
    `as_root` None means: as this process is. `confinement` bounds what each run uses; None: nothing does.
    """

    name = "process"

    def __init__(
        self,
        *,
        tools: Sequence[Path] = (),
        tool_binaries: Sequence[Path] = (),
        first_uid: int = FIRST_UID,
        as_root: bool | None = None,
        confinement: Confinement | None = None,
    ) -> None:
        self._tools = [path for path in dict.fromkeys(tools) if path.is_dir()]
        self._path = ":".join([SYSTEM_PATH, *(str(path) for path in dict.fromkeys(tool_binaries))])
        self._first_uid = first_uid
        self._as_root = os.geteuid() == 0 if as_root is None else as_root
        self._confinement = confinement

    def owner(self, number: int) -> Owner | None:
        if not self._as_root:
            return None
        if not 0 <= number <= LARGEST_NUMBER:
            raise RuntimeRefused(f"server number {number} has no user id on this node")
        uid = self._first_uid + number
        return Owner(uid, uid)

    def plan(self, launch: Launch) -> ExecPlan:
        if not launch.argv or not launch.argv[0]:
            raise RuntimeRefused("the server has no command to execute")
        for text in (*launch.argv, *launch.environment, *launch.environment.values()):
            if "\0" in text:
                raise RuntimeRefused("the command or its environment holds a NUL character")
        owner = self.owner(launch.number)
        visible = [(launch.folder, "rw"), *((path, "ro") for path in (*launch.readable, *self._tools))]
        environment = self._environment(launch)
        executable = _find(launch.argv[0], launch.folder, environment["PATH"])
        if owner is not None:
            _require_reachable(executable, owner, [path for path, _ in visible])
        confined = Confined()
        if self._confinement is not None:  # last: a start that is refused leaves no group
            confined = self._confinement.confine(launch.server, launch.run_id, launch.limits)
        return ExecPlan(
            argv=[str(executable), *launch.argv[1:]],
            env=environment,
            cwd=str(launch.folder),
            uid=owner.uid if owner else None,
            gid=owner.gid if owner else None,
            rlimits=self._rlimits(launch.limits),
            isolation=Isolation(
                visible=[(str(path), mode) for path, mode in visible],
                hide=[str(path) for path in launch.hidden],
                user=f"server-{launch.number}:x:{owner.uid}:{owner.gid}::{_home(launch.folder)}:/bin/sh",
            )
            if owner
            else None,
            cgroups=confined.folders,
            notes=confined.notes,
            rows=launch.rows,
            columns=launch.columns,
        )

    def shortcomings(self, limits: Limits) -> list[str]:
        """Return what of `limits` will not be kept, one sentence each, for people."""
        bounds, notes = self._bounds, []
        if limits.memory_mib is not None and "memory" not in bounds:
            notes.append(f"the memory limit of {limits.memory_mib} MiB is not enforced by this node")
        if limits.cpu_percent is not None and "cpu" not in bounds:
            notes.append(f"the cpu limit of {limits.cpu_percent} % is not enforced by this node")
        if limits.processes is not None and "processes" not in bounds and not self._as_root:
            notes.append(f"the limit of {limits.processes} processes is not enforced: the node does not run as root")
        return notes

    def describe(self) -> list[str]:
        """Return how servers are held apart, one sentence each, for people."""
        if self._as_root:
            apart = [
                "Each server runs under a user id of its own and sees no other server's files.",
                "Servers can gain no privileges; their open files are limited.",
            ]
        else:
            apart = [
                "Servers run as the node's own user: they can read and change the node's files and each other's.",
                "Their open files are limited.",
            ]
        return [*apart, *self._describe_bounds()]

    def _describe_bounds(self) -> list[str]:
        by = self._confinement.describe() if self._confinement is not None else "there are no control groups"
        kept = [bound for bound in _BOUNDS if bound in self._bounds]
        told = []
        if kept:
            told.append(f"Limited by control groups ({by}): {', '.join(kept)}.")
        if self._as_root and "processes" not in kept:
            told.append("Limited by each server's user id: processes.")
            kept.append("processes")
        missing = [bound for bound in _BOUNDS if bound not in kept]
        if missing:
            told.append(f"Not limited: {', '.join(missing)}{'' if self._bounds else f' ({by})'}.")
        return told

    @property
    def _bounds(self) -> frozenset[Bound]:
        return self._confinement.bounds if self._confinement is not None else frozenset()

    def _environment(self, launch: Launch) -> dict[str, str]:
        return {
            "PATH": self._path,
            "HOME": str(launch.folder),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "USER": f"server-{launch.number}",
            "LOGNAME": f"server-{launch.number}",
            **launch.environment,
        }

    def _rlimits(self, limits: Limits) -> dict[str, tuple[int, int]]:
        rlimits = {"CORE": (0, 0)}
        if limits.open_files is not None:
            rlimits["NOFILE"] = _at_most(limits.open_files, resource.RLIMIT_NOFILE)
        if limits.storage_mib is not None:
            rlimits["FSIZE"] = _at_most(limits.storage_mib * MIB, resource.RLIMIT_FSIZE)
        # Counted per user: under our own user it would count our processes and every server's together.
        if limits.processes is not None and self._as_root:
            rlimits["NPROC"] = _at_most(limits.processes, resource.RLIMIT_NPROC)
        return rlimits


def _home(folder: Path) -> str:
    """Return the folder as a field of /etc/passwd, where a colon or a line's end cannot be told."""
    path = str(folder)
    return "/" if any(letter in path for letter in ":\n") else path


def _at_most(wanted: int, kind: int) -> tuple[int, int]:
    """Return (soft, hard), never above our own hard limit, which not even every root may raise."""
    hard = resource.getrlimit(kind)[1]
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    return value, value


def _find(name: str, folder: Path, search: str) -> Path:
    """Return the absolute path of the executable `name`, relative to `folder` where it holds a slash."""
    if "/" in name:
        path = Path(os.path.normpath(folder / name))
        if not path.exists():
            raise RuntimeRefused(f"{name} does not exist: the server is perhaps not installed")
        if not _is_executable(path):
            raise RuntimeRefused(f"{name} is not an executable file")
        return path
    for directory in search.split(":"):
        path = Path(directory) / name
        if directory.startswith("/") and _is_executable(path):
            return path
    raise RuntimeRefused(f"there is no program {name} on this node")


def _is_executable(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def _require_reachable(executable: Path, owner: Owner, visible: list[Path]) -> None:
    """Raise RuntimeRefused where `owner`, who has no other groups, could not execute `executable`."""
    roots = {root for path in visible for root in (path, path.resolve())}  # a data folder may have links in it
    for path in dict.fromkeys((executable, executable.resolve())):
        shown = [root for root in roots if root in path.parents]
        for step in (*reversed(path.parents), path):
            # What leads to a visible folder is replaced by a way that anybody may go.
            if not any(step in root.parents for root in shown) and not _may_execute(step, owner):
                raise RuntimeRefused(f"the server's user cannot execute {executable}: it may not enter {step}")


def _may_execute(path: Path, owner: Owner) -> bool:
    try:
        info = path.stat()
    except OSError as error:
        raise RuntimeRefused(f"{path} cannot be read: {error.strerror}") from error
    bit = 0o100 if info.st_uid == owner.uid else 0o010 if info.st_gid == owner.gid else 0o001
    return bool(info.st_mode & bit)

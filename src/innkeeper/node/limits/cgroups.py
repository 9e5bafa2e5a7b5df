"""Control groups: how memory, cpu and processes of each run are bounded, with cgroup v1 or v2, whichever the host has.

    …/innkeeper-LABEL/UUID.RUN      beneath our own group: in each controller's tree with v1, in the only one with v2

LABEL stands for the data folder, so that each node finds its own groups again, whatever group it is started in. A group
is made here before the run; the game's process joins it, and the keeper removes it in the end (`keeper.groups`). With
v2 a group that is divided among others may hold no process: see `_bases` for how a place is found, and for systemd.

Refuses to know desired states and keepers. Whatever is not permitted is done without, and told.
"""

import errno
import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

from innkeeper.contracts.runtime import Bound, Confined, Limits
from innkeeper.node.keeper import groups

log = structlog.get_logger(__name__)

LEAF = "innkeeper"
"""With v2: the group of our own processes, beside those of the servers. systemd's `DelegateSubgroup=` names it."""
PERIOD_US = 100_000
SHARE = 1024
"""What one process weighs in the cpu controller of version 1."""
MIB = 1 << 20
_ROUNDS = 5
_CONTROLLERS: dict[str, Bound] = {"memory": "memory", "cpu": "cpu", "pids": "processes"}
_UNITS = (".service", ".scope", ".slice")
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Tree(Protocol):
    """One version of control groups, with a place in it that is ours."""

    name: str
    bounds: frozenset[Bound]

    @property
    def places(self) -> list[Path]:
        """The folders in which the groups of runs are made."""
        ...

    def make(self, name: str, limits: Limits) -> Confined:
        """Make the groups of one run; what fails is noted."""
        ...


class Version1:
    """A tree for each controller. `places`: controller → our folder in its tree, each of which exists."""

    name = "cgroup v1"

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = dict(places)
        self.bounds = frozenset(_CONTROLLERS[controller] for controller in places)

    @property
    def places(self) -> list[Path]:
        return list(self._places.values())

    def make(self, name: str, limits: Limits) -> Confined:
        """Make a group in each tree where something is to be bounded, and always for processes and for a share of cpu.

        Without the latter a thousand busy processes of one game would have a thousand shares, and the node one.
        """
        folders, notes = [], []
        bounded = {
            "memory": limits.memory_mib and (lambda folder: _bound_memory(folder, limits.memory_mib or 0)),
            "cpu": lambda folder: _bound_cpu(folder, limits),
            "pids": lambda folder: _write(folder / "pids.max", _most_processes(limits)),
        }
        for controller, place in self._places.items():
            bound = bounded[controller]
            if not callable(bound):
                continue
            folder = place / name
            try:
                _make(folder, partial(_make_place, controller, place))
                folders.append(str(folder))
                bound(folder)
            except OSError as error:
                notes.append(_failed(_CONTROLLERS[controller], error))
        return Confined(folders=folders, notes=notes)


class Version2:
    """One tree. `place`: our folder in it, which exists and gives `controllers` on to what is within."""

    name = "cgroup v2"

    def __init__(self, place: Path, controllers: Collection[str]) -> None:
        self._place = place
        self._controllers = frozenset(controllers)
        self.bounds = frozenset(_CONTROLLERS[controller] for controller in controllers)

    @property
    def places(self) -> list[Path]:
        return [self._place]

    def make(self, name: str, limits: Limits) -> Confined:
        """Make one group, with whatever is bounded."""
        folder = self._place / name
        try:
            _make(folder, self._make_place)
        except OSError as error:
            return Confined(notes=[_failed(bound, error) for bound in sorted(self.bounds)])
        wanted: dict[Bound, tuple[str, str]] = {"processes": ("pids.max", _most_processes(limits))}
        if limits.memory_mib:
            # Both missing on some hosts: without swap there is none to use, without the other one process is killed.
            _try_write(folder / "memory.swap.max", "0")
            _try_write(folder / "memory.oom.group", "1")
            wanted["memory"] = ("memory.max", str(limits.memory_mib * MIB))
        if limits.cpu_percent:
            wanted["cpu"] = ("cpu.max", f"{_quota(limits)} {PERIOD_US}")
        notes = []
        for bound, (file, value) in wanted.items():
            if bound not in self.bounds:
                continue
            try:
                _write(folder / file, value)
            except OSError as error:
                notes.append(_failed(bound, error))
        return Confined(folders=[str(folder)], notes=notes)

    def _make_place(self) -> None:
        self._place.mkdir(exist_ok=True)
        _give_on(self._place, self._controllers)


class ControlGroups:
    """Keeps `contracts.runtime.Confinement` for one node. `tree` None: nothing is bounded, and `reason` says why.

    Its methods block and may be called from any thread, one server's one at a time.
    """

    def __init__(self, tree: Tree | None, reason: str = "") -> None:
        self._tree = tree
        self._reason = reason
        self._last: dict[UUID, list[str]] = {}

    @property
    def bounds(self) -> frozenset[Bound]:
        return self._tree.bounds if self._tree is not None else frozenset()

    @property
    def places(self) -> list[Path]:
        """The folders in which the groups of runs are made."""
        return self._tree.places if self._tree is not None else []

    def describe(self) -> str:
        return self._tree.name if self._tree is not None else self._reason

    def confine(self, server: UUID, run_id: str, limits: Limits) -> Confined:
        """Make the groups of a run; those of an earlier one of this server that was never begun are removed."""
        self.forget(server)
        if self._tree is None:
            return Confined()
        made = self._tree.make(f"{server}.{run_id}", limits)
        self._last[server] = made.folders
        return made

    def forget(self, server: UUID) -> None:
        """Remove the groups that were made last for the server, unless something lives in them."""
        for folder in self._last.pop(server, ()):
            _remove_empty(folder)

    def sweep(self, alive: Collection[UUID]) -> int:
        """Remove what earlier lives of the node left, with all that lives within; `alive` are not touched.

        Returns how many groups were removed. To be called while no server is being started.
        """
        found: dict[str, list[str]] = {}
        for place in self.places:
            for folder in _folders_of(place):
                if _server_of(folder.name) not in alive:
                    found.setdefault(folder.name, []).append(str(folder))
        for name, folders in found.items():
            left = groups.end(folders)
            log.info("cgroups.left_over.removed", group=name, left=left)
        return len(found)

    def close(self) -> None:
        """Remove our folders, where they are empty: a node that keeps nothing leaves nothing behind."""
        for server in list(self._last):
            self.forget(server)
        for place in self.places:
            _remove_empty(str(place))


class _Mount(NamedTuple):
    kind: str
    root: Path
    point: Path
    options: frozenset[str]


def detect(data: Path, *, process: Path = Path("/proc/self"), as_root: bool | None = None) -> ControlGroups:
    """Return the control groups of the node that keeps `data`, found by what `process` says of itself. Blocking."""
    label = f"{LEAF}-{hashlib.blake2b(os.fsencode(data.absolute()), digest_size=6).hexdigest()}"
    try:
        mounts = list(_mounts(process / "mountinfo"))
        own = _own_groups(process / "cgroup")
    except (OSError, ValueError) as error:
        return ControlGroups(None, f"the host's control groups cannot be read: {error}")
    reasons: list[str] = []
    root = os.geteuid() == 0 if as_root is None else as_root
    tree = _version2(mounts, own, label, root, reasons.append) or _version1(mounts, own, label, reasons.append)
    if tree is None:
        log.info("cgroups.missing", reasons=reasons)
        return ControlGroups(None, reasons[0] if reasons else "this host has no control groups")
    log.info("cgroups.found", version=tree.name, places=[str(place) for place in tree.places])
    return ControlGroups(tree)


def _version1(mounts: list[_Mount], own: Mapping[str, Path], label: str, note: Callable[[str], None]) -> Tree | None:
    places = {}
    for controller in _CONTROLLERS:
        mount = next((one for one in mounts if one.kind == "cgroup" and controller in one.options), None)
        if mount is None or controller not in own:
            continue
        place = _beneath(mount, own[controller]) / label
        try:
            _make_place(controller, place)
        except OSError as error:
            note(f"the node may not make control groups: {error.strerror}")
        else:
            places[controller] = place
    return Version1(places) if places else None


def _make_place(controller: str, place: Path) -> None:
    """Make our folder of version 1; all games together weigh there as one busy process for each processor."""
    place.mkdir(exist_ok=True)
    if controller == "cpu":
        _try_write(place / "cpu.shares", str(SHARE * (os.cpu_count() or 1)))


def _version2(
    mounts: list[_Mount], own: Mapping[str, Path], label: str, as_root: bool, note: Callable[[str], None]
) -> Tree | None:
    mount = next((one for one in mounts if one.kind == "cgroup2"), None)
    if mount is None or "" not in own:
        return None
    mine = _beneath(mount, own[""])
    for base in _bases(mine, mount.point, as_root):
        controllers = _controllers(base / "cgroup.controllers")
        if not controllers:  # a hybrid host: they are with v1
            continue
        try:
            _divide(base, controllers, mine)
            place = base / label
            place.mkdir(exist_ok=True)
            _give_on(place, controllers)
        except OSError as error:
            note(f"the node may not divide its control group: {error.strerror}")
            log.info("cgroups.place.refused", place=str(base), error=str(error))
            continue
        given = _controllers(place / "cgroup.subtree_control")
        if given:
            return Version2(place, given)
    note("no control group is delegated to the node")
    return None


def _bases(mine: Path, top: Path, as_root: bool) -> list[Path]:
    """Return where our folder may be with v2, best first.

    A unit of systemd is left as it is: dividing a service's group that its next start has to begin in would make that
    start fail as long as a game lives. With `Delegate=yes` and `DelegateSubgroup=innkeeper` we are beside the servers
    from the beginning. Without, root has a group at the top, as container engines without systemd's help do.
    """
    bases = []
    if mine.name == LEAF and mine != top:
        bases.append(mine.parent)
    elif mine.suffix not in _UNITS:
        bases.append(mine)
    if as_root and top not in bases:
        bases.append(top)
    return bases


def _divide(base: Path, controllers: Collection[str], mine: Path) -> None:
    """Have `base` give controllers on; where our own processes are in its way they move to a leaf. Raises OSError."""
    try:
        _give_on(base, controllers)
    except OSError as error:
        if error.errno != errno.EBUSY or base != mine:
            raise
        leaf = base / LEAF
        leaf.mkdir(exist_ok=True)
        for _ in range(_ROUNDS):  # some may be forking
            for pid in groups.members([str(base)]):
                _try_write(leaf / "cgroup.procs", str(pid))
        _give_on(base, controllers)


def _give_on(folder: Path, controllers: Collection[str]) -> None:
    file = folder / "cgroup.subtree_control"
    missing = sorted(set(controllers) - _controllers(file))
    if missing:
        _write(file, " ".join(f"+{controller}" for controller in missing))


def _controllers(file: Path) -> set[str]:
    try:
        words = file.read_text().split()
    except OSError:
        return set()
    return {word.removeprefix("+") for word in words} & _CONTROLLERS.keys()


def _mounts(file: Path) -> Iterator[_Mount]:
    """Read mountinfo (proc(5)): "36 35 98:0 /root /point options - kind source options"."""
    for line in file.read_text().splitlines():
        before, _, after = line.partition(" - ")
        words, more = before.split(), after.split()
        if len(words) >= 5 and more and more[0] in ("cgroup", "cgroup2"):
            yield _Mount(more[0], _path(words[3]), _path(words[4]), frozenset(more[-1].split(",")))


def _path(text: str) -> Path:
    return Path(_ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), text))


def _own_groups(file: Path) -> dict[str, Path]:
    """Return controller → path of our group; the name of v2's is empty."""
    found = {}
    for line in file.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), Path(path)))
    return found


def _beneath(mount: _Mount, group: Path) -> Path:
    """Return where a group is seen; the mount's own place where it is not seen from here."""
    try:
        return mount.point / group.relative_to(mount.root)
    except ValueError:
        return mount.point


def _bound_memory(folder: Path, mib: int) -> None:
    """Bound memory, and memory with swap: the second may never be below the first."""
    value = str(mib * MIB)
    _write(folder / "memory.limit_in_bytes", value)
    if not _try_write(folder / "memory.memsw.limit_in_bytes", value):  # swap is not counted on this host
        _try_write(folder / "memory.swappiness", "0")


def _bound_cpu(folder: Path, limits: Limits) -> None:
    if limits.cpu_percent:
        _write(folder / "cpu.cfs_quota_us", _quota(limits))


def _quota(limits: Limits) -> str:
    return str((limits.cpu_percent or 0) * PERIOD_US // 100)


def _most_processes(limits: Limits) -> str:
    return str(limits.processes) if limits.processes is not None else "max"


def _make(folder: Path, make_place: Callable[[], None]) -> None:
    """Make the group of a run; what it is made in is made again where whoever stopped all servers took it away."""
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        make_place()
        folder.mkdir(exist_ok=True)


def _write(file: Path, value: str) -> None:
    # The kernel makes no files here; a plain folder, in tests, does.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _try_write(file: Path, value: str) -> bool:
    try:
        _write(file, value)
    except OSError as error:
        log.debug("cgroups.write.refused", file=str(file), error=str(error))
        return False
    return True


def _failed(bound: Bound, error: OSError) -> str:
    return f"the {bound} limit could not be set: {error.strerror}"


def _folders_of(place: Path) -> list[Path]:
    try:
        return [path for path in place.iterdir() if path.is_dir()]
    except OSError:
        return []


def _server_of(name: str) -> UUID | None:
    try:
        return UUID(name.partition(".")[0])
    except ValueError:
        return None


def _remove_empty(folder: str) -> None:
    try:
        Path(folder).rmdir()
    except OSError as error:  # gone already, or somebody lives in it
        log.debug("cgroups.remove.refused", folder=folder, error=str(error))

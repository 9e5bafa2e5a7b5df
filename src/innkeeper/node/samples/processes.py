"""What trees of processes use, from one pass over /proc.

A tree is everything that descends from a game's process, or from its keeper: the keeper is the reaper of whatever a
game leaves orphaned. Knows nothing of servers; spawns nothing.

Only processes of the trees asked for are read at each pass. Others are looked at once: a process that is no descendant
never becomes one. Every `FULL_EVERY` passes, and when a tree is new, all are read again, since process ids are reused.
"""

import os
from collections.abc import Collection, Hashable, Mapping
from typing import Generic, TypeVar

import msgspec

FULL_EVERY = 12
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")
_JAVA = b"(java)"

Key = TypeVar("Key", bound=Hashable)


class Tree(msgspec.Struct, frozen=True):
    """Where a tree begins. The keeper itself is not counted."""

    game: int
    keeper: int | None = None


class Usage(msgspec.Struct, frozen=True):
    """What one tree used; `cpu_seconds` includes what ended children had used."""

    cpu_seconds: float
    memory_bytes: int
    """Resident memory, added up: pages that processes of the tree share are counted for each."""
    processes: int
    java: tuple[int, ...] = ()
    """The processes that call themselves as a Java virtual machine does."""


class _Stat(msgspec.Struct, gc=False):
    parent: int
    cpu_ticks: int
    pages: int
    is_java: bool


class ProcessTable(Generic[Key]):
    """Remembers between passes which processes are none of ours. Not safe to call from two threads at once."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = root
        self._foreign: set[int] = set()
        self._owners: dict[int, Key | None] = {}
        """Whose tree each process was of at the last pass."""
        self._trees: Mapping[Key, Tree] = {}
        self._passes = 0

    def read(self, trees: Mapping[Key, Tree], only: Collection[Key] | None = None) -> dict[Key, Usage]:
        """Return what each of `trees`, or of `only` some of them, uses now; trees that have ended are left out.

        Blocking, about 10 µs a process read.
        """
        if not trees:
            self._trees, self._foreign, self._owners = {}, set(), {}
            return {}
        wanted = trees.keys() if only is None else trees.keys() & only
        if trees != self._trees or (only is None and self._passes % FULL_EVERY == 0):
            self._foreign.clear()
            self._owners = {}
        self._trees = dict(trees)
        self._passes += only is None
        roots = {tree.game: key for key, tree in trees.items()}
        keepers = {tree.keeper: key for key, tree in trees.items() if tree.keeper is not None}
        there = {int(name) for name in os.listdir(self._root) if name.isdigit()}
        self._foreign &= there
        left_out: dict[int, Key | None] = {}
        if only is not None:
            left_out = {
                pid: key
                for pid, key in self._owners.items()
                if key is not None and key not in wanted and pid in there and pid not in keepers
            }
        read = there - self._foreign - keepers.keys() - left_out.keys()
        table = {pid: stat for pid in read if (stat := self._stat(pid)) is not None}
        owners: dict[int, Key | None] = {**left_out, **roots, **keepers}
        totals: dict[Key, list[int]] = {}
        java: dict[Key, tuple[int, ...]] = {}
        self._owners = owners
        for pid, stat in table.items():
            key = _owner(pid, table, owners)
            if key is None:
                self._foreign.add(pid)
                continue
            total = totals.setdefault(key, [0, 0, 0])
            total[0] += stat.cpu_ticks
            total[1] += stat.pages
            total[2] += 1
            if stat.is_java:
                java[key] = (*java.get(key, ()), pid)
        return {
            key: Usage(ticks * _TICK, pages * _PAGE, count, java.get(key, ()))
            for key, (ticks, pages, count) in totals.items()
            if key in wanted
        }

    def _stat(self, pid: int) -> _Stat | None:
        try:
            descriptor = os.open(f"{self._root}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
            try:
                line = os.read(descriptor, 4096)
            finally:
                os.close(descriptor)
        except OSError:
            return None  # ended meanwhile
        # The name may hold anything, blanks and parentheses included; what follows its end is numbers.
        end = line.rfind(b")") + 1
        fields = line[end + 1 :].split(b" ", 22)
        if len(fields) < 22 or fields[0] in (b"Z", b"X"):
            return None
        is_java = line.endswith(_JAVA, 0, end)
        return _Stat(int(fields[1]), sum(map(int, fields[11:15])), int(fields[21]), is_java)


def _owner(pid: int, table: Mapping[int, _Stat], owners: dict[int, Key | None]) -> Key | None:
    """Return whose tree `pid` is of, noting it in `owners` for every process on the way."""
    way = []
    while pid not in owners:
        way.append(pid)
        stat = table.get(pid)
        if stat is None or stat.parent == 0 or len(way) > len(table):
            owners[pid] = None
            break
        pid = stat.parent
    key = owners[pid]
    for step in way:
        owners[step] = key
    return key

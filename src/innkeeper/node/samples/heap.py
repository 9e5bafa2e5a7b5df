"""How full the heap of a Java virtual machine is, from the counters that it keeps in a file; nothing is attached to it.

The file (`hsperfdata_USER/PID` in the machine's own temporary folder) is written by the game, which is hostile: it is
found beneath the process's own root without following a link, is read once and bounded, and whatever is wrong with it
means that nothing is known. Knows no servers; blocks.
"""

import errno
import os
import stat
import struct
from pathlib import Path

import msgspec

from innkeeper.node.files import syscalls

LARGEST_FILE = 1 << 20
MOST_COUNTERS = 4096
MOST_ENTRIES = 4096
"""Entries of a temporary folder that are looked at."""
LONGEST_PAUSE = 12
"""Readings after which a process that keeps no such file is tried again, at the longest."""

_MAGIC = b"\xca\xfe\xc0\xc0"
_FOLDER = "hsperfdata_"
_ENTRY_HEADER = 20
_UNLIMITED = 1 << 48
"""Bytes: no heap is so large, whatever a file says."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Heap(msgspec.Struct, frozen=True):
    """A heap. Figures move when the machine collects garbage, not before."""

    used: int
    """Bytes, of all generations."""
    most: int | None
    """Bytes it may grow to; None where the machine does not say."""


class Damaged(ValueError):
    """The bytes are not what a Java virtual machine writes."""


class _Known(msgspec.Struct):
    """What is remembered of a process."""

    folder: str | None = None
    """The name of the folder that its file is in, once found."""
    pid: str = ""
    """Its process id as it knows it itself."""
    pause: int = 0
    left: int = 0
    """Readings to leave out before the next try."""


class HeapReader:
    """Reads heaps, and remembers of each process where its file is. Not safe to call from two threads at once.

    `beneath`: whether the kernel resolves paths for us; None finds out.
    """

    def __init__(self, root: str = "/proc", *, beneath: bool | None = None) -> None:
        self._root = root
        self._beneath = syscalls.openat2_works() if beneath is None else beneath
        self._known: dict[int, _Known] = {}

    def keep(self, processes: set[int]) -> None:
        """Forget all but these processes."""
        for pid in self._known.keys() - processes:
            del self._known[pid]

    def read(self, pid: int) -> Heap | None:
        """Return the heap of a process, None where it has none or does not tell."""
        known = self._known.setdefault(pid, _Known())
        if known.left > 0:
            known.left -= 1
            return None
        try:
            found = heap_of(self._content(pid, known))
        except (OSError, Damaged):
            # Not there yet, switched off, gone, or not what it should be: it is looked for again, ever more rarely.
            known.folder = None
            known.pause = known.left = min(known.pause * 2 + 1, LONGEST_PAUSE)
            return None
        known.pause = 0
        return found

    def _content(self, pid: int, known: _Known) -> bytes:
        owner = Path(self._root, str(pid)).stat().st_uid
        root = os.open(f"{self._root}/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if known.folder is None:
                known.pid = self._own_pid(pid)
                known.folder = self._find_folder(root, known.pid, owner)
            descriptor = self._open(root, ["tmp", known.folder, known.pid], _FILE)
        finally:
            os.close(root)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != owner or found.st_size > LARGEST_FILE:
                raise Damaged("not a plain file of its own")
            return os.pread(descriptor, LARGEST_FILE, 0)
        finally:
            os.close(descriptor)

    def _own_pid(self, pid: int) -> str:
        with Path(self._root, str(pid), "status").open("rb") as file:
            for line in file:
                if line.startswith(b"NSpid:"):
                    return line.split()[-1].decode()
        return str(pid)

    def _find_folder(self, root: int, pid: str, owner: int) -> str:
        temporary = self._open(root, ["tmp"], _DIRECTORY)
        try:
            with os.scandir(temporary) as entries:
                for _, entry in zip(range(MOST_ENTRIES), entries, strict=False):
                    if entry.name.startswith(_FOLDER) and entry.stat(follow_symlinks=False).st_uid == owner:
                        path = f"{entry.name}/{pid}"
                        try:
                            os.stat(path, dir_fd=temporary, follow_symlinks=False)
                        except OSError:
                            continue
                        return entry.name
        finally:
            os.close(temporary)
        raise FileNotFoundError(errno.ENOENT, "it keeps no counters")

    def _open(self, root: int, parts: list[str], flags: int) -> int:
        """Open a path beneath `root` without following any link."""
        if self._beneath:
            rules = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_MAGICLINKS | syscalls.RESOLVE_NO_SYMLINKS
            return syscalls.openat2(root, os.fsencode("/".join(parts)), flags, rules)
        held = root
        for part in parts[:-1]:
            step = os.open(part, os.O_PATH | _DIRECTORY, dir_fd=held)
            if held != root:
                os.close(held)
            held = step
        try:
            return os.open(parts[-1], flags, dir_fd=held)
        finally:
            if held != root:
                os.close(held)


def heap_of(content: bytes) -> Heap:
    """Return the heap that a file of counters tells of. Raises Damaged.

    `most` is what `-Xmx` says, else the sum of what each generation may grow to; generations that share one heap state
    the whole of it each.
    """
    numbers, texts = _counters(content)
    generations = {name: value for name, value in numbers.items() if name.startswith("sun.gc.generation.")}
    spaces = [value for name, value in generations.items() if ".space." in name and name.endswith(".used")]
    if not spaces or min(spaces) < 0 or sum(spaces) > _UNLIMITED:
        raise Damaged("no generation tells what is used of it")
    sizes = [
        size
        for name, size in generations.items()
        if name.endswith(".maxCapacity") and ".space." not in name and 0 < size < _UNLIMITED
    ]
    told = _largest_heap(texts.get("java.rt.vmArgs", ""))
    summed = sizes[0] if len(set(sizes)) == 1 else sum(sizes)
    return Heap(sum(spaces), told or (summed if 0 < summed < _UNLIMITED else None))


def _largest_heap(arguments: str) -> int | None:
    """Return what the last -Xmx of a command line means, in bytes."""
    found = None
    for word in arguments.split():
        text = word.removeprefix("-Xmx") if word.startswith("-Xmx") else word.removeprefix("-XX:MaxHeapSize=")
        if text == word or not text:
            continue
        unit = {"k": 10, "m": 20, "g": 30, "t": 40}.get(text[-1].lower())
        digits = text[:-1] if unit is not None else text
        if digits.isascii() and digits.isdigit() and len(digits) < 16:
            found = int(digits) << (unit or 0)
    return found if found is not None and 0 < found < _UNLIMITED else None


def _counters(content: bytes) -> tuple[dict[str, int], dict[str, str]]:
    """Return all counters that are whole numbers, and all that are texts."""
    if len(content) < 32 or content[:4] != _MAGIC or content[4] not in (0, 1):
        raise Damaged("it does not begin as such a file does")
    order = "<" if content[4] == 1 else ">"
    at, count = struct.unpack_from(f"{order}ii", content, 24)
    if not 0 <= count <= MOST_COUNTERS:
        raise Damaged("it has too many counters")
    numbers: dict[str, int] = {}
    texts: dict[str, str] = {}
    for _ in range(count):
        if not 0 <= at <= len(content) - _ENTRY_HEADER:
            raise Damaged("a counter is beyond its end")
        length, name_at, items, kind, _, _, _, value_at = struct.unpack_from(f"{order}iiiBBBBi", content, at)
        if length < _ENTRY_HEADER or length > len(content) - at or not _ENTRY_HEADER <= name_at < length:
            raise Damaged("a counter is longer than its file")
        end = content.find(b"\0", at + name_at, at + length)
        if end < 0 or not 0 <= value_at <= length:
            raise Damaged("a counter has no name, or no value")
        name, start = content[at + name_at : end].decode("latin-1"), at + value_at
        if kind == ord("J") and items == 0 and value_at <= length - 8:
            numbers[name] = struct.unpack_from(f"{order}q", content, start)[0]
        elif kind == ord("B") and 0 < items <= length - value_at:
            texts[name] = content[start : start + items].split(b"\0", 1)[0].decode("latin-1")
        at += length
    return numbers, texts

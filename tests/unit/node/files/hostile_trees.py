"""What a hostile game may keep in its folder, what lies outside, and a process that swaps one for links to the other.

Whatever is outside bears marks by which a leak is known: names and contents that hold `MARK`, a size and a time that
nothing else has, and access times that any reading of it would move.
"""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OWNER = (12345, 12345) if os.geteuid() == 0 else None
MARK = "THE-CANARYS-SECRET"
MARKED_SIZE = 48_611
MARKED_TIME = 1_234_567_890
SWAPPER = Path(__file__).with_name("swapper.py")
LINKED = "linked"
"""What is called so outside may have further names inside, which may be taken away again."""

ODD_NAMES = [
    b"a\nb",
    b"\xff\xfe\x80",
    b"x" * 255,
    b"-rf",
    b"--",
    b"caf\xe9",
    "\u202e".encode(),
    "e\u0301".encode(),
    "\U0010fe80".encode(),
    b"\\..\\..",
    b"...",
    b" ",
    b"$(x)",
    b"%2e%2e",
    b"\x1b[31m",
]
LINKS = {
    "to-folder": "{outside}",
    "to-file": "{outside}/canary",
    "climbing": "../outside",
    "climbing-far": "tree/../../outside/folder",
    "chain-0": "chain-1",
    "chain-1": "tree/chain-2",
    "loop-1": "loop-2",
    "loop-2": "tree/../loop-1",
    "itself": "itself",
    "itself-below": "itself-below/x",
    "dangling": "{outside}/missing",
    "proc-root": "/proc/self/root{outside}",
    "proc-cwd": "/proc/self/cwd",
    "proc-fd": "/proc/self/fd",
    "proc-first": "/proc/1/root",
    "proc": "/proc",
    "to-proc": "proc/self/root",
    "root": "/",
    "parent": "..",
    "here": ".",
    "back-in": "../house/tree",
    "absolute-inside": "{root}/tree",
    "inside": "tree/a",
}
NAMES = [
    *LINKS,
    *("tree", "a", "b", "canary", "folder", "new", "missing", "out", "out-file", "hard", "pipe", "socket"),
    *("character-device", "block-device", "plain", "flip", "nested", "moving", "flip-file", "self", "fd", "etc", "cwd"),
    *("..", ".", "chain-2", "deep", "many", "copied"),
]


class Outside:
    """A directory beside the jail; `changes` tells what is no longer byte for byte and bit for bit what it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "folder").mkdir(parents=True)
        for place in (path, path / "folder"):
            for name in ("canary", f"{MARK}-unseen"):
                (place / name).write_bytes(f"{MARK} ".encode().ljust(MARKED_SIZE, b"#"))
            (place / f"{MARK}-folder").mkdir()
        (path / LINKED).write_bytes(MARK.encode())
        for place in sorted([path, *path.rglob("*")]):
            if OWNER is not None:
                os.chown(place, 4711, 4712)
            place.chmod(0o711 if place.is_dir() else 0o640)
            # A time of access before that of change is what `relatime` moves at the next access.
            os.utime(place, (MARKED_TIME - 1000, MARKED_TIME))
        os.utime(path / LINKED, (1000, 2000))
        self._times = _accesses_are_noted(path.parent)
        self.before = self.picture()

    def picture(self) -> dict[str, tuple[object, ...]]:
        """Describe all of it, without leaving a trace."""
        found: dict[str, tuple[object, ...]] = {}
        waiting = [self.path]
        while waiting:
            path = waiting.pop()
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME)
            try:
                status = os.fstat(descriptor)
                if stat.S_ISDIR(status.st_mode):
                    names = sorted(os.listdir(descriptor))
                    waiting.extend(path / name for name in names)
                    content: object = names
                else:
                    content = os.pread(descriptor, MARKED_SIZE + 1, 0)
            finally:
                os.close(descriptor)
            links = status.st_nlink if path.name != LINKED else None
            looked = status.st_atime_ns if self._times else None
            rights = (status.st_mode, status.st_uid, status.st_gid)
            found[str(path)] = (status.st_ino, rights, status.st_mtime_ns, looked, links, content)
        return found

    def changes(self) -> list[str]:
        """Name whatever is different, is gone or has come."""
        now = self.picture()
        return sorted(path for path in self.before.keys() | now.keys() if self.before.get(path) != now.get(path))


def _accesses_are_noted(folder: Path) -> bool:
    """Tell whether this file system moves access times."""
    probe = folder / "probe"
    probe.write_bytes(b"x")
    os.utime(probe, (1000, 2000))
    probe.read_bytes()
    noted = probe.stat().st_atime != 1000
    probe.unlink()
    return noted


def build(root: Path, outside: Path) -> None:
    """Fill `root`, which exists, with all that is bad."""
    for name, target in LINKS.items():
        (root / name).symlink_to(target.format(outside=outside, root=root))
    (root / "plain").write_bytes(b"plain")
    tree = root / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "chain-2").symlink_to("../../outside")
    for folder in (tree, tree / "a" / "b"):
        (folder / "out").symlink_to(outside)
        (folder / "out-file").symlink_to(outside / "canary")
        (folder / f".innkeeper.{'d' * 32}.part").symlink_to(outside / "canary")
        (folder / f".innkeeper.{'e' * 32}.trash").symlink_to(outside)
        left = folder / f".innkeeper.{'f' * 32}.stage"
        left.mkdir()
        (left / "out").symlink_to(outside)
    previous = "to-folder"
    for number in range(45):
        (tree / f"long-{number}").symlink_to(f"../{previous}" if number == 0 else previous)
        previous = f"long-{number}"
    for folder in (root, tree / "a"):
        _special(folder)
        if OWNER is not None:
            # A game may have a second name of a file that it cannot read, where the kernel protects no hard links.
            os.link(outside / LINKED, folder / "hard")
            os.link(outside / LINKED, folder / f".innkeeper.{'c' * 32}.part")
    for name in ODD_NAMES:
        (root / os.fsdecode(name)).symlink_to(outside)
        (tree / os.fsdecode(name)).write_bytes(b"odd")
        (tree / "a" / os.fsdecode(name)).mkdir()


def _special(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    descriptor = os.open(folder, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{descriptor}/socket")
    finally:
        os.close(descriptor)
    if OWNER is not None:
        with suppress(PermissionError):
            os.mknod(folder / "character-device", stat.S_IFCHR | 0o666, os.makedev(1, 5))  # zeros without end
            os.mknod(folder / "block-device", stat.S_IFBLK | 0o666, os.makedev(7, 0))


def build_many(folder: Path, count: int) -> None:
    """Make a folder of so many names."""
    folder.mkdir()
    for name in map(str, range(min(count, 10))):
        (folder / name).touch()
    for number in range(10, count):
        # A file has so many names at most.
        os.link(folder / str(number % 10), folder / str(number))


def build_deep(folder: Path, depth: int, outside: Path) -> None:
    """Make a chain of folders called `d`, each with a link out and a file, deeper than any path."""
    folder.mkdir()
    descriptor = os.open(folder, os.O_PATH)
    for _ in range(depth):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_PATH, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
        os.symlink(outside, "out", dir_fd=descriptor)
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)


@contextmanager
def swapping(root: Path, outside: Path, parking: Path) -> Iterator[None]:
    """Let another process swap `flip`, `flip/nested` and `flip/canary` for links to outside, as fast as it can.

    `moving` goes out to `parking` and comes back, besides. The block begins once it swaps.
    """
    command = [sys.executable, "-I", "-S", str(SWAPPER), str(root), str(outside), str(parking)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"swapping\n"
            yield
            assert process.poll() is None, "the hostile process has ended"
        finally:
            process.kill()

"""Every verb of the jail against trees that a hostile game might make, and while it swaps folders for links."""

import fcntl
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from innkeeper.node.files import syscalls
from innkeeper.node.files.entries import Kind
from innkeeper.node.files.errors import JailError, NotPermitted
from innkeeper.node.files.jail import Jail
from innkeeper.node.files.resolve import Resolver, WalkingResolver
from tests.unit.node.files.conftest import SECRET, Outside

OWNER = (12345, 12345) if os.geteuid() == 0 else None


def _collect(jail: Jail, path: str) -> bytes:
    """Read everything that a walk of `path` lets be opened."""
    read = b""
    for found in jail.walk(path):
        try:
            with found.open() as file:
                read += file.read()
        except JailError:
            continue
    return read


def _upload(jail: Jail, path: str) -> None:
    with jail.begin_write(path, durable=False) as upload:
        upload.write(b"written by the user")
        upload.commit()


def _merge(jail: Jail, path: str) -> None:
    with jail.stage() as stage:
        jail.make_directory(f"{stage.path}/folder")
        with jail.begin_write(f"{stage.path}/folder/canary", durable=False) as upload:
            upload.commit()
        stage.merge(stage.path, path)


def _delete(jail: Jail, path: str) -> None:
    jail.delete(path, recursive=True)


VERBS: dict[str, Callable[[Jail, str], object]] = {
    "stat": Jail.stat,
    "exists": Jail.exists,
    "list": lambda jail, path: repr(jail.list(path, 100)).encode(),
    "walk": _collect,
    "tree": lambda jail, path: repr(jail.tree(path, 1000, 100)).encode(),
    "read": lambda jail, path: jail.read(path, 0, 1000),
    "copy from": lambda jail, path: (jail.copy(path, "copied"), jail.read("copied", 0, 1000))[1],
    "copy to": lambda jail, path: jail.copy("ordinary", path),
    "write": _upload,
    "make directory": lambda jail, path: jail.make_directory(path),
    "make directories": lambda jail, path: jail.make_directory(path + "/made/below", parents=True),
    "make link": lambda jail, path: jail.make_link(path, "x"),
    "chmod": lambda jail, path: jail.chmod(path, 0o777),
    "rename from": lambda jail, path: jail.rename(path, "renamed"),
    "rename to": lambda jail, path: jail.rename("ordinary", path, replace=True),
    "merge": _merge,
    "delete": lambda jail, path: jail.delete(path),
    "delete tree": _delete,
    "usage": lambda jail, path: jail.usage(),
    "sweep": lambda jail, path: jail.sweep(),
    "clear": lambda jail, path: jail.clear(),
}

ATTACKS = [
    "to-folder",
    "to-folder/canary",
    "to-folder/folder",
    "to-folder/folder/canary",
    "to-folder/new",
    "to-file",
    "climbing",
    "climbing/canary",
    "climbing/new",
    "chain",
    "chain/canary",
    "inside-then-out/canary",
    "magic",
    "magic/canary",
    "magic/etc/passwd",
    "cwd/canary",
    "dangling",
    "dangling/new",
    "through-proc/canary",
    "hard",
    "pipe",
    "socket",
    "tree",
    "",
]


def _make_hostile(root: Path, outside: Path) -> None:
    (root / "ordinary").write_bytes(b"ordinary")
    (root / "to-folder").symlink_to(outside)
    (root / "to-file").symlink_to(outside / "canary")
    (root / "climbing").symlink_to("../outside")
    (root / "chain").symlink_to("chain-1")
    (root / "chain-1").symlink_to("tree/chain-2")
    (root / "inside-then-out").symlink_to("tree/../../outside")
    (root / "magic").symlink_to("/proc/self/root")
    (root / "cwd").symlink_to("/proc/self/cwd")
    (root / "through-proc").symlink_to(f"/proc/{os.getpid()}/root{outside}")
    (root / "dangling").symlink_to(outside / "missing")
    if OWNER is not None:
        # A game may have a second name of a file that it cannot read, where the kernel does not protect hard links.
        os.link(outside / "canary", root / "hard")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{_directory(root)}/socket")
    tree = root / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "chain-2").symlink_to("../../outside")
    (tree / "a" / "b" / "out").symlink_to(outside)
    (tree / "a" / "b" / "out-file").symlink_to(outside / "canary")
    (tree / f".innkeeper.{'e' * 32}.part").symlink_to(outside / "canary")
    (tree / f".innkeeper.{'f' * 32}.trash").symlink_to(outside)
    os.mkfifo(tree / "a" / "pipe")
    if OWNER is not None:
        os.link(outside / "canary", tree / "a" / "hard")


_open_directories: list[int] = []


def _directory(path: Path) -> int:
    _open_directories.append(os.open(path, os.O_PATH))
    return _open_directories[-1]


@pytest.fixture(autouse=True)
def directories_are_closed() -> Iterator[None]:
    yield
    while _open_directories:
        os.close(_open_directories.pop())


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_reaches_outside_by_anything_a_tree_may_hold(
    verb: str, root: Path, outside: Outside, resolver: Resolver, tmp_path: Path
) -> None:
    for number, attack in enumerate(ATTACKS):
        target = root / str(number)
        target.mkdir()
        here = target / "root"
        here.mkdir()
        (target / "outside").symlink_to(outside.path)
        _make_hostile(here, outside.path)
        jail = Jail(here, OWNER, resolver)
        try:
            result = VERBS[verb](jail, attack)
        except JailError:
            result = None
        assert SECRET not in (result if isinstance(result, bytes) else b""), attack
        assert outside.untouched(), attack
        assert (target / "outside").is_symlink(), attack


@pytest.mark.skipif(OWNER is None, reason="the game has no user of its own")
def test_a_second_name_of_a_foreign_file_is_removed_but_never_read_or_changed(root: Path, outside: Outside) -> None:
    assert OWNER is not None
    jail = Jail(root, OWNER)
    os.link(outside.path / "canary", root / "hard")
    for attempt in (
        lambda: jail.read("hard", 0, 1),
        lambda: jail.chmod("hard", 0o777),
        lambda: jail.copy("hard", "copy"),
    ):
        with pytest.raises(NotPermitted):
            attempt()
    jail.write("hard", b"a file of its own")
    assert outside.untouched()
    jail.write("mine", b"mine")
    os.link(root / "mine", root / "also-mine")
    assert jail.read("also-mine", 0, 9) == b"mine"


@contextmanager
def _swapping(root: Path, outside: Path) -> Iterator[threading.Event]:
    """Exchange, as fast as a thread can, the folder `flip` and what is in it for links to outside."""
    (root / "flip" / "folder").mkdir(parents=True)
    (root / "flip" / "canary").write_bytes(b"inside")
    (root / "flip" / "folder" / "canary").write_bytes(b"inside")
    (root / "decoy").symlink_to(outside)
    (root / "decoy-file").symlink_to(outside / "canary")
    over = threading.Event()
    descriptor = os.open(root, os.O_PATH)

    def exchange(directory: int, one: bytes, other: bytes) -> None:
        for _ in range(2):
            syscalls.renameat2(directory, one, descriptor, other, syscalls.RENAME_EXCHANGE)

    def swap() -> None:
        pairs = [(b"canary", b"decoy-file"), (b"folder", b"decoy")]
        while not over.is_set():
            try:
                exchange(descriptor, b"flip", b"decoy")
                # Held by descriptor, so that the game's own exchanges never go through its own link.
                flip = os.open("flip", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
                try:
                    for one, other in pairs:
                        exchange(flip, one, other)
                finally:
                    os.close(flip)
            except OSError:
                # The user has just removed something: the game puts new ones in its place.
                _put_back(descriptor, outside)

    thread = threading.Thread(target=swap, name="hostile game")
    thread.start()
    try:
        yield over
    finally:
        over.set()
        thread.join()
        os.close(descriptor)


def _put_back(top: int, outside: Path) -> None:
    for name, target in (("decoy", outside), ("decoy-file", outside / "canary")):
        _ignoring(os.symlink, target, name, dir_fd=top)
    _ignoring(os.unlink, "flip", dir_fd=top)
    _ignoring(os.mkdir, "flip", dir_fd=top)
    flip = _ignoring(os.open, "flip", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    if flip is None:
        return
    try:
        _ignoring(os.mkdir, "folder", dir_fd=flip)
        file = _ignoring(os.open, "canary", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, dir_fd=flip)
        if file is not None:
            os.close(file)
    finally:
        os.close(flip)


def _ignoring(call: Callable[..., int | None], *args: object, **kwargs: object) -> int | None:
    try:
        return call(*args, **kwargs)
    except OSError:
        return None


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_reaches_outside_while_the_game_swaps_folders_for_links(
    verb: str, root: Path, outside: Outside, resolver: Resolver
) -> None:
    jail = Jail(root, OWNER, resolver)
    (root / "ordinary").write_bytes(b"ordinary")
    rounds = 30 if isinstance(resolver, WalkingResolver) else 60
    with _swapping(root, outside.path):
        for number in range(rounds):
            for path in ("flip", "flip/canary", "flip/folder/canary", f"flip/folder/new-{number}", ""):
                try:
                    result = VERBS[verb](jail, path)
                except JailError:
                    continue
                assert SECRET not in (result if isinstance(result, bytes) else b"")
                for name in ("copied", "renamed"):
                    if jail.exists(name):
                        jail.delete(name, recursive=True)
                (root / "ordinary").write_bytes(b"ordinary")
    assert outside.untouched()


def _make_deep(root: Path, depth: int) -> None:
    """Make a chain of folders, each with a file, a link out and a second folder, too deep for any path."""
    (root / "file").touch()
    descriptor = os.open(root, os.O_PATH)
    for level in range(depth):
        name = f"level-{level}-{'x' * 20}"
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_PATH, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
        os.link(root / "file", "file", dst_dir_fd=descriptor)
        os.symlink("../" * (level + 2) + "outside", "out", dir_fd=descriptor)
        if level % 10 == 0:
            os.mkdir("aside", dir_fd=descriptor)
    os.close(descriptor)


def test_a_tree_a_thousand_deep_is_measured_listed_and_removed(jail: Jail, root: Path, outside: Outside) -> None:
    _make_deep(root, 1000)
    before = jail.usage()
    tree = jail.tree("", 10_000, 2_000)
    assert tree.complete and len(tree.entries) == 3101
    assert max(placed.path.count("/") for placed in tree.entries) == 1000
    assert sum(placed.entry.kind is Kind.LINK for placed in tree.entries) == 1000
    jail.delete(f"level-0-{'x' * 20}", recursive=True)
    assert os.listdir(root) == ["file"]
    assert jail.usage() < before
    assert outside.untouched()


def test_a_folder_of_ten_thousand_entries_is_listed_walked_and_removed(jail: Jail, root: Path) -> None:
    (root / "many").mkdir()
    (root / "many" / "00000").touch()
    for number in range(1, 10_000):
        os.link(root / "many" / "00000", root / "many" / f"{number:05}")
    assert [entry.name for entry in jail.list("many", 20_000)] == [f"{number:05}" for number in range(10_000)]
    assert len(jail.list("many", 100)) == 100
    assert sum(1 for _ in jail.walk("")) == 10_001
    jail.delete("many", recursive=True)
    assert os.listdir(root) == []


def test_odd_names_are_shown_opened_renamed_and_removed_by_what_is_shown(jail: Jail, root: Path) -> None:
    names = [
        b"\xff\xfe",
        b" ",
        b"-rf",
        b"a\nb",
        b"\x1b[31m",
        b"...",
        b"~",
        b"$(x)",
        b"x" * 255,
        b"\\..\\..",
        b"caf\xe9",
        "\U0010fe80".encode(),
        "\u202e".encode(),
        b"%2e%2e",
        b"CON",
        "e\u0301".encode(),
        "\u00e9".encode(),
    ]
    for name in names:
        (root / os.fsdecode(name)).write_bytes(name)
    shown = [entry.name for entry in jail.list("", 100)]
    assert len(set(shown)) == len(names)
    assert {jail.read(name, 0, 300) for name in shown} == set(names)
    assert {found.path for found in jail.walk()} == set(shown)
    for number, name in enumerate(shown):
        jail.rename(name, str(number))
        jail.delete(str(number))
    assert os.listdir(root) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root is let in everywhere")
def test_folders_closed_to_ourselves_are_removed_all_the_same(jail: Jail, root: Path) -> None:
    (root / "a" / "b" / "c").mkdir(parents=True)
    (root / "a" / "b").chmod(0)
    (root / "a").chmod(0)
    jail.delete("a", recursive=True)
    assert os.listdir(root) == []


def test_a_file_held_by_a_lease_does_not_hold_us_up(jail: Jail, root: Path) -> None:
    jail.write("leased", b"x")
    descriptor = os.open(root / "leased", os.O_RDONLY)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        signal_before = fcntl.fcntl(descriptor, fcntl.F_GETSIG)
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, 23)  # SIGURG, which is ignored unless asked for
        with pytest.raises(JailError):
            jail.read("leased", 0, 1)
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal_before)
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        os.close(descriptor)


def test_a_walk_leaves_a_folder_that_was_moved_out_meanwhile(jail: Jail, root: Path, tmp_path: Path) -> None:
    """Deeper than the descriptors held, the way back up is checked: a moved folder's new parent is not walked."""
    asides = [f"aside-{number}" for number in range(6)]
    here = root
    for level in range(60):
        for aside in asides if level >= 40 else ():
            (here / aside).mkdir()
            (here / aside / "visited").touch()
        here = here / f"level-{level}"
        here.mkdir()
    for aside in asides:
        (tmp_path / aside).mkdir()
        (tmp_path / aside / "secret").touch()
    visited: dict[str, int] = {}
    moved = False
    for found in jail.walk(""):
        assert found.entry.name != "secret"
        folder, _, _ = found.path.rpartition("/")
        above, _, _ = folder.rpartition("/")
        if found.entry.name == "visited":
            visited[above] = visited.get(above, 0) + 1
        # Met in the folder that will be moved, while the one above it still has folders to be walked.
        deep = found.entry.name.startswith("level-") and found.path.count("/") > 41
        if not moved and deep and visited.get(above, 0) < len(asides):
            (root / folder).rename(tmp_path / "elsewhere")
            moved = True
    assert moved


def test_the_walking_resolver_stays_in_what_it_holds(root: Path, outside: Outside) -> None:
    resolver = WalkingResolver()
    (root / "a").mkdir()
    (root / "a" / "out").symlink_to("../../outside")
    (root / "a" / "round").symlink_to("../a/../a/./file")
    (root / "a" / "file").write_bytes(b"inside")
    top = os.open(root, os.O_PATH)
    try:
        with pytest.raises(OSError, match="climbs"):
            resolver.locate(top, (b"a", b"out", b"canary"), follow=True)
        located = resolver.locate(top, (b"a", b"round"), follow=True)
        assert os.fstat(located).st_size == 6
        os.close(located)
    finally:
        os.close(top)

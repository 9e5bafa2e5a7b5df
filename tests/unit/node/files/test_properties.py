"""Every verb of the jail, in any order and on any path of a hostile tree, while a process swaps folders for links.

Nothing outside is ever read, listed, written, made, renamed, removed or given other rights, and no verb ends otherwise
than well or by a `JailError`. `INNKEEPER_JAIL_EXAMPLES=2000` searches long, and elsewhere each time.
"""

import functools
import inspect
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from innkeeper.node.files.errors import JailError
from innkeeper.node.files.jail import Jail
from innkeeper.node.files.resolve import Resolver
from innkeeper.node.files.staging import Stage
from innkeeper.node.files.upload import Upload
from innkeeper.node.files.walking import Found
from tests.unit.node.files import hostile_trees
from tests.unit.node.files.hostile_trees import LINKS, MARK, MARKED_SIZE, MARKED_TIME, NAMES, ODD_NAMES, OWNER, Outside
from tests.unit.node.files.swapper import Swapper

EXAMPLES = int(os.environ.get("INNKEEPER_JAIL_EXAMPLES", "0"))
PROFILE = settings(
    max_examples=EXAMPLES or 15,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=tuple(Phase) if EXAMPLES else (Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
RACE_S = 0.05
"""How long each verb is tried on what is being swapped."""
READ = 100_000


def _open_read(jail: Jail, path: str, _: str) -> object:
    with jail.open_read(path) as file:
        return file.read(READ)


def _walk(jail: Jail, path: str, _: str) -> object:
    seen: list[object] = []
    for found in itertools.islice(jail.walk(path), 300):
        seen.append((found.path, found.kind, found.mode, found.size, found.entry))
        with suppress(JailError):
            seen.append(found.link_target())
        with suppress(JailError), found.open() as file:
            seen.append(file.read(READ))
    return seen


def _upload(jail: Jail, path: str, _: str) -> object:
    with jail.begin_write(path, durable=False) as upload:
        upload.write(b"written")
        upload.commit()
        return upload.written


def _upload_given_up(jail: Jail, path: str, _: str) -> object:
    upload = jail.begin_write(path, mode=0o777, modified=1.0, durable=False)
    upload.write(b"never seen")
    upload.abort()
    return None


def _stage(jail: Jail, path: str, other: str) -> object:
    stage = jail.stage()
    try:
        jail.make_directory(f"{stage.path}/folder/nested", parents=True)
        for name in ("canary", "folder/canary", "folder/nested/new"):
            with jail.begin_write(f"{stage.path}/{name}", durable=False) as upload:
                upload.commit()
        stage.merge(f"{stage.path}/folder", other)
        stage.merge(stage.path, path)
    finally:
        stage.close()
    return None


@dataclass(frozen=True)
class Action:
    """Something done to one path or two, and the public methods whose promise it tests; it looks at `paths` of them."""

    methods: tuple[Callable[..., object], ...]
    act: Callable[[Jail, str, str], object]
    paths: int = 1


def _names(jail: Jail) -> list[str]:
    with jail.opened() as opened:
        return os.listdir(opened.root)


ACTIONS = {
    "stat": Action((Jail.stat,), lambda jail, path, _: jail.stat(path)),
    "opened": Action((Jail.opened,), lambda jail, path, _: _names(jail), 0),
    "exists": Action((Jail.exists,), lambda jail, path, _: jail.exists(path)),
    "list": Action((Jail.list,), lambda jail, path, _: jail.list(path, 500)),
    "walk": Action((Jail.walk, Found.open, Found.link_target), _walk),
    "tree": Action((Jail.tree,), lambda jail, path, _: jail.tree(path, 500, 50)),
    "usage": Action((Jail.usage,), lambda jail, path, _: jail.usage(), 0),
    "open": Action((Jail.open_read,), _open_read),
    "read": Action((Jail.read,), lambda jail, path, _: jail.read(path, 0, READ)),
    "read link": Action((Jail.read_link,), lambda jail, path, _: jail.read_link(path)),
    "upload": Action((Jail.begin_write, Upload.write, Upload.commit), _upload),
    "upload, given up": Action((Jail.begin_write, Upload.abort), _upload_given_up),
    "write": Action((Jail.write,), lambda jail, path, _: jail.write(path, b"written")),
    "write new": Action((Jail.write,), lambda jail, path, _: jail.write(path, b"written", mode=0o777, replace=False)),
    "make folder": Action((Jail.make_directory,), lambda jail, path, _: jail.make_directory(path)),
    "make folders": Action((Jail.make_directory,), lambda jail, path, _: jail.make_directory(path, parents=True)),
    "make folders below": Action(
        (Jail.make_directory,), lambda jail, path, _: jail.make_directory(f"{path}/made/below", parents=True)
    ),
    "make link": Action((Jail.make_link,), lambda jail, path, other: jail.make_link(path, other), 2),
    "copy": Action((Jail.copy,), lambda jail, path, other: jail.copy(path, other), 2),
    "rename": Action((Jail.rename,), lambda jail, path, other: jail.rename(path, other), 2),
    "rename over": Action((Jail.rename,), lambda jail, path, other: jail.rename(path, other, replace=True), 2),
    "chmod": Action((Jail.chmod,), lambda jail, path, _: jail.chmod(path, 0o777)),
    "delete": Action((Jail.delete,), lambda jail, path, _: jail.delete(path)),
    "delete tree": Action((Jail.delete,), lambda jail, path, _: jail.delete(path, recursive=True)),
    "clear": Action((Jail.clear,), lambda jail, path, _: jail.clear(), 0),
    "sweep": Action((Jail.sweep,), lambda jail, path, _: jail.sweep(), 0),
    "stage": Action((Jail.stage, Stage.merge, Stage.close), _stage),
}
SWAPPED = [
    "flip",
    "flip/canary",
    "flip/nested",
    "flip/nested/canary",
    "flip/nested/new",
    "flip/new",
    "flip/folder/canary",
    "moving",
    "moving/new",
    "moving/new/new",
]
ATTACKS = [
    "",
    *SWAPPED,
    *(f"{link}{below}" for link in LINKS for below in ("", "/canary", "/folder/canary", "/new")),
    *("tree", "tree/a", "tree/a/b", "tree/a/b/out", "tree/a/b/out/canary", "tree/a/b/out-file", "tree/long-44/canary"),
    *("hard", "tree/a/hard", "pipe", "socket", "tree/a/pipe", "character-device", "block-device", "plain"),
    *(
        "proc-fd/0",
        "proc-root/canary",
        "proc-first/etc/passwd",
        "proc/self/environ",
        "root/etc/passwd",
        "new",
        "copied",
    ),
    *(f"tree/.innkeeper.{'e' * 32}.trash/canary", f"tree/.innkeeper.{'d' * 32}.part", f".innkeeper.{'c' * 32}.part"),
    *("/plain", "//tree//a", "./plain", "../outside/canary", "tree/../../outside/canary", "\0", "x" * 256, "a/" * 200),
    *(os.fsdecode(name) for name in ODD_NAMES),
    *(f"tree/a/{os.fsdecode(name)}" for name in ODD_NAMES),
    *(f"{os.fsdecode(name)}/canary" for name in ODD_NAMES),
]
paths = st.one_of(
    st.sampled_from(ATTACKS),
    st.sampled_from(SWAPPED),
    st.lists(st.sampled_from([*NAMES, *map(os.fsdecode, ODD_NAMES)]), min_size=1, max_size=4).map("/".join),
    st.text(max_size=20),
)
# Those that leave little to be attacked are rare.
names = st.sampled_from([*sorted(ACTIONS.keys() - {"clear", "delete tree"}) * 4, "clear", "delete tree"])
steps = st.tuples(names, paths, paths)


@dataclass
class Yard:
    """A jail with its hostile content, and what lies around it."""

    jail: Jail
    root: Path
    outside: Outside
    parking: Path

    def do(self, name: str, path: str, other: str) -> None:
        """Act; what comes back, be it an error, tells nothing of outside."""
        try:
            result = ACTIONS[name].act(self.jail, path, other)
        except JailError as error:
            result = str(error)
        shown = repr(result)
        # Zeros are what the device gives.
        for mark in (MARK, str(MARKED_TIME), f"size={MARKED_SIZE},", r"\x00\x00"):
            assert mark not in shown, (name, path, other)


@contextmanager
def yard(resolver: Resolver, *, large: bool = False) -> Iterator[Yard]:
    """Give a hostile tree that is being swapped; what lies outside must be unchanged in the end."""
    place = Path(tempfile.mkdtemp(prefix="jail-"))
    try:
        outside = Outside(place / "outside")
        (place / "house").mkdir()
        (place / "parking").mkdir()
        (place / "parking" / f"{MARK}-parked").mkdir()
        hostile_trees.build(place / "house", outside.path)
        if large:
            hostile_trees.build_many(place / "house" / "many", 10_000)
            hostile_trees.build_deep(place / "house" / "deep", 1_000, outside.path)
        made = Yard(Jail(place / "house", OWNER, resolver), place / "house", outside, place / "parking")
        outside.before = outside.picture()
        with hostile_trees.swapping(made.root, outside.path, made.parking):
            yield made
        assert outside.changes() == []
        assert sorted(set(os.listdir(place)) - {"outside", "parking", "house"}) == []
        assert set(os.listdir(made.parking)) <= {f"{MARK}-parked", "moving"}
    finally:
        # Too deep for `shutil`.
        subprocess.run(["rm", "-rf", place], check=True)


def test_every_public_verb_has_its_property_test() -> None:
    """A new verb comes with a new action, or fails here."""
    tested = {method for action in ACTIONS.values() for method in action.methods}
    for kind in (Jail, Stage, Upload, Found):
        for name, member in inspect.getmembers(kind, inspect.isfunction):
            assert name.startswith("_") or member in tested, f"{kind.__name__}.{name} is in no action"


@PROFILE
@given(done=st.lists(steps, min_size=10, max_size=40))
def test_nothing_outside_is_reached_whatever_is_done_in_any_order(
    resolver: Resolver, done: list[tuple[str, str, str]]
) -> None:
    with yard(resolver) as it:
        for name, path, other in done:
            it.do(name, path, other)


@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_outside_is_reached_by_any_verb_on_any_attack(resolver: Resolver, name: str) -> None:
    paths = ACTIONS[name].paths
    # The deepest first: what is above them may be gone afterwards.
    attacks = sorted(ATTACKS, key=lambda path: -path.count("/")) if paths else [""] * 10
    with yard(resolver) as it:
        for number, path in enumerate(attacks):
            it.do(name, path, attacks[number * 7 % len(attacks)])
            if paths == 2:
                it.do(name, path, f"copied-{number}")
        end = monotonic() + RACE_S
        for number in itertools.count() if paths else ():
            if monotonic() > end:
                break
            path = SWAPPED[number % len(SWAPPED)]
            it.do(name, path, f"again-{number % 50}")
            if paths == 2:
                it.do(name, "plain", path)


def test_every_verb_holds_on_folders_of_ten_thousand_and_a_thousand_deep(resolver: Resolver) -> None:
    usual = ("deep" + "/d" * 100, "deep/d/out/canary", "many/5000", "many", "deep")
    taking_away = {"rename": ("deep/d/out", "many/5001"), "rename over": ("many",), "delete tree": ("moved",)}
    with yard(resolver, large=True) as it:
        for name in sorted(ACTIONS.keys() - taking_away.keys() - {"clear"}):
            for path in usual if ACTIONS[name].paths else ("",):
                it.do(name, path, f"beside-{len(path)}")
        for name, paths in taking_away.items():
            for path in paths:
                it.do(name, path, "moved" if name == "rename over" else "beside")
        assert not {"many", "moved"} & set(os.listdir(it.root))
        for _ in range(
            20
        ):  # a swap at the wrong moment makes one clearing give up: the game is in the way, not outside
            it.do("clear", "", "")
            if "deep" not in os.listdir(it.root):
                break
        assert "deep" not in os.listdir(it.root)


class Watch:
    """Sees every file operation of Python just before it is done, and does something before one of them."""

    def __init__(self) -> None:
        self.left = -1
        self.act: Callable[[], None] = lambda: None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _: tuple[object, ...]) -> None:
        if self.left >= 0 and (event == "open" or event.startswith("os.")):
            self.left -= 1
            if self.left < 0:
                self.act()

    @contextmanager
    def before(self, number: int, act: Callable[[], None]) -> Iterator[None]:
        """Call `act` just before the operation of that number within the block."""
        self.left, self.act = number, act
        try:
            yield
        finally:
            self.left = -1


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def test_nothing_outside_is_reached_by_a_swap_between_any_two_operations(
    root: Path, tmp_path: Path, resolver: Resolver, watch: Watch
) -> None:
    """The unluckiest moments, each of them: what a racing process hits by chance is hit here for certain."""
    outside = Outside(tmp_path / "beside" / "outside")
    (tmp_path / "parking").mkdir()
    game = Swapper(str(root), str(outside.path), str(tmp_path / "parking"))
    it = Yard(Jail(root, OWNER, resolver), root, outside, tmp_path / "parking")
    try:
        for name, path, number in itertools.product(ACTIONS, SWAPPED[:5], range(10)):
            game.put_back()
            (root / "plain").write_bytes(b"plain")
            (root / "link-other").symlink_to(outside.path)
            flip = game.folder("flip")
            try:
                with watch.before(number, functools.partial(_swap_all, game, flip)):
                    it.do(name, path, "plain" if number % 2 else "beside")
                    it.do(name, "plain", path)
            finally:
                os.close(flip)
            for left in root.iterdir():
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
            assert outside.changes() == [], (name, path, number)
    finally:
        os.close(game.root)
        os.close(game.parking)


def _swap_all(game: Swapper, flip: int) -> None:
    game.exchange(game.root, b"flip", b"link-folder")
    game.exchange(flip, b"nested", b"link-other")
    game.exchange(flip, b"canary", b"link-file")

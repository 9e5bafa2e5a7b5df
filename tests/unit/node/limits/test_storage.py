"""What a server's files may take: counted on every way in, walked where that is not enough, refused beyond."""

from pathlib import Path

import pytest

from innkeeper.node.files.errors import NoSpace
from innkeeper.node.files.jail import Jail
from innkeeper.node.limits.storage import AGAIN_S, MIB, Storage


class Walks:
    """A server's files, and how often they were walked."""

    def __init__(self, root: Path, limit_mib: int | None) -> None:
        self.count = 0
        self.now = 0.0
        self.storage = Storage(self._walk, limit_mib, monotonic=lambda: self.now)
        self.jail = Jail(root, room=self.storage)
        self._plain = Jail(root)

    def _walk(self) -> int:
        self.count += 1
        return self._plain.usage()

    def check(self) -> None:
        """Compare what is counted with what is there."""
        assert self.storage.used == self._plain.usage()


@pytest.fixture
def one(tmp_path: Path) -> Walks:
    return Walks(tmp_path, 4)


def test_what_is_written_through_the_jail_is_counted_without_another_walk(one: Walks) -> None:
    one.jail.write("a", bytes(MIB))
    one.jail.make_directory("x/y", parents=True)
    one.jail.write("x/y/b", b"little")
    one.jail.copy("a", "x/c")
    one.check()
    one.jail.write("a", bytes(2 * MIB))
    one.check()
    one.jail.write("a", b"small")
    one.check()
    with one.jail.begin_write("given up") as upload:
        upload.write(bytes(MIB))
    one.check()
    assert one.count == 1


def test_a_write_beyond_the_limit_is_refused_and_says_how_full_it_is(one: Walks) -> None:
    one.jail.write("a", bytes(3 * MIB))
    with pytest.raises(NoSpace, match=r"the server's storage is full: 4 of 4 MiB: 'b'"):
        one.jail.write("b", bytes(MIB + 1))
    assert not one.jail.exists("b")
    one.check()
    one.jail.write("b", bytes(MIB // 2))


@pytest.mark.parametrize("how", ["delete", "clear"])
def test_what_was_deleted_makes_room(one: Walks, how: str) -> None:
    one.jail.write("a", bytes(3 * MIB))
    if how == "delete":
        one.jail.delete("a")
    else:
        one.jail.clear()
    one.jail.write("b", bytes(3 * MIB))
    one.check()


def test_what_the_game_deleted_makes_room_after_a_while(one: Walks, tmp_path: Path) -> None:
    one.jail.write("a", bytes(3 * MIB))
    (tmp_path / "a").unlink()
    with pytest.raises(NoSpace):
        one.jail.write("b", bytes(3 * MIB))
    walks = one.count
    one.now += AGAIN_S + 1
    one.jail.write("b", bytes(3 * MIB))
    assert one.count == walks + 1


def test_a_refusal_repeated_walks_no_more(one: Walks) -> None:
    one.jail.write("a", bytes(3 * MIB))
    for _ in range(5):
        with pytest.raises(NoSpace):
            one.jail.write("b", bytes(3 * MIB))
    assert one.count == 1


def test_the_config_of_a_full_server_can_be_changed(one: Walks, tmp_path: Path) -> None:
    one.jail.write("config", b"a=1")
    (tmp_path / "big").write_bytes(bytes(8 * MIB))
    one.storage.measure()
    one.jail.write("config", b"a=2")
    with pytest.raises(NoSpace):
        one.jail.make_directory("more")


def test_a_server_over_its_limit_may_not_run_until_there_is_room(one: Walks, tmp_path: Path) -> None:
    assert one.storage.shortage() is None
    assert one.count == 0
    (tmp_path / "big").write_bytes(bytes(8 * MIB))
    one.storage.measure()
    assert one.storage.shortage() == "out of storage: 9 of 4 MiB"
    one.jail.delete("big")
    assert one.storage.shortage() is None


def test_after_an_end_for_want_of_storage_the_files_are_walked_before_a_start(one: Walks, tmp_path: Path) -> None:
    one.storage.measure()
    (tmp_path / "big").write_bytes(bytes(8 * MIB))
    one.storage.doubt()
    assert one.storage.shortage() is not None


def test_without_a_limit_nothing_is_walked_and_nothing_refused(tmp_path: Path) -> None:
    one = Walks(tmp_path, None)
    one.jail.write("a", bytes(8 * MIB))
    assert (one.count, one.storage.used, one.storage.shortage()) == (0, None, None)
    one.storage.allow(4)
    with pytest.raises(NoSpace):
        one.jail.write("b", b"x")
    one.storage.allow(16)
    one.jail.write("b", b"x")
    one.check()


def test_what_is_staged_and_merged_is_counted(one: Walks) -> None:
    with one.jail.stage() as stage:
        one.jail.make_directory(f"{stage.path}/in")
        one.jail.write(f"{stage.path}/in/a", bytes(MIB))
        stage.merge(f"{stage.path}/in", "world")
    one.storage.measure()
    one.check()
    with pytest.raises(NoSpace), one.jail.stage() as stage:
        one.jail.write(f"{stage.path}/a", bytes(4 * MIB))
    one.jail.write("b", bytes(2 * MIB))

"""The verbs of the jail on well-behaved folders, by both ways of resolving."""

import os
import threading
from pathlib import Path

import pytest

from innkeeper.node.files.entries import Kind
from innkeeper.node.files.errors import (
    AlreadyExists,
    DirectoryNotEmpty,
    EscapesJail,
    IsADirectory,
    NotADirectory,
    NotFound,
    NotPermitted,
    TooLarge,
    Unsupported,
)
from innkeeper.node.files.jail import Jail


def test_a_written_file_reads_back_in_pieces(jail: Jail) -> None:
    jail.write("/motd.txt", b"0123456789")
    assert jail.read("motd.txt", 0, 100) == b"0123456789"
    assert jail.read("motd.txt", 3, 4) == b"3456"
    assert jail.read("motd.txt", 10, 4) == b""
    with jail.open_read("motd.txt") as file:
        file.seek(8)
        assert file.read() == b"89"


def test_an_upload_is_seen_only_when_it_is_committed(jail: Jail, root: Path) -> None:
    jail.write("world.dat", b"old")
    with jail.begin_write("world.dat") as upload:
        upload.write(b"ne")
        upload.write(memoryview(b"w!"))
        assert jail.read("world.dat", 0, 9) == b"old"
        assert [entry.name for entry in jail.list("", 10)] == ["world.dat"]
        upload.commit()
    assert jail.read("world.dat", 0, 9) == b"new!"
    assert os.listdir(root) == ["world.dat"]


def test_an_upload_given_up_leaves_nothing(jail: Jail, root: Path) -> None:
    jail.write("kept", b"old")
    with pytest.raises(ZeroDivisionError), jail.begin_write("kept") as upload:
        upload.write(b"half")
        raise ZeroDivisionError
    upload = jail.begin_write("never")
    upload.abort()
    upload.abort()
    assert os.listdir(root) == ["kept"]
    assert jail.read("kept", 0, 9) == b"old"


def test_an_upload_past_its_limit_is_refused_and_leaves_nothing(jail: Jail, root: Path) -> None:
    with pytest.raises(TooLarge), jail.begin_write("big", max_bytes=4) as upload:
        upload.write(b"1234")
        upload.write(b"5")
    assert os.listdir(root) == []


def test_writing_keeps_the_mode_of_what_it_replaces(jail: Jail, root: Path) -> None:
    jail.write("start.sh", b"#!/bin/sh\n", mode=0o755)
    jail.write("start.sh", b"#!/bin/sh\ntrue\n")
    jail.write("plain", b"")
    assert jail.stat("start.sh").mode == 0o755
    assert jail.stat("plain").mode == 0o644


def test_two_exclusive_uploads_of_one_name_have_one_winner(jail: Jail) -> None:
    with jail.begin_write("one", replace=False) as first, jail.begin_write("one", replace=False) as second:
        first.write(b"first")
        second.write(b"second")
        first.commit()
        with pytest.raises(AlreadyExists):
            second.commit()
    assert jail.read("one", 0, 9) == b"first"
    with pytest.raises(AlreadyExists):
        jail.begin_write("one", replace=False)


def test_sweep_removes_what_a_crash_left_and_keeps_what_is_in_use(jail: Jail, root: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub" / f".innkeeper.{'a' * 32}.part").write_bytes(b"left over")
    (root / f".innkeeper.{'b' * 32}.stage").mkdir()
    (root / f".innkeeper.{'b' * 32}.stage" / "x").write_bytes(b"left over")
    (root / f".innkeeper.{'c' * 32}.part").symlink_to("/etc")
    os.mkfifo(root / f".innkeeper.{'d' * 32}.part")
    (root / ".innkeeper.mine").write_bytes(b"not one of ours")
    with jail.begin_write("sub/alive") as upload, jail.stage() as stage:
        jail.write(f"{stage.path}/prepared", b"")
        assert jail.sweep() == 4
        upload.write(b"alive")
        upload.commit()
        stage.merge(stage.path, "")
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == [
        ".innkeeper.mine",
        "prepared",
        "sub",
        "sub/alive",
    ]


def test_listing_says_what_each_name_is(jail: Jail, root: Path) -> None:
    jail.write("b-file", b"12345", mode=0o600)
    jail.make_directory("a-folder")
    (root / "c-link").symlink_to("/nowhere")
    os.mkfifo(root / "d-pipe")
    entries = jail.list("", 10)
    assert [(entry.name, entry.kind) for entry in entries] == [
        ("a-folder", Kind.DIRECTORY),
        ("b-file", Kind.FILE),
        ("c-link", Kind.LINK),
        ("d-pipe", Kind.OTHER),
    ]
    assert entries[1].size == 5 and entries[1].mode == 0o600
    assert entries[1].mtime == pytest.approx((root / "b-file").stat().st_mtime)
    assert jail.stat("b-file") == entries[1]
    assert len(jail.list("", 2)) == 2
    assert jail.read_link("c-link") == "/nowhere"


def test_the_root_can_be_listed_and_described_but_not_changed(jail: Jail) -> None:
    assert jail.stat("").kind is Kind.DIRECTORY
    for attempt in (
        lambda: jail.delete("/", recursive=True),
        lambda: jail.rename("", "x"),
        lambda: jail.write("", b""),
        lambda: jail.make_directory("/"),
    ):
        with pytest.raises(NotPermitted):
            attempt()


def test_folders_are_made_with_those_above_them_only_if_asked(jail: Jail) -> None:
    with pytest.raises(NotFound):
        jail.make_directory("a/b/c")
    jail.make_directory("a/b/c", parents=True)
    jail.make_directory("a/b/c", parents=True)
    jail.make_directory("", parents=True)
    with pytest.raises(AlreadyExists):
        jail.make_directory("a/b/c")
    jail.write("a/file", b"")
    with pytest.raises(AlreadyExists):
        jail.make_directory("a/file", parents=True)
    with pytest.raises(NotADirectory):
        jail.make_directory("a/file/below", parents=True)


def test_delete_takes_files_links_and_empty_folders_and_trees_only_if_asked(jail: Jail, root: Path) -> None:
    jail.make_directory("tree/branch", parents=True)
    jail.write("tree/branch/leaf", b"")
    jail.make_directory("empty")
    (root / "link").symlink_to("tree")
    jail.delete("link")
    jail.delete("empty")
    with pytest.raises(DirectoryNotEmpty):
        jail.delete("tree")
    jail.delete("tree", recursive=True)
    assert os.listdir(root) == []
    with pytest.raises(NotFound):
        jail.delete("tree", recursive=True)


def test_clear_empties_the_folder_and_keeps_it(jail: Jail, root: Path) -> None:
    jail.make_directory("tree/branch", parents=True)
    jail.write("file", b"")
    jail.clear()
    assert os.listdir(root) == []


def test_rename_replaces_only_if_asked(jail: Jail) -> None:
    jail.write("a", b"a")
    jail.write("b", b"b")
    with pytest.raises(AlreadyExists):
        jail.rename("a", "b")
    jail.rename("a", "b", replace=True)
    assert jail.read("b", 0, 9) == b"a"
    jail.make_directory("d/e", parents=True)
    with pytest.raises(NotPermitted):
        jail.rename("d", "d/e/f")
    with pytest.raises(NotFound) as caught:
        jail.rename("b", "missing/b")
    assert caught.value.path == "missing/b"


def test_copy_copies_content_and_mode_and_replaces_nothing(jail: Jail) -> None:
    jail.write("a", b"x" * 3_000_000, mode=0o750)
    jail.copy("a", "b")
    assert jail.read("b", 0, 4_000_000) == b"x" * 3_000_000
    assert jail.stat("b").mode == 0o750
    with pytest.raises(AlreadyExists):
        jail.copy("a", "b")
    jail.make_directory("d")
    with pytest.raises(IsADirectory):
        jail.copy("d", "e")


def test_chmod_sets_the_nine_bits_and_no_others(jail: Jail) -> None:
    jail.write("a", b"")
    jail.chmod("a", 0o700)
    assert jail.stat("a").mode == 0o700
    for mode in (0o4755, 0o2755, 0o1777, -1, 0o100644):
        with pytest.raises(NotPermitted):
            jail.chmod("a", mode)
    jail.chmod("", 0o750)
    assert jail.stat("").mode == 0o750


def test_chmod_and_copy_refuse_links_wherever_they_lead(jail: Jail, root: Path) -> None:
    jail.write("file", b"", mode=0o600)
    (root / "link").symlink_to("file")
    with pytest.raises(Unsupported):
        jail.chmod("link", 0o777)
    with pytest.raises(Unsupported):
        jail.copy("link", "copy")
    assert jail.stat("file").mode == 0o600


def test_reading_what_is_no_file_is_refused(jail: Jail, root: Path) -> None:
    os.mkfifo(root / "pipe")
    jail.make_directory("folder")
    jail.write("file", b"")
    with pytest.raises(Unsupported):
        jail.read("pipe", 0, 1)
    with pytest.raises(Unsupported):
        jail.write("pipe", b"")
    with pytest.raises(IsADirectory):
        jail.read("folder", 0, 1)
    with pytest.raises(IsADirectory):
        jail.write("folder", b"")
    with pytest.raises(NotADirectory):
        jail.list("file", 1)
    with pytest.raises(NotADirectory):
        jail.stat("file/below")
    with pytest.raises(NotFound):
        jail.read("missing", 0, 1)
    assert not jail.exists("file/below")


def test_usage_counts_what_the_disk_holds_and_each_inode_once(jail: Jail, root: Path) -> None:
    empty = jail.usage()
    jail.write("a", b"x" * 1_000_000)
    one = jail.usage()
    os.link(root / "a", root / "b")
    assert 1_000_000 <= one - empty <= 1_200_000
    assert jail.usage() == one
    with (root / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert jail.usage() - one < 100_000


def test_a_tree_is_cut_at_its_limits_and_says_so(jail: Jail) -> None:
    jail.make_directory("a/b/c", parents=True)
    for name in ("a/1", "a/b/2", "a/b/c/3"):
        jail.write(name, b"")
    whole = jail.tree("", 100, 100)
    assert whole.complete
    assert {placed.path for placed in whole.entries} == {"a", "a/1", "a/b", "a/b/2", "a/b/c", "a/b/c/3"}
    shallow = jail.tree("", 100, 2)
    assert not shallow.complete
    assert {placed.path for placed in shallow.entries} == {"a", "a/1", "a/b"}
    assert jail.tree("a/b/c", 1, 1).complete
    few = jail.tree("", 2, 100)
    assert not few.complete and len(few.entries) == 2


def test_walking_opens_files_where_it_meets_them(jail: Jail, root: Path) -> None:
    jail.make_directory("a/b", parents=True)
    jail.write("a/b/file", b"content")
    (root / "a" / "link").symlink_to("b/file")
    seen = {}
    for found in jail.walk("a"):
        if found.kind == "file":
            with found.open() as file:
                seen[found.path] = file.read()
        elif found.kind == "link":
            seen[found.path] = found.link_target().encode()
    assert seen == {"b/file": b"content", "link": b"b/file"}


def test_links_that_stay_beneath_are_followed_for_reading_and_on_the_way(jail: Jail, root: Path) -> None:
    jail.make_directory("worlds/first", parents=True)
    jail.write("worlds/first/level.dat", b"level")
    (root / "world").symlink_to("worlds/./first")
    (root / "worlds" / "first" / "again").symlink_to("../first/level.dat")
    assert jail.read("world/level.dat", 0, 9) == b"level"
    assert jail.read("world/again", 0, 9) == b"level"
    assert {entry.name for entry in jail.list("world", 9)} == {"level.dat", "again"}
    assert jail.stat("world").kind is Kind.LINK
    jail.write("world/new", b"new")
    assert (root / "worlds" / "first" / "new").read_bytes() == b"new"
    jail.write("world/again", b"a file of its own")
    assert jail.read("world/level.dat", 0, 9) == b"level"
    jail.make_directory("world", parents=True)
    jail.delete("world", recursive=True)
    assert (root / "worlds" / "first").is_dir()


def test_a_loop_of_links_ends(jail: Jail, root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(EscapesJail):
        jail.read("a", 0, 1)
    jail.delete("a")


def test_links_are_made_only_where_they_stay_beneath(jail: Jail, root: Path) -> None:
    jail.make_directory("a/b", parents=True)
    jail.make_link("a/b/up", "../../x")
    jail.make_link("plain", "a/b")
    assert (root / "a" / "b" / "up").readlink() == Path("../../x")
    for path, target in [
        ("l", "/etc"),
        ("l", ".."),
        ("a/l", "../.."),
        ("a/b/l", "../../../x"),
        ("a/l", "b/../../.."),
        ("a/l", "b/.."),
        ("plain/l", "../../x"),
    ]:
        with pytest.raises(EscapesJail):
            jail.make_link(path, target)


def test_a_stage_merges_into_what_is_there(jail: Jail, root: Path) -> None:
    jail.make_directory("world", parents=True)
    jail.write("world/old", b"old")
    jail.write("world/both", b"old")
    with jail.stage() as stage:
        jail.make_directory(f"{stage.path}/top/world/deep", parents=True)
        jail.write(f"{stage.path}/top/world/both", b"new")
        jail.write(f"{stage.path}/top/world/deep/new", b"new")
        assert jail.tree("", 99, 99).entries == jail.tree("", 99, 99).entries
        assert {placed.path for placed in jail.tree("", 99, 99).entries} == {"world", "world/old", "world/both"}
        stage.merge(f"{stage.path}/top", "")
    assert jail.read("world/both", 0, 9) == b"new"
    assert jail.read("world/old", 0, 9) == b"old"
    assert os.listdir(root) == ["world"]


def test_a_merge_that_conflicts_moves_nothing(jail: Jail, root: Path) -> None:
    jail.make_directory("z/folder", parents=True)
    with pytest.raises(IsADirectory), jail.stage() as stage:
        for name in ("a", "b", "c"):
            jail.write(f"{stage.path}/{name}", b"")
        jail.make_directory(f"{stage.path}/z")
        jail.write(f"{stage.path}/z/folder", b"")
        stage.merge(stage.path, "")
    assert os.listdir(root) == ["z"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_is_made_belongs_to_the_owner(root: Path) -> None:
    jail = Jail(root, (12345, 23456))
    jail.make_directory("a/b", parents=True)
    jail.write("a/b/c", b"")
    jail.copy("a/b/c", "a/d")
    for name in ("a", "a/b", "a/b/c", "a/d"):
        status = (root / name).stat()
        assert (status.st_uid, status.st_gid) == (12345, 23456), name


def test_a_file_that_vanishes_while_it_is_renamed_from_many_threads_is_only_ever_not_found(jail: Jail) -> None:
    jail.write("token", b"one")
    wins: list[int] = []

    def take(number: int) -> None:
        try:
            jail.rename("token", f"taken-{number}")
        except NotFound:
            return
        wins.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1


def test_a_large_durable_upload_goes_to_the_disk_while_it_comes(jail: Jail, root: Path) -> None:
    part = os.urandom(1 << 20)
    with jail.begin_write("large") as upload:
        for _ in range(20):
            upload.write(part)
        upload.commit()
    assert (root / "large").read_bytes() == part * 20

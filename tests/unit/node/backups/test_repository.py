"""Snapshots and restores of one repository: what is kept, what is shared, what stays, what is told."""

import io
import os
import socket
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from innkeeper.contracts.blobstore import BlobStoreFailed
from innkeeper.drivers.blobstores.disk import DiskBlobStore
from innkeeper.node.backups import taking
from innkeeper.node.backups.errors import (
    CalledOff,
    FolderIsTooLarge,
    PathIsNotInSnapshot,
    RepositoryIsBusy,
    SnapshotIsMissing,
)
from innkeeper.node.backups.leases import leased
from innkeeper.node.backups.model import Progress
from innkeeper.node.backups.repository import Repository
from innkeeper.node.files import walking
from innkeeper.node.files.errors import NoSpace
from innkeeper.node.files.jail import Jail
from innkeeper.node.files.room import Unlimited
from tests.unit.node.backups.pictures import picture

RANDOM = os.urandom(300_000)


def fill(root: Path) -> None:
    (root / "world" / "region").mkdir(parents=True)
    (root / "world" / "region" / "r.0.0.mca").write_bytes(RANDOM)
    (root / "world" / "level.dat").write_bytes(b"level")
    os.link(root / "world" / "level.dat", root / "world" / "level.dat_old")
    (root / "server.properties").write_bytes(b"motd=hello\n")
    (root / "latest").symlink_to("world/level.dat")


def old(path: Path) -> None:
    """Wait until the file's last change is so long ago that a snapshot may trust its time."""
    while time.time_ns() - path.stat().st_ctime_ns < 200_000_000:
        os.sched_yield()


def test_equal_content_of_two_servers_is_kept_once(repository: Repository, source: Path, target: Path) -> None:
    fill(source)
    fill(target)
    first = repository.snapshot(Jail(source))
    second = repository.snapshot(Jail(target))
    assert first.stored_bytes > 300_000
    assert second.stored_bytes < 5_000
    assert [snapshot.id for snapshot in repository.snapshots()] == [first.id, second.id]


def test_what_the_snapshot_tells_is_what_was_there(repository: Repository, source: Path) -> None:
    fill(source)
    snapshot = repository.snapshot(Jail(source), note={"server": "7"}, exclude=["*.tmp"])
    assert (snapshot.files, snapshot.bytes) == (4, 300_000 + 5 + 11)
    assert snapshot.note == {"server": "7"}
    assert snapshot.exclude == ("*.tmp",)
    assert repository.get(snapshot.id) == snapshot


def test_a_file_that_did_not_change_is_not_read_again(repository: Repository, source: Path) -> None:
    fill(source)
    old(source / "world/region/r.0.0.mca")
    first = repository.snapshot(Jail(source))
    region = source / "world/region/r.0.0.mca"
    before = region.stat()
    # Only what is read changes the time of access, which the file system is told to keep (or not at all).
    os.utime(source / "server.properties", ns=(0, 0))
    second = repository.snapshot(Jail(source), parent=first.id)
    assert second.parent == first.id
    assert region.stat().st_atime_ns == before.st_atime_ns
    assert second.stored_bytes < 2_000


def test_a_change_that_keeps_size_and_time_is_seen(repository: Repository, source: Path, target: Path) -> None:
    (source / "a").write_bytes(b"one")
    os.utime(source / "a", ns=(10**18, 10**18))
    first = repository.snapshot(Jail(source))
    (source / "a").write_bytes(b"two")
    os.utime(source / "a", ns=(10**18, 10**18))
    second = repository.snapshot(Jail(source), parent=first.id)
    repository.restore(second.id, Jail(target), delete_others=True)
    assert (target / "a").read_bytes() == b"two"


def test_pipes_sockets_and_foreign_hard_links_are_skipped_and_told(
    repository: Repository, source: Path, tmp_path: Path
) -> None:
    fill(source)
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "socket"))
        snapshot = repository.snapshot(Jail(source))
    assert sorted(snapshot.skipped) == ["pipe", "socket"]
    assert snapshot.skipped_count == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_second_name_of_a_foreign_file_is_neither_kept_nor_touched(
    repository: Repository, source: Path, target: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    os.link(secret, source / "stolen")
    game = (12345, 12345)
    assert repository.snapshot(Jail(source, game)).skipped == ("stolen",)

    fill(source)
    (source / "stolen").unlink()
    (source / "stolen").write_bytes(b"mine!!")
    snapshot = repository.snapshot(Jail(source, (0, 0)))
    os.link(secret, target / "stolen")
    repository.restore(snapshot.id, Jail(target, game), delete_others=True)
    assert secret.read_bytes() == b"secret"
    assert secret.stat().st_uid == 0
    assert {path.lstat().st_uid for path in target.rglob("*")} == {12345}


def test_what_is_left_out_is_not_kept_and_not_deleted(repository: Repository, source: Path, target: Path) -> None:
    fill(source)
    (source / "logs").mkdir()
    (source / "logs" / "a.log").write_bytes(b"log")
    snapshot = repository.snapshot(Jail(source), exclude=["/logs", "*.tmp"])
    (target / "logs").mkdir()
    (target / "logs" / "b.log").write_bytes(b"other log")
    (target / "x.tmp").write_bytes(b"tmp")
    (target / "other").write_bytes(b"other")
    restored = repository.restore(snapshot.id, Jail(target), delete_others=True)
    assert restored.deleted == 1
    assert (target / "logs" / "b.log").exists() and (target / "x.tmp").exists()
    assert not (target / "other").exists() and not (target / "logs" / "a.log").exists()


def test_single_paths_come_back_and_nothing_else_is_touched(repository: Repository, source: Path, target: Path) -> None:
    fill(source)
    snapshot = repository.snapshot(Jail(source))
    (target / "server.properties").write_bytes(b"mine")
    (target / "world").mkdir()
    (target / "world" / "new").write_bytes(b"new")
    repository.restore(snapshot.id, Jail(target), paths=["world/region", "world/level.dat_old"], delete_others=True)
    assert (target / "world/region/r.0.0.mca").read_bytes() == RANDOM
    assert (target / "world/level.dat_old").read_bytes() == b"level"
    assert not (target / "world/level.dat").exists()
    assert (target / "world/new").exists()
    assert (target / "server.properties").read_bytes() == b"mine"
    with pytest.raises(PathIsNotInSnapshot):
        repository.restore(snapshot.id, Jail(target), paths=["nothing"], delete_others=False)


def test_without_deleting_what_is_new_stays(repository: Repository, source: Path, target: Path) -> None:
    fill(source)
    snapshot = repository.snapshot(Jail(source))
    (target / "new").write_bytes(b"new")
    assert repository.restore(snapshot.id, Jail(target), delete_others=False).deleted == 0
    assert (target / "new").exists() and (target / "latest").is_symlink()


def test_a_restore_needs_the_room_that_the_server_has(repository: Repository, source: Path, target: Path) -> None:
    class Full(Unlimited):
        def take(self, size: int, path: str) -> None:
            if size > 100_000:
                raise NoSpace(path)

    fill(source)
    snapshot = repository.snapshot(Jail(source))
    with pytest.raises(NoSpace):
        repository.restore(snapshot.id, Jail(target, room=Full()), delete_others=True)
    assert not [name for name in os.listdir(target / "world/region") if name.startswith(".innkeeper")]


def test_a_folder_swapped_for_a_link_leads_nowhere(
    repository: Repository, source: Path, target: Path, tmp_path: Path
) -> None:
    fill(source)
    snapshot = repository.snapshot(Jail(source))
    outside = tmp_path / "outside"
    outside.mkdir()
    (target / "world").symlink_to(outside)
    repository.restore(snapshot.id, Jail(target), delete_others=True)
    assert os.listdir(outside) == []
    assert picture(target) == picture(source)


def test_a_file_that_changes_all_the_time_never_fails_a_snapshot(repository: Repository, source: Path) -> None:
    fill(source)
    end = threading.Event()

    def change() -> None:
        number = 0
        while not end.is_set():
            number += 1
            (source / "growing").write_bytes(b"x" * (number * 7919 % 200_000))
            (source / f"vanishing{number % 5}").write_bytes(b"here")
            (source / f"vanishing{(number + 2) % 5}").unlink(missing_ok=True)

    game = threading.Thread(target=change)
    game.start()
    try:
        made = [repository.snapshot(Jail(source)) for _ in range(10)]
    finally:
        end.set()
        game.join()
    for snapshot in made:
        assert repository.verify(snapshot.id).problems == ()
    assert repository.check() == []


def test_progress_goes_up_to_the_whole(repository: Repository, source: Path, target: Path) -> None:
    fill(source)
    seen: list[Progress] = []
    snapshot = repository.snapshot(Jail(source), progress=seen.append)
    assert seen[-1].fraction == 1.0 and seen[-1].files == 4
    repository.restore(snapshot.id, Jail(target), delete_others=True, progress=seen.append)
    assert seen[-1].fraction == 1.0


def test_what_is_called_off_leaves_no_snapshot_and_a_restore_can_go_on(
    repository: Repository, source: Path, target: Path
) -> None:
    fill(source)
    with pytest.raises(CalledOff):
        repository.snapshot(Jail(source), cancelled=lambda: True)
    assert repository.snapshots() == []
    snapshot = repository.snapshot(Jail(source))
    with pytest.raises(CalledOff):
        repository.restore(snapshot.id, Jail(target), delete_others=True, cancelled=lambda: True)
    repository.restore(snapshot.id, Jail(target), delete_others=True)
    assert picture(target) == picture(source)


@pytest.mark.parametrize("snapshot_id", ["", "0" * 32, "../../etc/passwd", "x" * 1000])
def test_a_snapshot_that_is_not_there_is_missing(repository: Repository, target: Path, snapshot_id: str) -> None:
    with pytest.raises(SnapshotIsMissing):
        repository.get(snapshot_id)
    with pytest.raises(SnapshotIsMissing):
        repository.restore(snapshot_id, Jail(target), delete_others=True)


def test_folders_of_a_snapshot_can_be_listed(repository: Repository, source: Path) -> None:
    fill(source)
    snapshot = repository.snapshot(Jail(source))
    assert [(entry.name, entry.kind.value, entry.size) for entry in repository.entries(snapshot.id, "")] == [
        ("latest", "link", 0),
        ("server.properties", "file", 11),
        ("world", "directory", 0),
    ]
    assert [entry.size for entry in repository.entries(snapshot.id, "world")] == [5, 5, 0]
    with pytest.raises(PathIsNotInSnapshot):
        repository.entries(snapshot.id, "world/level.dat")


# Archives


def test_a_tar_holds_everything_exactly(repository: Repository, source: Path, tmp_path: Path) -> None:
    fill(source)
    (source / os.fsdecode(b"\xff\n")).write_bytes(b"odd name")
    with (source / "sparse").open("wb") as file:
        file.seek(100_000)
        file.write(b"end")
    os.utime(source / "server.properties", ns=(-1_500_000_001, 1_700_000_000_123_456_789))
    snapshot = repository.snapshot(Jail(source))
    for form, opened in (("tar.gz", "r|gz"), ("tar.zst", "r|")):
        data = b"".join(repository.stream(snapshot.id, form))  # type: ignore[arg-type]
        if form == "tar.zst":
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        out = tmp_path / form
        with tarfile.open(fileobj=io.BytesIO(data), mode=opened) as archive:  # type: ignore[call-overload]
            archive.extraction_filter = staticmethod(
                lambda member, _: member
            )  # as an argument only since Python 3.11.4
            archive.extractall(out)  # noqa: S202 made by us
        assert {path: told[4:] for path, told in picture(out).items() if told[0] == "file"} == {
            path: told[4:] for path, told in picture(source).items() if told[0] == "file"
        }
        assert (out / "latest").readlink() == Path("world/level.dat")
        # Python keeps times as floats, which are good to some hundred nanoseconds.
        assert abs((out / "server.properties").stat().st_mtime_ns - 1_700_000_000_123_456_789) < 1000


def test_a_part_is_named_from_its_folder_on(repository: Repository, source: Path) -> None:
    fill(source)
    snapshot = repository.snapshot(Jail(source))
    data = b"".join(repository.stream(snapshot.id, "tar.gz", "world/region"))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["region", "region/r.0.0.mca"]


def test_a_zip_holds_names_modes_and_contents(repository: Repository, source: Path) -> None:
    fill(source)
    (source / "world/level.dat").chmod(0o640)
    snapshot = repository.snapshot(Jail(source))
    data = b"".join(repository.stream(snapshot.id, "zip"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.read("world/region/r.0.0.mca") == RANDOM
        assert archive.read("world/level.dat_old") == b"level"
        assert archive.read("latest") == b"world/level.dat"
        assert stat.S_IMODE(archive.getinfo("world/level.dat").external_attr >> 16) == 0o640
        assert stat.S_ISLNK(archive.getinfo("latest").external_attr >> 16)


# Collecting


def test_a_collection_frees_what_no_snapshot_needs_and_nothing_else(
    repository: Repository, source: Path, target: Path, blobs: Path
) -> None:
    fill(source)
    (source / "large").write_bytes(os.urandom(2_000_000))
    first = repository.snapshot(Jail(source))
    (source / "large").unlink()
    second = repository.snapshot(Jail(source), parent=first.id)
    assert repository.collect().freed_bytes == 0
    repository.forget(first.id)
    collected = repository.collect()
    assert collected.rewritten == 1 and collected.freed_bytes > 1_900_000
    assert repository.check() == []
    repository.restore(second.id, Jail(target), delete_others=True)
    assert picture(target) == picture(source)
    repository.forget(second.id)
    repository.collect()
    assert [path for path in blobs.rglob("*") if path.is_file()] == []


def test_many_small_packs_become_one(repository: Repository, source: Path, blobs: Path) -> None:
    for number in range(12):
        (source / f"{number}").write_bytes(os.urandom(1000))
        last = repository.snapshot(Jail(source))
    assert len(os.listdir(blobs / "packs")) == 12
    repository.collect()
    assert len(os.listdir(blobs / "packs")) == 1
    assert repository.verify(last.id).problems == ()


def test_a_collection_gives_way_to_a_snapshot_that_is_being_taken(repository: Repository, source: Path) -> None:
    fill(source)
    tried: list[BaseException] = []

    def collect(_: Progress) -> None:
        try:
            repository.collect()
        except RepositoryIsBusy as error:
            tried.append(error)

    repository.snapshot(Jail(source), progress=collect)
    assert tried


def test_a_snapshot_waits_for_a_collection_until_it_is_called_off(
    repository: Repository, store: DiskBlobStore, source: Path
) -> None:
    calls: Iterator[bool] = iter([False, False, True])
    with leased(store, "exclusive", lambda: False), pytest.raises(CalledOff):
        repository.snapshot(Jail(source), cancelled=lambda: next(calls))
    repository.snapshot(Jail(source))


def test_a_folder_that_cannot_be_read_is_told(
    repository: Repository, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "world" / "region").mkdir(parents=True)
    (source / "world" / "region" / "r.0.0.mca").write_bytes(b"x")
    enter = walking._enter
    monkeypatch.setattr(walking, "_enter", lambda name, parent: None if name == "region" else enter(name, parent))
    kept = repository.snapshot(Jail(source))
    assert (kept.skipped, kept.skipped_count) == (("world/region",), 1)


def test_a_lease_that_could_not_be_removed_at_its_end_hinders_nobody(
    repository: Repository, store: DiskBlobStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(name: str) -> None:
        raise BlobStoreFailed(f"no answer for {name}")

    with monkeypatch.context() as away:
        away.setattr(store, "delete", failing)
        with leased(store, "exclusive", lambda: False):
            pass
    assert list(store.list("leases/"))
    repository.snapshot(Jail(source), cancelled=lambda: any(store.list("leases/exclusive")))
    assert not list(store.list("leases/"))


def test_what_is_missing_of_a_snapshot_is_counted_without_reading_it(
    repository: Repository, blobs: Path, source: Path
) -> None:
    (source / "a").write_bytes(bytes(range(256)) * 256)
    kept = repository.snapshot(Jail(source))
    assert repository.missing(kept.id) == 0
    for pack in (blobs / "packs").iterdir():
        pack.unlink()
    assert repository.missing(kept.id) > 0


def test_snapshots_and_collections_beside_each_other_lose_nothing(
    repository: Repository, store: DiskBlobStore, source: Path, target: Path, tmp_path: Path
) -> None:
    fill(source)
    other = Repository(store, tmp_path / "other cache")
    end = threading.Event()
    problems: list[BaseException] = []

    def collect() -> None:
        while not end.is_set():
            try:
                other.collect()
            except RepositoryIsBusy:
                continue
            except BaseException as error:
                problems.append(error)
                raise

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        kept = None
        for number in range(12):
            (source / "changing").write_bytes(bytes([number]) * 50_000 + os.urandom(20_000))
            snapshot = repository.snapshot(Jail(source), parent=kept)
            if kept is not None:
                repository.forget(kept)
            kept = snapshot.id
    finally:
        end.set()
        collector.join()
        other.close()
    assert problems == []
    assert repository.check() == []
    assert kept is not None
    repository.restore(kept, Jail(target), delete_others=True)
    assert picture(target) == picture(source)


def test_the_index_may_be_lost_or_broken_at_any_time(
    repository: Repository, store: DiskBlobStore, source: Path, target: Path, tmp_path: Path
) -> None:
    fill(source)
    snapshot = repository.snapshot(Jail(source))
    for number, content in enumerate((b"", b"no database" * 1000)):
        cache = tmp_path / f"cache{number}"
        cache.mkdir()
        (cache / "index.sqlite").write_bytes(content)
        fresh = Repository(store, cache)
        try:
            assert fresh.snapshot(Jail(source), parent=snapshot.id).stored_bytes < 2_000
            assert fresh.verify(snapshot.id).problems == ()
        finally:
            fresh.close()


def test_a_folder_of_too_many_names_is_refused_before_anything_is_stored(
    repository: Repository, source: Path, blobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "_MOST_NODES", 3)
    for name in "abc":
        (source / name).write_text(name)
    assert repository.snapshot(Jail(source)).files == 3
    (source / "d").write_text("d")
    stored = sorted(path.name for path in blobs.rglob("*"))
    with pytest.raises(FolderIsTooLarge, match="leave some out"):
        repository.snapshot(Jail(source))
    assert sorted(path.name for path in blobs.rglob("*")) == stored

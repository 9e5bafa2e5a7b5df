"""A store that somebody or something has damaged: found, named, never believed, and healed where that is possible."""

import os
import random
import struct
from pathlib import Path

import msgspec
import pytest
import zstandard

from innkeeper.drivers.blobstores.disk import DiskBlobStore
from innkeeper.node.backups import packs, trees
from innkeeper.node.backups.errors import CalledOff, RepositoryError, RepositoryIsDamaged
from innkeeper.node.backups.leases import PREFIX as LEASES
from innkeeper.node.backups.model import Snapshot
from innkeeper.node.backups.repository import Repository
from innkeeper.node.backups.trees import Node, Run
from innkeeper.node.files.jail import Jail

CONTENT = random.Random(1).randbytes(60_000) + b"text " * 20_000


@pytest.fixture
def snapshot(repository: Repository, source: Path) -> Snapshot:
    (source / "a").write_bytes(CONTENT)
    (source / "b").write_bytes(CONTENT[::-1])
    return repository.snapshot(Jail(source))


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_every_flipped_bit_of_a_pack_is_found(
    repository: Repository, store: DiskBlobStore, snapshot: Snapshot, blobs: Path, target: Path, tmp_path: Path
) -> None:
    pack = only(blobs / "packs")
    whole = pack.read_bytes()
    choose = random.Random(2)
    for number in range(25):
        at = choose.randrange(8, len(whole))
        pack.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << choose.randrange(8)]) + whole[at + 1 :])
        fresh = Repository(store, tmp_path / f"cache{number}")
        try:
            assert fresh.verify(snapshot.id).problems != () or fresh.check() != []
            with pytest.raises(RepositoryIsDamaged):
                fresh.restore(snapshot.id, Jail(target), delete_others=True)
        finally:
            fresh.close()
        # What a restore finds equal it does not read.
        Jail(target).clear()
    pack.write_bytes(whole)
    assert repository.verify(snapshot.id).problems == ()


@pytest.mark.parametrize("left", [0, 5, 40, 1000, -1])
def test_a_pack_that_is_cut_short_is_found(
    store: DiskBlobStore, snapshot: Snapshot, blobs: Path, tmp_path: Path, left: int
) -> None:
    pack = only(blobs / "packs")
    pack.write_bytes(pack.read_bytes()[:left])
    fresh = Repository(store, tmp_path / "fresh")
    try:
        assert len(fresh.check()) == 2
        assert fresh.verify(snapshot.id).problems != ()
        fresh.collect()
        assert pack.exists()
    finally:
        fresh.close()


def test_a_pack_that_is_gone_is_found_with_the_names_of_the_files(
    repository: Repository, snapshot: Snapshot, blobs: Path
) -> None:
    only(blobs / "packs").unlink()
    (problem,) = repository.check()
    assert snapshot.id in problem and "'a'" in problem and "'b'" in problem


@pytest.mark.parametrize("at", [0, 9, 20, 200, -40, -1])
def test_a_flipped_bit_of_a_snapshot_is_found_and_nothing_is_collected_then(
    store: DiskBlobStore, snapshot: Snapshot, blobs: Path, target: Path, tmp_path: Path, at: int
) -> None:
    blob = only(blobs / "snapshots")
    data = bytearray(blob.read_bytes())
    data[at] ^= 4
    blob.write_bytes(data)
    fresh = Repository(store, tmp_path / "fresh")
    try:
        assert fresh.check() != []
        assert fresh.verify(snapshot.id).problems != ()
        with pytest.raises(RepositoryIsDamaged):
            fresh.restore(snapshot.id, Jail(target), delete_others=True)
        with pytest.raises(RepositoryIsDamaged):
            fresh.collect()
        assert os.listdir(target) == []
        assert only(blobs / "packs").exists()
    finally:
        fresh.close()


def test_the_next_snapshot_stores_again_what_was_found_damaged_and_heals_the_old_one(
    repository: Repository, snapshot: Snapshot, blobs: Path, source: Path, target: Path
) -> None:
    pack = only(blobs / "packs")
    data = bytearray(pack.read_bytes())
    data[100] ^= 1
    pack.write_bytes(data)
    assert len(repository.verify(snapshot.id).problems) == 1
    repository.snapshot(Jail(source))
    assert repository.verify(snapshot.id).problems == ()
    repository.restore(snapshot.id, Jail(target), delete_others=True)
    assert (target / "a").read_bytes() == CONTENT


def test_a_chunk_that_states_a_huge_size_gets_no_memory() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    for plain in (100, packs.CHUNK, 1 << 28):
        row = packs.Row(bytes(packs.DIGEST), 8, len(bomb), plain)
        with pytest.raises(RepositoryIsDamaged):
            packs.decompress(row, bomb)


def test_a_table_that_states_impossible_sizes_is_not_believed(store: DiskBlobStore) -> None:
    chunk = packs.compress(packs.digest_of(b"a"), memoryview(b"a"))
    for plain, stored in ((1 << 31, 1), (1, 1 << 31), (0, 1)):
        pack, _ = packs.seal([chunk._replace(plain=plain)])
        if stored != 1:
            pack = pack.replace(struct.pack("<I", 1), struct.pack("<I", stored), 1)
        store.put("packs/hostile", pack)
        with pytest.raises(RepositoryIsDamaged):
            packs.read_table(store, "packs/hostile", len(pack))
    store.put("packs/hostile", b"IKPACK1\n" + bytes(32) + struct.pack("<I", 1 << 31) + b"IKPEND1\n")
    with pytest.raises(RepositoryIsDamaged):
        packs.read_table(store, "packs/hostile", 52)


@pytest.mark.parametrize(
    "nodes",
    [
        [Node(b"../a", "f")],
        [Node(b"/a", "f")],
        [Node(b"", "d")],
        [Node(b"a/b", "f")],
        [Node(b"a", "f"), Node(b"a", "f")],
        [Node(b"b", "f"), Node(b"a", "f")],
        [Node(b"a", "l", target=b"/etc"), Node(b"a/b", "f")],
        [Node(b"a", "h", target=b"../../etc/passwd")],
        [Node(b"a", "f", 0o4755)],
        [Node(b"a", "f", size=5, runs=(Run(0, bytes(packs.DIGEST * 2)),))],
        [Node(b"a", "f", size=-1)],
        [Node(b"a", "f", size=1 << 20, runs=(Run(3, bytes(packs.DIGEST)), Run(1, bytes(packs.DIGEST))))],
        [Node(b"a\0b", "d")],
    ],
)
def test_a_snapshot_that_an_enemy_wrote_leads_nowhere(
    repository: Repository, store: DiskBlobStore, snapshot: Snapshot, target: Path, nodes: list[Node]
) -> None:
    head = msgspec.structs.replace(snapshot, id="f" * 32)
    store.put(f"snapshots/{head.id}", trees.encode(head, trees.pack_tree(nodes)))
    with pytest.raises(RepositoryIsDamaged):
        repository.restore(head.id, Jail(target), delete_others=True)
    assert os.listdir(target) == []


def test_a_tree_that_states_a_huge_size_gets_no_memory(
    repository: Repository, store: DiskBlobStore, snapshot: Snapshot, target: Path
) -> None:
    head = msgspec.structs.replace(snapshot, id="e" * 32)
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 20))
    # The size of the frame, as its header states it: four bytes after the magic number and the descriptor.
    assert zstandard.frame_content_size(bomb) == 1 << 20
    at = bomb.index(struct.pack("<I", 1 << 20))
    store.put(f"snapshots/{head.id}", trees.encode(head, bomb[:at] + struct.pack("<I", 1 << 31) + bomb[at + 4 :]))
    with pytest.raises(RepositoryError, match="impossible size"):
        repository.restore(head.id, Jail(target), delete_others=True)


def test_rubbish_in_the_store_stops_nothing(
    repository: Repository, store: DiskBlobStore, snapshot: Snapshot, source: Path
) -> None:
    store.put(f"{LEASES}shared-rubbish", b"rubbish")
    store.put("packs/rubbish", b"rubbish")
    repository.snapshot(Jail(source), parent=snapshot.id)
    assert len(repository.check()) == 1
    repository.collect()
    assert repository.check() == []
    assert list(store.list(LEASES)) == []


def test_nothing_is_missing_because_a_check_learns_everything_anew_meanwhile(
    repository: Repository, store: DiskBlobStore, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, looks = repository._index, 0
    refresh = index.refresh

    def refreshed() -> None:
        nonlocal looks
        refresh()
        looks += 1
        if looks == 1:  # what a check begins with
            index.forget([name for name, _ in store.list(packs.PREFIX)])

    monkeypatch.setattr(index, "refresh", refreshed)
    assert repository.missing(snapshot.id) == 0


def test_a_check_that_is_called_off_learns_no_more_packs(repository: Repository, snapshot: Snapshot) -> None:
    with pytest.raises(CalledOff):
        repository._index.rebuild(lambda: True)
    assert repository.check() == []

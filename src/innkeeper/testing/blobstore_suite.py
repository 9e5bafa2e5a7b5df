"""The contract of a blob store, as tests: derive from `BlobStoreSuite`, provide `store`, and pytest holds it to that.

    class TestMyStore(BlobStoreSuite):
        @pytest.fixture
        def store(self) -> BlobStore:
            ...give an empty one...

It knows the promise of `innkeeper.contracts.blobstore` and nothing of how a store keeps it. Needs pytest.
"""

from __future__ import annotations

import random
import threading

import pytest

from innkeeper.contracts.blobstore import BlobIsMissing, BlobStore

LARGE = 9 << 20


class BlobStoreSuite:
    """What `put`, `get`, `list` and `delete` promise."""

    more_than_a_page = 60
    """How many blobs are certainly listed in several steps, if the store does so at all."""

    def test_what_was_put_is_given_back(self, store: BlobStore) -> None:
        store.put("packs/ab12", b"some bytes")
        assert store.get("packs/ab12") == b"some bytes"

    def test_a_blob_of_many_mib_is_given_back_whole(self, store: BlobStore) -> None:
        data = random.Random(1).randbytes(LARGE)
        store.put("packs/large", data)
        assert store.get("packs/large") == data
        assert store.get("packs/large", LARGE - 10, 10) == data[-10:]

    def test_any_buffer_is_taken(self, store: BlobStore) -> None:
        for data in (b"buffer", bytearray(b"buffer"), memoryview(b"a buffer")[2:]):
            store.put("packs/buffer", data)
            assert store.get("packs/buffer") == b"buffer"

    def test_an_empty_blob_is_a_blob(self, store: BlobStore) -> None:
        store.put("packs/empty", b"")
        assert store.get("packs/empty") == b""
        assert list(store.list("packs/")) == [("packs/empty", 0)]

    @pytest.mark.parametrize(
        ("start", "size", "part"),
        [(0, 3, b"012"), (3, 4, b"3456"), (7, None, b"789"), (8, 100, b"89"), (10, 5, b""), (50, 5, b""), (4, 0, b"")],
    )
    def test_a_part_is_cut_at_the_end(self, store: BlobStore, start: int, size: int | None, part: bytes) -> None:
        store.put("packs/part", b"0123456789")
        assert store.get("packs/part", start, size) == part

    def test_a_blob_that_is_put_again_is_replaced(self, store: BlobStore) -> None:
        store.put("leases/one", b"a long first version")
        store.put("leases/one", b"second")
        assert store.get("leases/one") == b"second"
        assert list(store.list("leases/")) == [("leases/one", 6)]

    def test_what_is_not_there_is_missing(self, store: BlobStore) -> None:
        for start, size in ((0, None), (0, 4), (4, 4), (4, 0)):
            with pytest.raises(BlobIsMissing):
                store.get("packs/none", start, size)

    def test_a_list_gives_names_and_sizes_beneath_its_prefix_alone(self, store: BlobStore) -> None:
        for name in ("packs/a", "packs/b", "packs/deep/c", "snapshots/d"):
            store.put(name, name.encode())
        assert sorted(store.list("packs/")) == [("packs/a", 7), ("packs/b", 7), ("packs/deep/c", 12)]
        assert list(store.list("nothing/")) == []

    def test_a_list_of_more_than_a_page_is_whole(self, store: BlobStore) -> None:
        names = {f"packs/{number:04}" for number in range(self.more_than_a_page)}
        for name in names:
            store.put(name, b"x")
        assert {name for name, _ in store.list("packs/")} == names

    def test_a_deleted_blob_is_gone_and_may_be_deleted_again(self, store: BlobStore) -> None:
        store.put("packs/a", b"a")
        store.delete("packs/a")
        store.delete("packs/a")
        assert list(store.list("packs/")) == []
        with pytest.raises(BlobIsMissing):
            store.get("packs/a")

    @pytest.mark.parametrize("name", ["", "/a", "a/", "../a", "a/../b", "a//b", "a\0b", "a b", ".hidden", "a" * 600])
    def test_a_name_that_could_lead_elsewhere_is_refused(self, store: BlobStore, name: str) -> None:
        for act in (lambda: store.put(name, b""), lambda: store.get(name), lambda: store.delete(name)):
            with pytest.raises(ValueError):
                act()

    def test_a_reader_beside_a_writer_finds_one_version_whole(self, store: BlobStore) -> None:
        versions = [bytes([number]) * 100_000 for number in range(20)]
        store.put("leases/busy", versions[0])

        def write() -> None:
            for version in versions:
                store.put("leases/busy", version)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            while writer.is_alive():
                assert store.get("leases/busy") in versions
        finally:
            writer.join()
        assert store.get("leases/busy") == versions[-1]

    def test_tidying_up_leaves_every_blob(self, store: BlobStore) -> None:
        store.put("packs/a", b"a")
        store.tidy()
        assert store.get("packs/a") == b"a"

    def test_it_says_what_it_is(self, store: BlobStore) -> None:
        assert store.describe()
        assert "secret" not in store.describe()

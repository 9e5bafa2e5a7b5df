"""The contract of a blob store over a directory and over S3; and a whole repository in a bucket."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from innkeeper.contracts.blobstore import BlobStore, BlobStoreFailed
from innkeeper.drivers.blobstores.disk import DiskBlobStore
from innkeeper.drivers.blobstores.s3 import S3BlobStore, S3Options
from innkeeper.node.backups.repository import Repository
from innkeeper.node.files.jail import Jail
from innkeeper.testing.blobstore_suite import BlobStoreSuite
from innkeeper.testing.s3_server import S3Server

_buckets = count()


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        yield running


@pytest.fixture
def options(server: S3Server) -> S3Options:
    name = f"backups-{next(_buckets)}"
    server.make_bucket(name)
    return S3Options(
        bucket=name,
        prefix="one/node",
        endpoint=server.url,
        region="us-east-1",
        access_key_id="key",
        secret_access_key="secret",
    )


class TestDisk(BlobStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> BlobStore:
        return DiskBlobStore(tmp_path / "blobs")


class TestMemoryByTheSameCode(BlobStoreSuite):
    @pytest.fixture
    def store(self) -> BlobStore:
        return S3BlobStore(S3Options(bucket="memory", prefix="p"), store=MemoryStore())


class TestS3(BlobStoreSuite):
    more_than_a_page = 1010

    @pytest.fixture
    def store(self, options: S3Options) -> BlobStore:
        return S3BlobStore(options)

    def test_two_prefixes_of_a_bucket_do_not_meet(self, options: S3Options, store: BlobStore) -> None:
        other = S3BlobStore(S3Options(**{**_fields(options), "prefix": "one/node2"}))
        store.put("packs/a", b"a")
        assert list(other.list("packs/")) == []

    def test_a_bucket_that_is_not_there_fails_with_its_name(self, options: S3Options) -> None:
        nowhere = S3BlobStore(S3Options(**{**_fields(options), "bucket": "nowhere"}))
        with pytest.raises(BlobStoreFailed, match="nowhere"):
            list(nowhere.list("packs/"))

    def test_a_repository_lives_in_a_bucket(self, store: BlobStore, tmp_path: Path) -> None:
        source, target = tmp_path / "source", tmp_path / "target"
        (source / "world").mkdir(parents=True)
        target.mkdir()
        (source / "world" / "level.dat").write_bytes(os.urandom(100_000))
        repository = Repository(store, tmp_path / "cache")
        try:
            snapshot = repository.snapshot(Jail(source))
            repository.restore(snapshot.id, Jail(target), delete_others=True)
            assert (target / "world" / "level.dat").read_bytes() == (source / "world" / "level.dat").read_bytes()
            repository.forget(snapshot.id)
            assert repository.collect().removed == 1
            assert repository.check() == []
            assert list(store.list("packs/")) == []
        finally:
            repository.close()


def _fields(options: S3Options) -> dict[str, object]:
    return {name: getattr(options, name) for name in options.__struct_fields__}

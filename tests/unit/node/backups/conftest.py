"""A repository on disk, and the folder of a server to take snapshots of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from innkeeper.drivers.blobstores.disk import DiskBlobStore
from innkeeper.node.backups.repository import Repository


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return made(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return made(tmp_path / "target")


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(blobs: Path) -> DiskBlobStore:
    return DiskBlobStore(blobs)


@pytest.fixture
def repository(store: DiskBlobStore, tmp_path: Path) -> Iterator[Repository]:
    repository = Repository(store, tmp_path / "cache")
    yield repository
    repository.close()


def made(path: Path) -> Path:
    path.mkdir()
    return path

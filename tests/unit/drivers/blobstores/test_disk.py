"""What a store on disk promises beyond the contract: nobody else reads it, and crashes leave nothing for good."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from innkeeper.contracts.blobstore import BlobStoreFailed
from innkeeper.drivers.blobstores.disk import DiskBlobStore

WRITER = """
import os, sys
from pathlib import Path
from innkeeper.drivers.blobstores import disk
def fsync(descriptor):
    print("written", flush=True)
    sys.stdin.read()
disk.os.fsync = fsync
disk.DiskBlobStore(Path(sys.argv[1])).put("packs/a", b"half a pack")
"""


def test_blobs_and_folders_are_closed_to_others(tmp_path: Path) -> None:
    DiskBlobStore(tmp_path / "blobs").put("packs/a", b"a")
    assert (tmp_path / "blobs/packs/a").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "blobs/packs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "blobs").stat().st_mode & 0o777 == 0o700


def test_what_a_killed_writer_left_is_no_blob_and_is_tidied_up_once_it_is_dead(tmp_path: Path) -> None:
    store = DiskBlobStore(tmp_path)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        store.tidy()
        assert len(os.listdir(tmp_path / "unfinished")) == 1
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    assert list(store.list("packs/")) == []
    store.tidy()
    assert os.listdir(tmp_path / "unfinished") == []


def test_the_folder_of_unfinished_blobs_holds_no_blobs(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        DiskBlobStore(tmp_path).put("unfinished/a", b"")


def test_a_link_in_a_blobs_place_is_not_followed(tmp_path: Path) -> None:
    store = DiskBlobStore(tmp_path / "blobs")
    store.put("packs/a", b"a")
    (tmp_path / "foreign").write_bytes(b"foreign")
    (tmp_path / "blobs/packs/b").symlink_to(tmp_path / "foreign")
    with pytest.raises(BlobStoreFailed):
        store.get("packs/b")
    assert [name for name, _ in store.list("packs/")] == ["packs/a"]


def test_where_the_directory_cannot_be_written_it_fails_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_bytes(b"a file")
    with pytest.raises(BlobStoreFailed):
        DiskBlobStore(tmp_path / "blobs").put("packs/a", b"a")

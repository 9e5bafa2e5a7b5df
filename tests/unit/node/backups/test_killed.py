"""SIGKILL at random points of snapshots, restores and collections: what was finished is whole, nothing else is listed.

`INNKEEPER_BACKUP_KILLS` sets how often the process is killed; a few times where it is not set.
"""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from innkeeper.drivers.blobstores.disk import DiskBlobStore
from innkeeper.node.backups.exclusions import Exclusions
from innkeeper.node.backups.repository import Repository
from innkeeper.node.backups.taking import Nothing, Taking
from innkeeper.node.backups.trees import digest_of_tree
from innkeeper.node.files.jail import Jail

KILLS = int(os.environ.get("INNKEEPER_BACKUP_KILLS", "8"))
MORTAL = Path(__file__).with_name("mortal.py")


def digest_of(folder: Path) -> str:
    taking = Taking(Exclusions(()), {}, Nothing(), lambda _: None, lambda: False)
    return digest_of_tree(taking.run(Jail(folder)).nodes)


@pytest.mark.slow
@pytest.mark.timeout(60 + 10 * KILLS)
def test_what_was_finished_restores_exactly_whenever_the_process_is_killed(
    source: Path, target: Path, blobs: Path, tmp_path: Path
) -> None:
    choose = random.Random(int(os.environ.get("INNKEEPER_BACKUP_SEED", "1")))
    told, back = tmp_path / "told", tmp_path / "back"
    told.touch()
    back.mkdir()
    for kill in range(KILLS):
        live_and_die(choose, [blobs, tmp_path / "cache", source, target, told], kill)
        # Half of the time without what the killed process knew.
        cache = tmp_path / "cache" if kill % 2 else tmp_path / f"fresh cache {kill}"
        repository = Repository(DiskBlobStore(blobs), cache)
        try:
            check(repository, Jail(target), told, back)
        finally:
            repository.close()
    repository = Repository(DiskBlobStore(blobs), tmp_path / "cache")
    try:
        for snapshot in repository.snapshots():
            repository.forget(snapshot.id)
        repository.collect()
    finally:
        repository.close()
    assert [path for path in blobs.rglob("*") if path.is_file()] == []


def live_and_die(choose: random.Random, paths: list[Path], seed: int) -> None:
    process = subprocess.Popen([sys.executable, str(MORTAL), *map(str, paths), str(seed)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        # The moment of death is chance, and need not be that of anything.
        threading.Event().wait(choose.random() * 1.5)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def check(repository: Repository, target: Jail, told: Path, back: Path) -> None:
    lines = [line.split() for line in told.read_text().splitlines()]
    digests = {line[1]: line[2] for line in lines if line[0] == "done"}
    forgotten = {line[1] for line in lines if line[0] == "forget"}
    listed = {snapshot.id: snapshot.digest for snapshot in repository.snapshots()}
    assert digests.keys() - forgotten <= listed.keys()
    assert all(digests.get(snapshot_id, digest) == digest for snapshot_id, digest in listed.items())
    assert repository.check() == []
    repository.collect()
    assert repository.check() == []
    for snapshot_id, digest in listed.items():
        assert repository.verify(snapshot_id).problems == ()
        repository.restore(snapshot_id, Jail(back), delete_others=True)
        assert digest_of(back) == digest
    if listed:
        # What a restore that was killed has left half-done is finished by the next one.
        last = max(listed)
        target.sweep()
        repository.restore(last, target, delete_others=True)
        assert digest_of(target.root) == listed[last]

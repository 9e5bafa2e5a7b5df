"""A process that takes, restores, forgets and collects without end, told apart from its killer by what it wrote down.

    python mortal.py BLOBS CACHE SOURCE TARGET TOLD SEED

To the file TOLD it appends `done ID DIGEST` for each finished snapshot and `forget ID` before it forgets one.
"""

import os
import random
import sys
from pathlib import Path

from innkeeper.drivers.blobstores.disk import DiskBlobStore
from innkeeper.node.backups.errors import RepositoryIsBusy
from innkeeper.node.backups.repository import Repository
from innkeeper.node.files.jail import Jail


def main() -> None:
    blobs, cache, source, target, told = map(Path, sys.argv[1:6])
    choose = random.Random(int(sys.argv[6]))
    repository = Repository(DiskBlobStore(blobs), cache)
    listed = [snapshot.id for snapshot in repository.snapshots()]
    out = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    print("ready", flush=True)
    while True:
        name = f"file{choose.randrange(30)}"
        (source / name).write_bytes(choose.randbytes(choose.randrange(400_000)))
        made = repository.snapshot(Jail(source), parent=listed[-1] if listed else None)
        os.write(out, f"done {made.id} {made.digest}\n".encode())
        listed.append(made.id)
        if choose.random() < 0.3:
            repository.restore(choose.choice(listed), Jail(target), delete_others=True)
        if len(listed) > 4:
            gone = listed.pop(choose.randrange(len(listed)))
            os.write(out, f"forget {gone}\n".encode())
            repository.forget(gone)
        if choose.random() < 0.4:
            try:
                repository.collect()
            except RepositoryIsBusy:
                continue


if __name__ == "__main__":
    main()

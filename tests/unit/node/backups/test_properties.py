# ruff: noqa: PTH101, PTH102, PTH118, PTH123, PTH211
"""Whatever a folder holds, its snapshot brings it back: a property, on hostile trees and on one like a world."""

import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from innkeeper.drivers.blobstores.disk import DiskBlobStore
from innkeeper.node.backups.packs import CHUNK
from innkeeper.node.backups.repository import Repository
from innkeeper.node.files.jail import Jail
from tests.unit.node.backups.pictures import picture

MEMORY = "/dev/shm"
NAMES = st.one_of(
    st.sampled_from([b"a", b"b", b"\n", b"\xff\xfe", b"a b", "ä€".encode(), b"-rf", b"*", b"#x", b"\xf4\x8f\xb8\x80"]),
    st.binary(min_size=1, max_size=12).filter(lambda name: b"/" not in name and b"\0" not in name),
).filter(lambda name: name not in (b".", b"..") and not name.startswith(b".innkeeper."))
CONTENTS = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda size, seed, gap: random.Random(seed).randbytes(size) + bytes(gap) + b"end"[: size % 4],
        st.integers(0, 5 * CHUNK),
        st.integers(0, 5),
        st.sampled_from([0, 1, CHUNK - 1, CHUNK, 3 * CHUNK + 7]),
    ),
)
TARGETS = st.sampled_from([b"a", b"nowhere", b"/etc/passwd", b"../../outside", b"..", b"\xff\n", b"x" * 300])
MODES = st.integers(0, 0o777)
TIMES = st.integers(-(10**17), 4 * 10**18)
LEAF = st.one_of(
    st.tuples(st.just("file"), CONTENTS, MODES, TIMES),
    st.tuples(st.just("sparse"), st.integers(1 << 30, 1 << 40), MODES, TIMES),
    st.tuples(st.just("link"), TARGETS, TIMES),
    st.tuples(st.just("second name"), st.integers(0, 50)),
)
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        LEAF, lambda inner: st.tuples(st.just("folder"), st.dictionaries(NAMES, inner, max_size=5), MODES, TIMES)
    ),
    max_size=6,
)


def make(folder: bytes, tree: dict[bytes, Any], files: list[bytes]) -> None:
    for name, told in tree.items():
        path = os.path.join(folder, name)
        kind = told[0]
        if kind == "file":
            with open(path, "wb") as file:
                file.write(told[1])
        elif kind == "sparse":
            with open(path, "wb") as file:
                file.truncate(told[1])
                os.pwrite(file.fileno(), b"data in the middle", told[1] // 2)
        elif kind == "link":
            os.symlink(told[1], path)
            os.utime(path, ns=(told[2], told[2]), follow_symlinks=False)
        elif kind == "second name":
            if files:
                os.link(files[told[1] % len(files)], path)
        else:
            os.mkdir(path)
            make(path, told[1], files)
        if kind in ("file", "sparse"):
            files.append(path)
        if kind in ("file", "sparse", "folder"):
            os.chmod(path, told[2])
            os.utime(path, ns=(told[3], told[3]))


@settings(max_examples=40, deadline=None)
@given(tree=TREES, other=TREES)
def test_what_is_restored_equals_what_was_there_whatever_stands_in_the_way(tree: Any, other: Any) -> None:
    # In memory, where there is such a place: hundreds of times, nothing has to wait for a disk.
    work = Path(tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    repository = Repository(DiskBlobStore(work / "blobs"), work / "cache")
    try:
        source, target, scratch = work / "source", work / "target", work / "scratch"
        for folder, content in ((source, tree), (target, other), (scratch, {})):
            folder.mkdir()
            make(os.fsencode(folder), content, [])
        before = picture(source)
        snapshot = repository.snapshot(Jail(source))
        assert picture(source) == before

        repository.restore(snapshot.id, Jail(target), delete_others=True)
        assert picture(target) == before

        again = repository.restore(snapshot.id, Jail(target), delete_others=True)
        assert (again.written, again.deleted) == (0, 0)
        assert repository.snapshot(Jail(target), parent=snapshot.id).digest == snapshot.digest
        assert repository.verify(snapshot.id, scratch=Jail(scratch)).problems == ()
        assert repository.check() == []
    finally:
        repository.close()
        shutil.rmtree(work)


def test_a_world_comes_back_and_its_second_snapshot_stores_little(repository: Repository, tmp_path: Path) -> None:
    world, back = tmp_path / "world", tmp_path / "back"
    content = random.Random(7)
    for number in range(4):
        region = world / "region" / f"r.{number}.0.mca"
        region.parent.mkdir(parents=True, exist_ok=True)
        region.write_bytes(b"".join(content.randbytes(3000) + bytes(1096) for _ in range(256)))
    for number in range(300):
        player = world / "playerdata" / f"{number}.dat"
        player.parent.mkdir(exist_ok=True)
        player.write_bytes(content.randbytes(content.randrange(2000)))
    first = repository.snapshot(Jail(world))
    with (world / "region" / "r.2.0.mca").open("r+b") as file:
        file.seek(100 * 4096)
        file.write(content.randbytes(5 * 4096))
    second = repository.snapshot(Jail(world), parent=first.id)
    assert first.files == second.files == 304
    assert second.stored_bytes < first.stored_bytes / 20
    now = picture(world)
    back.mkdir()
    repository.restore(first.id, Jail(back), delete_others=True)
    restored = repository.restore(second.id, Jail(back), delete_others=True)
    assert picture(back) == now
    assert restored.written == 1

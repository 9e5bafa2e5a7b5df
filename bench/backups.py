"""Backups of a world of 500 MB: the first, and the second after 2 % have changed; seconds, bytes, and a restore.

The limit is `tar | zstd -3 -T2`, which keeps every time everything; restic, where it is installed, is shown beside.
Each runs in a process of its own, on the same folder, in turn with ours, into the same file system.
"""

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.options import Options
from bench.report import Report

MB = 1_000_000
SECTOR = 4096
SECTORS_A_REGION = 2048
SMALL_FILES = 3000
FIRST_RATIO, SECOND_S = 2.6, 0.8
FIRST_BYTES_OF_LIMIT, SECOND_MB = 375 / 370, 20
OURS = """
import json, sys, time
from pathlib import Path
from innkeeper.drivers.blobstores.disk import DiskBlobStore
from innkeeper.node.backups.repository import Repository
from innkeeper.node.files.jail import Jail
what, folder, store, parent = sys.argv[1:]
repository = Repository(DiskBlobStore(Path(store)), Path(store).with_name("cache"))
begun, spent = time.perf_counter(), time.process_time()
if what == "snapshot":
    done = repository.snapshot(Jail(Path(folder)), parent=parent or None)
    answer = {"id": done.id, "stored": done.stored_bytes, "digest": done.digest}
else:
    done = repository.restore(parent, Jail(Path(folder)), delete_others=True)
    answer = {"written": done.written}
print(json.dumps({**answer, "seconds": time.perf_counter() - begun, "cpu": time.process_time() - spent}))
"""


def run(options: Options, report: Report) -> None:
    """Measure."""
    size = options.backup_mb * MB
    report.heading(f"backups, a world of {options.backup_mb} MB")
    with tempfile.TemporaryDirectory(prefix="bench-backups-") as folder:
        Rounds(Path(folder), size).run(options, report)


class Rounds:
    """All repeats, on worlds that are equal at the beginning of each."""

    def __init__(self, root: Path, size: int) -> None:
        self._root = root
        self._size = size
        self._figures: dict[str, list[float]] = {}

    def run(self, options: Options, report: Report) -> None:
        """Measure everything as often as asked, and report."""
        for repeat in range(options.repeats):
            self._round(repeat)
        figures, least = self._figures, {name: min(values) for name, values in self._figures.items()}
        first, second = least["tar first"], least["tar second"]
        report.less("backups", "first", "s", figures["first"], limit=first, target=FIRST_RATIO * first)
        report.less("backups", "first", "s cpu", figures["first cpu"], limit=least["tar first cpu"])
        limit = least["tar first MB"]
        report.less("backups", "first", "MB", figures["first MB"], limit=limit, target=FIRST_BYTES_OF_LIMIT * limit)
        goal = SECOND_S if options.backup_mb == Options().backup_mb else None
        report.less("backups", "second", "s", figures["second"], limit=second, target=goal)
        report.less("backups", "second", "s cpu", figures["second cpu"], limit=least["tar second cpu"])
        goal = SECOND_MB * options.backup_mb / Options().backup_mb
        report.less("backups", "second", "MB", figures["second MB"], limit=least["tar second MB"], target=goal)
        report.less("backups", "restore of all", "s", figures["restore"], limit=least["tar restore"])
        for name in ("first", "second"):
            if f"restic {name}" in figures:
                report.less("backups", f"restic, {name}", "s", figures[f"restic {name}"], limit=least[f"tar {name}"])
                report.less("backups", f"restic, {name}", "MB", figures[f"restic {name} MB"])

    def _round(self, repeat: int) -> None:
        work = self._root / str(repeat)
        world, kept = work / "world", work / "kept"
        kept.mkdir(parents=True)
        # The same each time but for its bytes: what was read before must not be in the store already.
        content = random.Random(repeat)
        make_world(world, self._size, content)
        # What a snapshot reads within a moment of its change, it has to read again the next time.
        settle(world)
        first = self._both(world, kept, "first", "")
        change_world(world, self._size, content)
        settle(world)
        self._both(world, kept, "second", first)
        with self._timed("restore"):
            (work / "back").mkdir()
            ours("restore", work / "back", kept / "store", first)
        with self._timed("tar restore"):
            (work / "back tar").mkdir()
            shell(f"zstd -dc {kept}/first.tar.zst | tar -x -C '{work}/back tar'; sync -f '{work}/back tar'")
        shutil.rmtree(work)

    def _both(self, world: Path, kept: Path, name: str, parent: str) -> str:
        archive = kept / f"{name}.tar.zst"
        spent = children_cpu()
        with self._timed(f"tar {name}"):
            shell(f"tar -c -C {world} . | zstd -q -3 -T2 > {archive}; sync {archive}")
        self._note(f"tar {name} cpu", children_cpu() - spent)
        self._note(f"tar {name} MB", archive.stat().st_size / MB)
        done = ours("snapshot", world, kept / "store", parent)
        self._note(name, done["seconds"])
        self._note(f"{name} cpu", done["cpu"])
        self._note(f"{name} MB", done["stored"] / MB)
        if shutil.which("restic"):
            self._restic(world, kept / "restic", name)
        return str(done["id"])

    def _restic(self, world: Path, store: Path, name: str) -> None:
        restic = f"restic -q --no-cache --insecure-no-password -r {store}"
        if "--insecure-no-password" not in subprocess.run(["restic", "help"], capture_output=True, text=True).stdout:
            restic = f"RESTIC_PASSWORD=bench restic -q --no-cache -r {store}"
        if not store.exists():
            shell(f"{restic} init")
        before = folder_size(store)
        with self._timed(f"restic {name}"):
            shell(f"cd {world} && {restic} backup .")
        self._note(f"restic {name} MB", (folder_size(store) - before) / MB)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self._note(name, time.perf_counter() - begun)

    def _note(self, name: str, value: float) -> None:
        self._figures.setdefault(name, []).append(value)


def ours(what: str, folder: Path, store: Path, snapshot: str) -> dict[str, float]:
    """Take or restore a snapshot in a process of its own; the seconds are without the start of Python."""
    argv = [sys.executable, "-c", OURS, what, str(folder), str(store), snapshot]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def shell(command: str) -> None:
    """Run a command line."""
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, stdout=subprocess.DEVNULL)


def children_cpu() -> float:
    """Return the cpu seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def folder_size(folder: Path) -> int:
    """Return the bytes of all files beneath."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def settle(folder: Path) -> None:
    """Bring everything to the disk, so that nobody's measurement pays for it."""
    shell(f"sync -f {folder}")
    time.sleep(0.3)


# -- the world ------------------------------------------------------------------------------------------------------


def make_world(world: Path, size: int, content: random.Random) -> None:
    """Make files like those of a Minecraft world: regions of compressed pieces in whole sectors, and small files."""
    region_size = SECTORS_A_REGION * SECTOR
    for number in range(max(size // region_size, 1)):
        place = world / "region" / f"r.{number % 8}.{number // 8}.mca"
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            sector = 0
            while sector < SECTORS_A_REGION:
                taken = min(content.choice((1, 2, 2, 3)), SECTORS_A_REGION - sector)
                file.write(piece(taken, content))
                sector += taken
    for number in range(SMALL_FILES * size // (500 * MB)):
        place = world / "playerdata" / f"{number % 50}" / f"{number}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        words = (f'"stat_{content.randrange(400)}": {content.randrange(10_000)}' for _ in range(40))
        place.write_text("{" + ", ".join(words) + "}")


def change_world(world: Path, size: int, content: random.Random) -> None:
    """Rewrite pieces here and there in some regions, 1.74 % of all, and some of the small files."""
    regions = sorted((world / "region").iterdir())
    left = int(size * 0.0174)
    some = regions[:: max(len(regions) // 5, 1)]
    while left > 0:
        with content.choice(some).open("r+b") as file:
            # Players walk: what changes lies together, some pieces at a time.
            sectors = content.randrange(4, 24)
            file.seek(content.randrange(SECTORS_A_REGION - sectors) * SECTOR)
            while sectors > 0:
                taken = min(content.choice((1, 2, 2, 3)), sectors)
                file.write(piece(taken, content))
                sectors -= taken
                left -= taken * SECTOR
    for place in list((world / "playerdata").rglob("*.json"))[::50]:
        place.write_text(place.read_text().replace("stat_1", "stat_9"))


def piece(sectors: int, content: random.Random) -> bytes:
    """Return what cannot be compressed, and zeros up to the end of the last sector."""
    length = (sectors - 1) * SECTOR + content.randrange(200, SECTOR)
    return content.randbytes(length) + bytes(sectors * SECTOR - length)

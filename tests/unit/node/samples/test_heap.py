"""Heaps of real Java virtual machines, and files that only pretend to be theirs."""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.node.files import syscalls
from innkeeper.node.samples.heap import LARGEST_FILE, Damaged, Heap, HeapReader, heap_of
from innkeeper.node.samples.heaps import MOST_STUCK, Heaps

JAVA = shutil.which("java")
SPACES = {"0.space.0": 3, "0.space.1": 0, "1.space.0": 4}


def counters(numbers: dict[str, int], texts: dict[str, str] | None = None, *, order: str = "<") -> bytes:
    """Return a file of counters as a Java virtual machine writes it."""
    entries = []
    for name, kind, items, value in (
        *((name, b"J", 0, struct.pack(f"{order}q", number)) for name, number in numbers.items()),
        *((name, b"B", 64, text.encode().ljust(64, b"\0")) for name, text in (texts or {}).items()),
    ):
        named = name.encode() + b"\0"
        named += b"\0" * (-len(named) % 8 + 4)
        entries.append(
            struct.pack(f"{order}iiicBBBi", 20 + len(named) + len(value), 20, items, kind, 0, 1, 4, 20 + len(named))
            + named
            + value
        )
    head = b"\xca\xfe\xc0\xc0" + bytes([order == "<", 2, 0, 1]) + b"\0" * 16
    return head + struct.pack(f"{order}ii", 32, len(entries)) + b"".join(entries)


def usual(**more: int) -> dict[str, int]:
    used = {f"sun.gc.generation.{name}.used": mib << 20 for name, mib in SPACES.items()}
    return used | {f"sun.gc.generation.{n}.maxCapacity": size << 20 for n, size in ((0, 20), (1, 44))} | more


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_all_generations_use_is_added_up(order: str) -> None:
    assert heap_of(counters(usual(), order=order)) == Heap(7 << 20, 64 << 20)


def test_generations_that_share_one_heap_state_it_each() -> None:
    shared = {f"sun.gc.generation.{n}.maxCapacity": 64 << 20 for n in (0, 1)}
    assert heap_of(counters(usual() | shared)).most == 64 << 20


@pytest.mark.parametrize(
    ("arguments", "most"),
    [("-Xmx1g -Xmx48m -Xms8m", 48 << 20), ("-XX:MaxHeapSize=1024", 1024), ("-Xmx -Xmxm -Xmx9x", 64 << 20)],
)
def test_the_limit_on_the_command_line_is_the_limit(arguments: str, most: int) -> None:
    assert heap_of(counters(usual(), {"java.rt.vmArgs": arguments})).most == most


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xca\xfe\xc0\xc0",
        counters({}),
        counters({"sun.gc.generation.0.space.0.used": -1}),
        counters({f"sun.gc.generation.0.space.{number}.used": 1 << 62 for number in range(9)}),
        counters(usual()).replace(b"\xca\xfe", b"\xfe\xca"),
        counters(usual())[:-4],
        counters(usual())[:24] + struct.pack("<ii", 32, 1 << 30),
        counters(usual())[:24] + struct.pack("<ii", -32, 1),
        counters(usual())[:24] + struct.pack("<ii", 32, 2) + struct.pack("<iiicBBBi", 0, 20, 0, b"J", 0, 1, 4, 20),
        b"\xff" * LARGEST_FILE,
    ],
)
def test_what_is_no_such_file_is_damaged(content: bytes) -> None:
    with pytest.raises(Damaged):
        heap_of(content)


@given(st.data())
def test_whatever_is_written_over_it_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(counters(usual(), {"java.rt.vmArgs": "-Xmx64m"}))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 4))
        content[at : at + 4] = struct.pack("<i", data.draw(st.integers(-(2**31), 2**31 - 1)))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(Damaged):
        assert 0 <= heap_of(cut).used <= 1 << 48


class Root:
    """A /proc of one process, 7, whose root is a folder; it knows itself as 3."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.root = folder / "root"
        self.file = self.root / "tmp" / "hsperfdata_server-1" / "3"
        self.file.parent.mkdir(parents=True)
        (self.proc / "7").mkdir(parents=True)
        (self.proc / "7" / "root").symlink_to(self.root)
        (self.proc / "7" / "status").write_text("Name:\tjava\nNSpid:\t7\t3\n")


@pytest.fixture(params=["kernel", "walking"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Root:
    if request.param == "kernel" and not syscalls.openat2_works():
        pytest.skip("this kernel has no openat2")
    return Root(tmp_path)


@pytest.fixture
def reader(root: Root, request: pytest.FixtureRequest) -> HeapReader:
    walking = "walking" in request.node.callspec.id
    return HeapReader(str(root.proc), beneath=False if walking else None)


def test_it_is_found_by_the_number_that_the_process_knows_itself_by(root: Root, reader: HeapReader) -> None:
    root.file.write_bytes(counters(usual()))
    assert reader.read(7) == Heap(7 << 20, 64 << 20)
    assert reader.read(8) is None


def test_a_file_that_comes_later_is_found_and_one_that_goes_is_missed(root: Root, reader: HeapReader) -> None:
    assert reader.read(7) is None
    root.file.write_bytes(counters(usual()))
    assert [reader.read(7) is not None for _ in range(3)] == [False, True, True]
    root.file.unlink()
    assert reader.read(7) is None


def test_no_link_is_followed(root: Root, reader: HeapReader, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(counters(usual()))
    root.file.symlink_to(secret)
    assert reader.read(7) is None
    root.file.unlink()
    root.file.parent.rmdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "3").write_bytes(counters(usual()))
    root.file.parent.symlink_to(outside)
    assert HeapReader(str(root.proc)).read(7) is None
    shutil.move(root.root / "tmp", tmp_path / "moved")
    (root.root / "tmp").symlink_to(tmp_path / "moved")
    assert HeapReader(str(root.proc)).read(7) is None


def test_neither_a_pipe_nor_a_folder_nor_a_huge_file_is_read(root: Root, reader: HeapReader) -> None:
    os.mkfifo(root.file)
    assert reader.read(7) is None
    root.file.unlink()
    root.file.mkdir()
    assert HeapReader(str(root.proc)).read(7) is None
    root.file.rmdir()
    root.file.write_bytes(counters(usual()))
    os.truncate(root.file, LARGEST_FILE + 1)
    assert HeapReader(str(root.proc)).read(7) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_somebody_elses_file_is_not_believed(root: Root, reader: HeapReader) -> None:
    root.file.write_bytes(counters(usual()))
    os.chown(root.file, 65010, 65010)
    assert reader.read(7) is None


async def test_heaps_of_a_servers_processes_are_one(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.file.write_bytes(counters(usual()))
    heaps: Heaps[str] = Heaps(str(root.proc))
    assert await heaps.read({"a": (7, 7), "b": (8,), "c": ()}, complete=True) == {"a": Heap(14 << 20, 128 << 20)}


async def test_a_heap_that_never_comes_costs_its_server_the_figure_and_nobody_else(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.file.write_bytes(counters(usual()))
    (root.proc / "8").mkdir()
    (root.proc / "8" / "root").symlink_to(root.root)
    os.mkfifo(root.proc / "8" / "status")  # a reader of it waits for ever, as for a file system that does not answer
    heaps: Heaps[str] = Heaps(str(root.proc), patience_s=0.05)
    try:
        assert await heaps.read({"slow": (8,), "quick": (7,)}, complete=True) == {}
        for complete in (True, False):
            found = await heaps.read({"slow": (8,), "quick": (7,)}, complete=complete)
            assert set(found) == {"quick"}
        for number in range(MOST_STUCK - 1):
            assert await heaps.read({f"slow{number}": (8,)}, complete=False) == {}
        assert await heaps.read({"quick": (7,)}, complete=False) == {}
    finally:
        os.close(os.open(root.proc / "8" / "status", os.O_WRONLY | os.O_NONBLOCK))


GAME = """
public class Eater {
    static byte[][] eaten = new byte[1024][];
    public static void main(String[] arguments) throws Exception {
        for (int i = 0, c = System.in.read(); c >= 0; c = System.in.read()) {
            if (c == '+') for (int n = 0; n < 320; n++) eaten[i++] = new byte[65536];
            if (c == '-') { eaten = new byte[1024][]; i = 0; }
            System.gc();
            System.out.println("done");
        }
    }
}
"""


@contextmanager
def eater(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    source = folder / "Eater.java"
    source.write_text(GAME)
    assert JAVA is not None
    process = subprocess.Popen(
        [JAVA, "-Xmx96m", *options, str(source)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(JAVA is None or shutil.which("javac") is None, reason="there is no Java development kit here")
@pytest.mark.parametrize("collector", ["-XX:+UseSerialGC", "-XX:+UseG1GC"])
def test_the_heap_of_a_real_machine_grows_and_shrinks(tmp_path: Path, collector: str) -> None:
    with eater(tmp_path, collector) as game:
        assert game.stdin is not None and game.stdout is not None

        def after(what: str) -> Heap:
            game.stdin.write(what)
            game.stdin.flush()
            assert game.stdout.readline() == "done\n"
            return found(HeapReader(), game.pid)

        before = after(".")
        assert 0 < before.used < 40 << 20 and before.most == 96 << 20
        grown = after("+")
        assert before.used + (18 << 20) <= grown.used <= before.used + (24 << 20)
        assert after("-").used < grown.used - (16 << 20)


def found(reader: HeapReader, pid: int) -> Heap:
    deadline = monotonic() + 10
    while monotonic() < deadline:
        if (heap := reader.read(pid)) is not None:
            return heap
        sleep(0.01)
    raise AssertionError("not seen in time")


def test_a_process_that_is_no_such_machine_has_none() -> None:
    assert HeapReader().read(os.getpid()) is None

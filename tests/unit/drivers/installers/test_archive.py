"""Archives, well made and hostile, and folders of this host, unpacked into a server's folder."""

import asyncio
import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from innkeeper.contracts.installer import InstallFailed, Place
from innkeeper.drivers.fetching.store import Downloads
from innkeeper.drivers.installers.archive import ArchiveInstaller, FolderInstaller, look_into
from tests.unit.drivers.installers.conftest import Site


def make_tar(*entries: tuple[str, bytes | None] | tarfile.TarInfo, fmt: int = tarfile.PAX_FORMAT) -> bytes:
    """Make a tar of (name, content), None for a folder, or of headers given whole."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry, io.BytesIO(b"x" * entry.size))
                continue
            name, content = entry
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def make_zip(*entries: tuple[str, bytes] | tuple[str, bytes, int], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a zip of (name, content, Unix mode)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content, *mode in entries:
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = (mode[0] if mode else stat.S_IFREG | 0o644) << 16
            info.compress_type = method
            archive.writestr(info, content)
    return out.getvalue()


async def unpack(site: Site, archive: bytes, **step: Any) -> None:
    (site.uploads / "a").write_bytes(archive)
    await ArchiveInstaller(Downloads()).install({"uses": "archive", "upload": "a", **step}, site.place)


CONTENT = (("server.jar", b"jar" * 1000), ("config/a.yml", b"a: 1"), ("config/b.yml", b"b: 2"))
MADE = {"server.jar": b"jar" * 1000, "config": None, "config/a.yml": b"a: 1", "config/b.yml": b"b: 2"}


@pytest.mark.parametrize(
    "archive",
    [
        make_zip(*CONTENT),
        make_zip(*CONTENT, method=zipfile.ZIP_STORED),
        make_zip(*CONTENT, method=zipfile.ZIP_BZIP2),
        make_tar(*CONTENT),
        make_tar(*CONTENT, fmt=tarfile.GNU_FORMAT),
        make_tar(*CONTENT, fmt=tarfile.USTAR_FORMAT),
        gzip.compress(make_tar(*CONTENT)),
        gzip.compress(make_tar(*CONTENT)[:700]) + gzip.compress(make_tar(*CONTENT)[700:]) + b"\0" * 100,
        bz2.compress(make_tar(*CONTENT)),
        lzma.compress(make_tar(*CONTENT)),
        zstandard.compress(make_tar(*CONTENT)),
        make_tar(("./", None), *((f"./{name}", content) for name, content in CONTENT)),
    ],
    ids=["zip", "stored", "bzip2", "tar", "gnu", "ustar", "gz", "gz-joined", "bz2", "xz", "zst", "dotted"],
)
async def test_every_kind_of_archive_is_told_by_its_content_and_unpacked(site: Site, archive: bytes) -> None:
    await unpack(site, archive)
    assert site.content() == MADE
    assert site.reports[-1] == ("Unpacked 3 files", 1.0)


async def test_a_single_top_folder_is_stripped_unless_told_otherwise(site: Site) -> None:
    archive = make_zip(("pack/a", b"a"), ("pack/sub/b", b"b"))
    await unpack(site, archive)
    assert site.content() == {"a": b"a", "sub": None, "sub/b": b"b"}
    await unpack(site, archive, strip=0, into="other/place")
    assert site.content()["other/place/pack/sub/b"] == b"b"
    await unpack(site, archive, strip=2, into="flat")
    assert {name for name in site.content() if name.startswith("flat/")} == {"flat/b"}


async def test_the_root_itself_is_unpacked_as_it_is(site: Site) -> None:
    await unpack(site, make_zip(("pack/a", b"a")), root=".")
    assert site.content() == {"pack": None, "pack/a": b"a"}


TREE = (("server.jar", b"jar"), ("my world/region/r.0.0.mca", b"r"), ("my world/level.dat", b"l"), ("empty/", b""))


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("", {"server.jar": False, "my world": True, "empty": True}),
        ("/my world/", {"region": True, "level.dat": False}),
        ("./my world/region", {"r.0.0.mca": False}),
        ("empty", {}),
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
async def test_an_archive_is_looked_into_and_not_unpacked(
    folder: str, found: dict[str, bool], kind: str, tmp_path: Path
) -> None:
    tar = make_tar(*((name.rstrip("/"), None if name.endswith("/") else content) for name, content in TREE))
    (tmp_path / "a").write_bytes(make_zip(*TREE) if kind == "zip" else gzip.compress(tar))
    with (tmp_path / "a").open("rb", buffering=0) as file:
        assert await look_into(file, folder) == found
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("folder", ["none", "server.jar", "my world/level.dat", "my"])
async def test_what_is_no_folder_of_an_archive_is_not_shown_as_an_empty_one(folder: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(make_zip(*TREE))
    with (tmp_path / "a").open("rb", buffering=0) as file, pytest.raises(InstallFailed, match="no folder"):
        await look_into(file, folder)


@pytest.mark.parametrize("folder", ["..", "a/../..", "a\0b"])
async def test_a_look_that_climbs_is_refused(folder: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(make_zip(*TREE))
    with (tmp_path / "a").open("rb", buffering=0) as file, pytest.raises(InstallFailed):
        await look_into(file, folder)


async def test_a_single_top_file_is_not_taken_for_a_folder(site: Site) -> None:
    await unpack(site, make_zip(("server.jar", b"x")))
    assert site.content() == {"server.jar": b"x"}


async def test_unpacking_replaces_files_and_keeps_what_the_archive_does_not_name(site: Site) -> None:
    site.place.folder.make_directory("config")
    site.place.folder.write("config/a.yml", b"mine")
    site.place.folder.write("config/mine.yml", b"mine")
    await unpack(site, make_tar(*CONTENT))
    assert site.content() == MADE | {"config/mine.yml": b"mine"}


async def test_executables_stay_executable_and_nothing_else_of_a_mode_stays(site: Site) -> None:
    await unpack(site, make_zip(("run.sh", b"", stat.S_IFREG | 0o6777), ("data", b"", stat.S_IFREG | 0o600)))
    assert stat.S_IMODE((site.root / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((site.root / "data").stat().st_mode) == 0o644


async def test_links_that_stay_inside_are_kept(site: Site) -> None:
    await unpack(
        site,
        make_tar(
            special("top/lib/current", tarfile.SYMTYPE, "../v1/lib.so"), ("top/v1/lib.so", b"lib"), ("top/other", b"")
        ),
    )
    assert site.content()["lib/current"] == "../v1/lib.so"
    assert (site.root / "lib" / "current").read_bytes() == b"lib"


async def test_names_that_are_not_utf8_come_through(site: Site) -> None:
    await unpack(site, make_tar((os.fsdecode(b"caf\xe9"), b"x"), fmt=tarfile.GNU_FORMAT))
    assert os.listdir(os.fsencode(site.root)) == [b"caf\xe9"]


def encrypted_zip() -> bytes:
    archive = bytearray(make_zip(("secret", b"x" * 100)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        archive[archive.index(signature) + offset] |= 1
    return bytes(archive)


def lying_zip() -> bytes:
    """A member that says to have ten bytes and unpacks to a million."""
    archive = bytearray(make_zip(("liar", b"\0" * 1_000_000)))
    struct.pack_into("<I", archive, archive.index(b"PK\x01\x02") + 24, 10)
    struct.pack_into("<I", archive, 22, 10)
    return bytes(archive)


def huge_pax_header() -> bytes:
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    info.size = 1 << 40
    return info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 100_000


def sparse_without_end() -> bytes:
    """A header that makes `tarfile` look for a number in as much as follows."""
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x", "GNU.sparse.realsize": "9"}
    info = tarfile.TarInfo("x")
    info.size = 64 << 20
    info.pax_headers = headers
    return info.tobuf(tarfile.PAX_FORMAT) + b"\0" * (8 << 20)


HOSTILE = {
    "slip": (make_tar(("../../evil", b"x")), "climbs"),
    "slip zip": (make_zip(("a/../../evil", b"x")), "climbs"),
    "absolute": (make_tar(("/etc/evil", b"x")), "absolute"),
    "absolute zip": (make_zip(("/etc/evil", b"x")), "absolute"),
    "drive": (make_zip(("C:/evil", b"x")), "absolute"),
    "hard link": (make_tar(special("a", tarfile.LNKTYPE, "/etc/passwd")), "hard link"),
    "device": (make_tar(special("a", tarfile.CHRTYPE)), "device"),
    "block device": (make_tar(special("a", tarfile.BLKTYPE)), "device"),
    "pipe": (make_tar(special("a", tarfile.FIFOTYPE)), "pipe"),
    "device zip": (make_zip(("a", b"", stat.S_IFCHR | 0o666)), "device"),
    "link out": (make_tar(special("a", tarfile.SYMTYPE, "../x")), "leads out"),
    "link absolute": (make_tar(special("a", tarfile.SYMTYPE, "/etc/passwd")), "leads out"),
    "link zip": (make_zip(("a", b"/etc/passwd", stat.S_IFLNK | 0o777)), "leads out"),
    "link sly": (make_tar(special("d/a", tarfile.SYMTYPE, "e/../../../x"), ("d/e/f", b"")), "leads out"),
    "link out after strip": (make_tar(("t/f", b""), special("t/a", tarfile.SYMTYPE, "../x")), "leads out"),
    "file through link": (make_tar(special("l", tarfile.SYMTYPE, "d"), ("l/f", b""), ("d/g", b"")), "cannot be made"),
    "twice": (make_tar(("a", b"1"), ("b", b""), ("./a", b"2")), "cannot be made"),
    "file and folder": (make_tar(("a", b"1"), ("a/b", b"2")), "cannot be made"),
    "long name": (make_tar(("x" * 256, b"")), "longer than"),
    "deep": (make_tar(("d/" * 65 + "f", b"")), "deeper than"),
    "encrypted": (encrypted_zip(), "encrypted"),
    "lying": (lying_zip(), "broken"),
    "lzma zip": (make_zip(("a", b"x"), method=zipfile.ZIP_LZMA), "not supported"),
    "huge header": (gzip.compress(huge_pax_header()), "header"),
    "sparse": (gzip.compress(sparse_without_end()), "broken"),
    "cut tar": (make_tar(*CONTENT)[:2000], "broken"),
    "cut gz": (gzip.compress(make_tar(*CONTENT))[:-20], "broken"),
    "cut zip": (make_zip(*CONTENT)[:-30], "broken"),
    "cut zst": (zstandard.compress(make_tar(("r", os.urandom(9000))))[:-3000], "broken"),
    "bent tar": (make_tar(*CONTENT)[:4096] + b"junk" * 500, "broken"),
    "bent gz": (gzip.compress(b"x" * 100)[:-8] + b"\0" * 8, "broken"),
    "not an archive": (b"MZ\x90 this is a program", "no archive"),
    "empty": (b"", "no archive"),
    "rar": (b"Rar!\x1a\x07\x00", "rar"),
    "7z": (b"7z\xbc\xaf\x27\x1c", "7z"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_or_broken_archive_is_refused_and_leaves_the_folder_as_it_was(site: Site, case: str) -> None:
    archive, reason = HOSTILE[case]
    site.place.folder.write("kept", b"kept")
    with pytest.raises(InstallFailed, match=reason):
        await unpack(site, archive)
    assert site.content() == {"kept": b"kept"}
    assert {path.name for path in site.base.iterdir()} == {"server", "uploads", "imports", "shared"}


def old_zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system = 0
        archive.writestr(info, b"x")
    return out.getvalue()


async def test_backslashes_of_old_programs_part_folders(site: Site) -> None:
    await unpack(site, old_zip("dir\\file"), strip=0)
    assert site.content() == {"dir": None, "dir/file": b"x"}
    with pytest.raises(InstallFailed, match="climbs"):
        await unpack(site, old_zip("dir\\..\\..\\evil"))


@pytest.mark.parametrize(
    ("archive", "limits", "reason"),
    [
        (gzip.compress(make_tar(("zeros", bytes(5_000_000)))), {"ratio_free_bytes": 1_000_000}, "bomb"),
        (make_zip(("zeros", bytes(5_000_000))), {"ratio_free_bytes": 1_000_000}, "bomb"),
        (zstandard.compress(make_tar(("zeros", bytes(5_000_000)))), {"ratio_free_bytes": 1_000_000}, "bomb"),
        (make_tar(("a", bytes(2000)), ("b", bytes(2000))), {"max_total_bytes": 3000}, "more than 3000 bytes"),
        (make_zip(("a", bytes(2000)), ("b", bytes(2000))), {"max_total_bytes": 3000}, "more than 3000 bytes"),
        (make_zip(("a", bytes(2000))), {"max_file_bytes": 1000}, "larger than 1000"),
        (make_tar(*((str(n), b"") for n in range(11))), {"max_entries": 10}, "more than 10 files"),
        (make_zip(*((str(n), b"") for n in range(11))), {"max_entries": 10}, "more than 10 files"),
        (
            make_tar(*(special(str(n), tarfile.SYMTYPE, "x") for n in range(11))),
            {"max_links": 10},
            "more than 10 links",
        ),
        (make_zip(("a/b/c/d", b"")), {"max_depth": 3}, "deeper than 3"),
    ],
)
async def test_an_archive_past_a_limit_is_refused_and_leaves_nothing(
    site: Site, archive: bytes, limits: dict[str, int], reason: str
) -> None:
    with pytest.raises(InstallFailed, match=reason):
        await unpack(site, archive, limits=limits)
    assert site.content() == {}


async def test_a_zip_of_overlapping_members_is_counted_by_what_it_would_unpack_to(site: Site) -> None:
    archive = bytearray(make_zip(("a", bytes(100_000))))
    start = archive.index(b"PK\x01\x02")
    end = archive.index(b"PK\x05\x06")
    entry = bytes(archive[start:end])
    table = b"".join(entry.replace(b"a", bytes([letter]), 1) for letter in range(98, 120))
    tail = bytearray(archive[end:])
    struct.pack_into("<HHI", tail, 8, 22, 22, len(table))
    with pytest.raises(InstallFailed):
        await unpack(site, bytes(archive[:start]) + table + bytes(tail), limits={"max_total_bytes": 1_000_000})
    assert site.content() == {}


async def test_a_conflict_with_what_is_there_moves_nothing(site: Site) -> None:
    site.place.folder.make_directory("server.jar")
    with pytest.raises(Exception, match=r"server\.jar"):
        await unpack(site, make_zip(*CONTENT))
    assert site.content() == {"server.jar": None}


@pytest.mark.parametrize(
    "step",
    [
        {},
        {"upload": "a", "path": "/b"},
        {"upload": "../server/x"},
        {"upload": "missing"},
        {"path": "/etc/passwd"},
        {"upload": "a", "strip": -1},
        {"upload": "a", "unknown": 1},
        {"upload": "a", "into": "../out"},
    ],
)
async def test_a_step_that_makes_no_sense_or_reaches_too_far_is_refused(site: Site, step: dict[str, Any]) -> None:
    (site.uploads / "a").write_bytes(make_zip(*CONTENT))
    with pytest.raises(Exception) as caught:
        await ArchiveInstaller(Downloads()).install({"uses": "archive", **step}, site.place)
    assert type(caught.value).__name__ in ("InstallFailed", "EscapesJail")
    assert site.content() == {}


async def test_an_archive_of_an_import_root_or_of_the_server_itself_is_unpacked(site: Site) -> None:
    (site.imports / "world.zip").write_bytes(make_zip(*CONTENT))
    await ArchiveInstaller(Downloads()).install({"path": str(site.imports / "world.zip"), "into": "one"}, site.place)
    site.place.folder.write("own.zip", make_zip(*CONTENT))
    await ArchiveInstaller(Downloads()).install({"file": "own.zip", "into": "two"}, site.place)
    assert site.content()["one/config/a.yml"] == site.content()["two/config/a.yml"] == b"a: 1"
    (site.imports / "link.zip").symlink_to(site.uploads / "a")
    (site.uploads / "a").write_bytes(make_zip(*CONTENT))
    with pytest.raises(InstallFailed):
        await ArchiveInstaller(Downloads()).install({"path": str(site.imports / "link.zip")}, site.place)


async def test_cancelled_it_ends_its_thread_and_leaves_nothing(site: Site) -> None:
    reached, go_on = threading.Event(), threading.Event()

    class Waiting:
        """The folder, whose first write waits until it is told to go on."""

        def __getattr__(self, name: str) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                if name == "begin_write" and not reached.is_set():
                    reached.set()
                    go_on.wait(10)
                return getattr(site.place.folder, name)(*args, **kwargs)

            return call

    (site.uploads / "a").write_bytes(make_zip(*CONTENT))
    place = Place(
        folder=Waiting(),  # type: ignore[arg-type]
        shared=site.place.shared,
        uploads=site.place.uploads,
        source=site.place.source,
        run=site.place.run,
        report=site.place.report,
        tool=site.place.tool,
        home=site.place.home,
        as_server=site.place.as_server,
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(ArchiveInstaller(Downloads()).install({"upload": "a"}, place), name="unpacking")
        await asyncio.to_thread(reached.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert site.content() == {}


async def test_a_folder_of_this_host_is_copied_without_its_links(site: Site) -> None:
    world = site.imports / "world"
    (world / "region").mkdir(parents=True)
    (world / "region" / "r.0.0.mca").write_bytes(b"region")
    (world / "run.sh").write_bytes(b"#!/bin/sh")
    (world / "run.sh").chmod(0o700)
    (world / "out").symlink_to("/etc/passwd")
    (world / "out-folder").symlink_to("/etc")
    os.mkfifo(world / "pipe")
    await FolderInstaller().install({"path": str(world), "into": "world"}, site.place)
    assert site.content() == {
        "world": None,
        "world/region": None,
        "world/region/r.0.0.mca": b"region",
        "world/run.sh": b"#!/bin/sh",
    }
    assert os.access(site.root / "world" / "run.sh", os.X_OK)
    assert "left out 3" in site.reports[-1][0]


@pytest.mark.parametrize(
    "path", ["/etc", "relative", "{imports}/../server", "{imports}-other", "", "{imports}/missing"]
)
async def test_a_folder_outside_the_import_roots_is_refused(site: Site, path: str) -> None:
    site.base.joinpath("imports-other").mkdir()
    with pytest.raises(Exception, match=r"imports|no such file"):
        await FolderInstaller().install({"path": path.format(imports=site.imports)}, site.place)
    assert site.content() == {}

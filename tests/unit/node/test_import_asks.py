"""What servers may be imported from is looked at through the jail of what was opened, and archives not for long."""

import asyncio
import bz2
import gzip
import lzma
import os
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from innkeeper.contracts.installer import InstallFailed
from innkeeper.drivers.installers.archive import Limits, look_into
from innkeeper.node.files.errors import EscapesJail, JailError, NotFound, NotPermitted
from innkeeper.node.files.imports import ImportRoots
from innkeeper.node.import_asks import MAX_LISTED, ImportAsks
from innkeeper.node.refusals import Refused
from innkeeper.wire import messages as wire


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """A folder that is opened to imports; beside it lies one that is not."""
    folder = tmp_path / "opened"
    (folder / "games" / "one").mkdir(parents=True)
    (folder / "games" / "notes.txt").write_text("no archive")
    with zipfile.ZipFile(folder / "games" / "old.zip", "w") as archive:
        archive.writestr("world/level.dat", "l")
        archive.writestr("server.jar", "j")
    (tmp_path / "secret").mkdir()
    with zipfile.ZipFile(tmp_path / "secret" / "old.zip", "w") as archive:
        archive.writestr("secret", "s")
    return folder


@pytest.fixture
def asks(opened: Path) -> ImportAsks:
    return ImportAsks(ImportRoots([opened]), look_into)


async def seen(asks: ImportAsks, path: object) -> dict[str, bool]:
    listed = await asks.list(wire.ListImports(path=str(path)))
    return {entry.name: entry.directory for entry in listed.entries}


async def test_folders_archives_and_folders_in_archives_are_listed_by_name(asks: ImportAsks, opened: Path) -> None:
    assert await seen(asks, opened) == {"games": True}
    assert await seen(asks, opened / "games") == {"notes.txt": False, "old.zip": False, "one": True}
    assert list(await seen(asks, opened / "games" / "old.zip")) == ["server.jar", "world"]
    assert await seen(asks, opened / "games" / "old.zip" / "world") == {"level.dat": False}
    assert await seen(asks, f"{opened}/games/one/") == {}


async def test_what_is_not_there_or_no_archive_is_said(asks: ImportAsks, opened: Path) -> None:
    for path in ("none", "games/none/none", "none.zip/world"):
        with pytest.raises(NotFound):
            await seen(asks, opened / path)
    for path in ("games/old.zip/none", "games/old.zip/server.jar", "games/notes.txt", "games/notes.txt/world"):
        with pytest.raises(Refused) as refused:
            await seen(asks, opened / path)
        assert refused.value.code == "archive_is_unusable"


async def test_nothing_outside_of_what_was_opened_is_looked_at(asks: ImportAsks, opened: Path) -> None:
    secret = opened.parent / "secret"
    for path in (secret, secret / "old.zip", f"{opened}/../secret/old.zip", "/", "", "old.zip", f"{opened}2", "/a\0b"):
        with pytest.raises(NotPermitted):
            await seen(asks, path)
    (opened / "out").symlink_to(secret)
    (opened / "out.zip").symlink_to(secret / "old.zip")
    for path in ("out", "out/old.zip", "out.zip", "out.zip/secret"):
        with pytest.raises((EscapesJail, JailError)):
            await seen(asks, opened / path)
    os.mkfifo(opened / "pipe")
    with pytest.raises(JailError):
        await seen(asks, opened / "pipe")


async def test_a_link_that_stays_within_leads_to_its_archive(asks: ImportAsks, opened: Path) -> None:
    (opened / "latest.zip").symlink_to("games/old.zip")
    assert await seen(asks, opened / "latest.zip" / "world") == {"level.dat": False}


async def test_an_archive_that_takes_too_long_is_given_up_and_the_next_has_its_turn(opened: Path) -> None:
    given_up = asyncio.Event()

    async def endless(file: BinaryIO, folder: str) -> dict[str, bool]:
        if folder:
            raise InstallFailed("it is this one's turn")
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        return {}

    asks = ImportAsks(ImportRoots([opened]), endless, longest=timedelta(milliseconds=50))
    with pytest.raises(Refused, match="too long"):
        await seen(asks, opened / "games" / "old.zip")
    assert given_up.is_set()
    with pytest.raises(Refused, match="this one's turn"):
        await seen(asks, opened / "games" / "old.zip" / "world")


async def test_more_than_fits_an_answer_is_refused_and_not_cut(opened: Path) -> None:
    async def many(file: BinaryIO, folder: str) -> dict[str, bool]:
        return {f"{number}": False for number in range(MAX_LISTED)}

    async def long(file: BinaryIO, folder: str) -> dict[str, bool]:
        return {f"{number:04}{'x' * 250}": False for number in range(3000)}

    for look in (many, long):
        with pytest.raises(Refused) as refused:
            await seen(ImportAsks(ImportRoots([opened]), look), opened / "games" / "old.zip")
        assert refused.value.code == "file_is_too_large"


async def test_a_name_that_is_no_text_is_shown_as_well_as_can_be(opened: Path) -> None:
    async def strange(file: BinaryIO, folder: str) -> dict[str, bool]:
        return {"a\udcff": True}

    asks = ImportAsks(ImportRoots([opened]), strange)
    assert await seen(asks, opened / "games" / "old.zip") == {"a\ufffd": True}


async def test_an_archive_of_too_much_is_refused_before_any_of_it_is_described(opened: Path) -> None:
    class Undescribed(dict[str, bool]):
        def __iter__(self) -> Iterator[str]:
            raise AssertionError("described on the event loop")

    async def look(file: BinaryIO, folder: str) -> dict[str, bool]:
        return Undescribed((f"{number}", False) for number in range(MAX_LISTED))

    with pytest.raises(Refused):
        await seen(ImportAsks(ImportRoots([opened]), look), opened / "games" / "old.zip")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
async def test_an_archive_of_streams_that_hold_nothing_is_given_up(
    asks: ImportAsks, opened: Path, compress: Callable[[bytes], bytes]
) -> None:
    (opened / "empty.tar").write_bytes(compress(b"") * 5000)
    with pytest.raises(Refused, match="hold nothing"):
        await seen(asks, opened / "empty.tar")


async def test_a_zip_of_more_than_may_be_in_it_is_refused_before_each_entry_is_made_something_of(
    asks: ImportAsks, opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(opened / "one.zip", "w") as archive:
        archive.writestr("a", "")
    one = (opened / "one.zip").read_bytes()
    table = one.index(b"PK\x01\x02")
    entry, end = one[table:-22], one[-22:]
    many = entry * (Limits().max_entries + 1)
    (opened / "many.zip").write_bytes(one[:table] + many + end[:12] + len(many).to_bytes(4, "little") + end[16:])

    def made(*_: object) -> None:
        raise AssertionError("an entry was made")

    monkeypatch.setattr(zipfile, "ZipInfo", made)
    with pytest.raises(Refused, match="more than 200000"):
        await seen(asks, opened / "many.zip")

"""Files are asked for and sent in parts, over a real jail."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from uuid import UUID

import pytest

from innkeeper.drivers.configfiles.properties import Properties
from innkeeper.drivers.playerlists.minecraft_json import MinecraftJson
from innkeeper.node.asks import Asks
from innkeeper.node.configs import ConfigWriter
from innkeeper.node.edits import EditLocks
from innkeeper.node.file_asks import FileAsks
from innkeeper.node.files.errors import EscapesJail, JailError, NameRefused, NotFound, NotPermitted
from innkeeper.node.files.jail import Jail
from innkeeper.node.player_lists import PlayerLists
from innkeeper.node.refusals import JAIL_CODES, REFUSALS, Refused, refusal_of
from innkeeper.node.uploads import MAX_PER_SERVER, Uploads
from innkeeper.wire import messages as wire
from tests.unit.node.fakes import FakeClock

SERVER = UUID(int=1)


async def unpacked(*_: object) -> int:
    raise AssertionError("nothing is unpacked here")


class Room:
    """The asks about one server, with its folder in sight."""

    def __init__(self, root: Path) -> None:
        self.files = root / "files"
        self.archives = root / "archives"
        self.files.mkdir()
        self.archives.mkdir()
        self.clock = FakeClock()
        self.uploads = Uploads(self.clock)
        locks = EditLocks()
        self.asks = FileAsks(
            lambda _: Jail(self.files),
            lambda _: Jail(self.archives),
            self.uploads,
            ConfigWriter([Properties()], locks),
            PlayerLists([MinecraftJson()], self.clock, locks),
            unpacked,
        )

    async def begin(self, path: str = "a.txt") -> str:
        return (await self.asks.begin_upload(wire.BeginUpload(server=SERVER, path=path))).upload

    async def part(self, upload: str, offset: int, data: bytes) -> None:
        await self.asks.append(wire.UploadPart(upload=upload, offset=offset, data=data))

    async def finish(self, upload: str, *, keep: bool = True) -> None:
        await self.asks.finish(wire.FinishUpload(upload=upload, keep=keep))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


async def test_a_file_sent_in_parts_appears_at_the_end_and_not_before(room: Room) -> None:
    upload = await room.begin()
    await room.part(upload, 0, b"abc")
    await room.part(upload, 3, b"def")
    listed = await room.asks.list(wire.ListFiles(server=SERVER, path=""))
    assert listed.entries == []
    await room.finish(upload)
    assert (room.files / "a.txt").read_bytes() == b"abcdef"
    with pytest.raises(Refused, match="no such upload"):
        await room.finish(upload)


async def test_a_repeated_part_is_written_once_and_a_wrong_one_refused(room: Room) -> None:
    upload = await room.begin()
    await room.part(upload, 0, b"abc")
    await room.part(upload, 0, b"abc")
    with pytest.raises(Refused) as refused:
        await room.part(upload, 2, b"x")
    assert (refused.value.code, refused.value.data) == ("upload_offset_is_wrong", {"expected": 3})
    await room.finish(upload)
    assert (room.files / "a.txt").read_bytes() == b"abc"


async def test_an_upload_thrown_away_leaves_nothing(room: Room) -> None:
    upload = await room.begin()
    await room.part(upload, 0, b"abc")
    await room.finish(upload, keep=False)
    assert list(room.files.iterdir()) == []


async def test_uploads_are_bounded_in_number_and_given_up_after_a_silence(room: Room) -> None:
    uploads = [await room.begin(f"{number}") for number in range(MAX_PER_SERVER)]
    with pytest.raises(Refused, match="Too many"):
        await room.begin("more")
    room.clock.seconds += 200
    await room.part(uploads[0], 0, b"x")
    room.clock.seconds += 200
    await room.begin("more")
    with pytest.raises(Refused):
        await room.part(uploads[1], 0, b"x")
    await room.part(uploads[0], 1, b"y")
    await room.uploads.give_up_all()
    assert list(room.files.iterdir()) == []


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".", ".."])
async def test_an_archive_has_a_plain_name(room: Room, name: str) -> None:
    with pytest.raises(NameRefused):
        await room.asks.begin_archive(wire.BeginArchive(server=SERVER, name=name))


async def test_an_archive_goes_beside_the_files(room: Room) -> None:
    begun = await room.asks.begin_archive(wire.BeginArchive(server=SERVER, name="world.zip"))
    await room.part(begun.upload, 0, b"PK")
    await room.finish(begun.upload)
    assert (room.archives / "world.zip").read_bytes() == b"PK"


async def test_a_folder_is_listed_in_pages(room: Room) -> None:
    (room.files / "sub").mkdir()
    for number in range(5):
        (room.files / "sub" / f"f{number}").write_bytes(b"x" * number)
    first = await room.asks.list(wire.ListFiles(server=SERVER, path="/sub/", limit=3))
    assert [(entry.path, entry.size, entry.kind) for entry in first.entries] == [
        ("sub/f0", 0, "file"),
        ("sub/f1", 1, "file"),
        ("sub/f2", 2, "file"),
    ]
    assert first.more
    rest = await room.asks.list(wire.ListFiles(server=SERVER, path="sub", after="f2", limit=3))
    assert [entry.name for entry in rest.entries] == ["f3", "f4"]
    assert not rest.more


async def test_a_file_is_read_in_parts_of_bounded_size(room: Room) -> None:
    content = bytes(600 * 1024)
    (room.files / "big").write_bytes(content)
    part = await room.asks.read(wire.ReadFile(server=SERVER, path="big", length=1 << 40))
    assert (len(part.data), part.size) == (512 * 1024, len(content))
    part = await room.asks.read(wire.ReadFile(server=SERVER, path="big", offset=len(content) - 1))
    assert part.data == b"\0"
    with pytest.raises(NotPermitted):
        await room.asks.read(wire.ReadFile(server=SERVER, path="big", offset=-1))


async def test_files_are_described_renamed_and_deleted(room: Room) -> None:
    await room.asks.make_directory(wire.MakeDirectory(server=SERVER, path="a"))
    (room.files / "a" / "b").write_bytes(b"12")
    await room.asks.rename(wire.RenameFile(server=SERVER, source="a/b", target="a/c"))
    entry = await room.asks.stat(wire.StatFile(server=SERVER, path="/a/c"))
    assert (entry.path, entry.name, entry.kind, entry.size) == ("a/c", "c", "file", 2)
    await room.asks.delete(wire.DeleteFile(server=SERVER, path="a"))
    with pytest.raises(NotFound):
        await room.asks.stat(wire.StatFile(server=SERVER, path="a"))


async def test_no_ask_leaves_the_folder(room: Room, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (room.files / "link").symlink_to("../secret")
    for ask in (
        room.asks.read(wire.ReadFile(server=SERVER, path="../secret")),
        room.asks.read(wire.ReadFile(server=SERVER, path="link")),
        room.asks.list(wire.ListFiles(server=SERVER, path="..")),
        room.asks.begin_upload(wire.BeginUpload(server=SERVER, path="../new")),
        room.asks.rename(wire.RenameFile(server=SERVER, source="link", target="../moved")),
        room.asks.delete(wire.DeleteFile(server=SERVER, path="../secret")),
        room.asks.make_directory(wire.MakeDirectory(server=SERVER, path="../folder")),
    ):
        with pytest.raises((EscapesJail, NameRefused)):
            await ask
    assert (tmp_path / "secret").read_text() == "secret"


def test_every_error_of_the_jail_has_a_code_of_the_table() -> None:
    def below(kind: type[JailError]) -> set[type[JailError]]:
        return {kind, *(found for child in kind.__subclasses__() for found in below(child))}

    assert below(JailError) - {JailError} == set(JAIL_CODES)
    assert set(JAIL_CODES.values()) <= set(REFUSALS)
    for kind in JAIL_CODES:
        refusal = refusal_of(kind("a"))
        assert refusal is not None
        assert refusal.data == {"path": "a"}
    assert refusal_of(ValueError("secret")) is None


def test_every_ask_of_the_wire_has_somebody_who_answers(room: Room) -> None:
    keeping: Any = SimpleNamespace(apply=None, remove=None, announce=None)
    closely: Any = SimpleNamespace(attend=None, call=None)
    backups: Any = SimpleNamespace(
        list=None, begin=None, read=None, end=None, read_store=None, tend_store=None, discard=None
    )
    imports: Any = SimpleNamespace(list=None)
    assert set(Asks(keeping, room.asks, closely, closely, backups, imports).handlers) == set(get_args(wire.Ask))

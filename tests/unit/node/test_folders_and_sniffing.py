"""Whole folders are listed in one answer of bounded size, and files are told to be text by how they begin."""

import os
from pathlib import Path
from uuid import UUID

import pytest

from innkeeper.node.configs import ConfigWriter
from innkeeper.node.edits import EditLocks
from innkeeper.node.file_asks import FileAsks
from innkeeper.node.files.errors import EscapesJail
from innkeeper.node.files.jail import Jail
from innkeeper.node.listing import MAX_LIST_BYTES
from innkeeper.node.player_lists import PlayerLists
from innkeeper.node.sniffing import reads_as_text
from innkeeper.node.uploads import Uploads
from innkeeper.wire import messages as wire
from innkeeper.wire.codec import encode
from tests.unit.node.fakes import FakeClock

SERVER = UUID(int=1)


async def unpacked(*_: object) -> int:
    raise AssertionError("nothing is unpacked here")


@pytest.fixture
def asks(tmp_path: Path) -> FileAsks:
    clock, locks = FakeClock(), EditLocks()
    (tmp_path / "files").mkdir()
    jail = Jail(tmp_path / "files")
    return FileAsks(
        lambda _: jail, lambda _: jail, Uploads(clock), ConfigWriter([], locks), PlayerLists([], clock, locks), unpacked
    )


@pytest.fixture
def files(tmp_path: Path, asks: FileAsks) -> Path:
    return tmp_path / "files"


async def folders(asks: FileAsks, *paths: str, limit: int = 5000, after: str | None = None) -> list[wire.Folder]:
    ask = wire.ListFolders(server=SERVER, paths=list(paths), limit=limit, after=after)
    return (await asks.list_folders(ask)).folders


def brief(listed: list[wire.Folder]) -> list[tuple[str, list[str], bool]]:
    return [(folder.path, [entry.name for entry in folder.entries], folder.more) for folder in listed]


async def test_folders_come_whole_and_in_the_order_asked(asks: FileAsks, files: Path) -> None:
    for path in ("b/2", "b/1", "a/x"):
        (files / path).parent.mkdir(exist_ok=True)
        (files / path).write_text("text")
    listed = await folders(asks, "", "b", "a")
    assert brief(listed) == [("", ["a", "b"], False), ("b", ["1", "2"], False), ("a", ["x"], False)]
    assert [(entry.path, entry.kind, entry.text) for entry in listed[1].entries] == [
        ("b/1", "file", True),
        ("b/2", "file", True),
    ]


async def test_what_does_not_fit_is_left_for_the_next_ask_and_only_the_first_is_cut(
    asks: FileAsks, files: Path
) -> None:
    for name in ("a", "b", "empty"):
        (files / name).mkdir()
    for number in range(5):
        (files / "a" / str(number)).touch()
    (files / "b" / "x").touch()
    assert brief(await folders(asks, "empty", "a", "b", limit=5)) == [
        ("empty", [], False),
        ("a", ["0", "1", "2", "3", "4"], False),
    ]
    assert brief(await folders(asks, "b", "a", limit=5)) == [("b", ["x"], False)]
    assert brief(await folders(asks, "a", "b", limit=3)) == [("a", ["0", "1", "2"], True)]
    assert brief(await folders(asks, "a", "b", limit=3, after="2")) == [("a", ["3", "4"], False), ("b", ["x"], False)]


async def test_an_answer_fits_a_message_however_long_the_names_are(asks: FileAsks, files: Path) -> None:
    for number in range(3000):
        (files / f"{'ü' * 120}{number:05}.txt").touch()
    listed = await folders(asks, "")
    assert len(encode(wire.FoldersListed(folders=listed))) < MAX_LIST_BYTES * 1.1
    seen = [entry.name for entry in listed[0].entries]
    while listed[0].more:
        listed = await folders(asks, "", after=seen[-1])
        seen += [entry.name for entry in listed[0].entries]
    assert len(seen) == 3000 == len(set(seen))


async def test_links_are_shown_and_never_followed(asks: FileAsks, files: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (files / "real").mkdir()
    (files / "real" / "a.txt").write_text("a")
    (files / "out").symlink_to("../outside")
    (files / "loop").symlink_to(".")
    (files / "note").symlink_to("real/a.txt")
    os.mkfifo(files / "pipe")
    listed = await folders(asks, "", "out", "loop", "out/secret", "gone", "real/a.txt", "../outside")
    assert [(entry.name, entry.kind, entry.text) for entry in listed[0].entries] == [
        ("loop", "link", False),
        ("note", "link", False),
        ("out", "link", False),
        ("pipe", "other", False),
        ("real", "directory", False),
    ]
    assert [folder.entries for folder in listed[1:]] == [[], [], [], [], [], []]
    with pytest.raises(EscapesJail):
        await asks.stat(wire.StatFile(server=SERVER, path="../outside", sniff=True))


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", b"\0", True),
        ("a.PROPERTIES", b"a=1", True),
        ("level.dat", b"text", False),
        ("README", b"hello", True),
        ("README", b"", True),
        ("data", b"a\0b", False),
        ("data", b"\xff\xfe", False),
        ("eula", "ü".encode() * 4000, True),
        ("eula", b"a" + "ü".encode() * 4000, True),
        ("eula", "ü".encode() + b"\xc3", False),
        ("late", b"a" * 4096 + b"\0", True),
        ("a.weird", b"text", True),
    ],
)
async def test_a_file_is_text_by_its_name_or_else_by_how_it_begins(
    asks: FileAsks, files: Path, name: str, content: bytes, text: bool
) -> None:
    (files / name).write_bytes(content)
    assert (await asks.stat(wire.StatFile(server=SERVER, path=name, sniff=True))).text is text
    assert (await asks.stat(wire.StatFile(server=SERVER, path=name))).text is None


def test_a_character_that_the_beginning_cuts_is_no_fault() -> None:
    for cut in range(1, 4):
        assert reads_as_text(b"a" * (4096 - cut) + "😀".encode()[:cut])
    assert not reads_as_text(b"a" * 4095 + b"\x80")

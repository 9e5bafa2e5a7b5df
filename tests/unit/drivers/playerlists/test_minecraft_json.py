"""Minecraft's player lists: entries come and go, and everything else in the file stays."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.contracts.playerlist import Entry, ListUnreadable
from innkeeper.drivers.playerlists.minecraft_json import MinecraftJson

LISTS = MinecraftJson()
NOW = datetime(2026, 11, 21, 22, tzinfo=UTC)
ANNA = UUID("aaaaaaaa-aaaa-3aaa-8aaa-aaaaaaaaaaaa")
WHOLE = (
    b'[{"uuid": "aaaaaaaa-aaaa-3aaa-8aaa-aaaaaaaaaaaa", "name": "Anna", "level": 4, "size": 1.10},'
    b' {"note": "by hand"}, 7, {"name": "Bob", "mystery": {"deep": [1e300, 123456789012345678901234567890]}}]'
)


def edit(content: bytes, *, add: list[Entry] | None = None, remove: tuple[str, ...] = (), **fields: Any) -> bytes:
    return LISTS.edit(content, "name", add=add or [], remove=remove, fields=fields, now=NOW)


def test_names_and_uuids_are_read_in_the_files_order_and_the_rest_passed_over() -> None:
    assert LISTS.read(WHOLE, "name") == [Entry("Anna", ANNA), Entry("Bob")]
    assert LISTS.read(b'[{"ip": "192.0.2.1"}]', "ip") == [Entry("192.0.2.1")]
    assert LISTS.read(b'[{"name": "A", "uuid": "no uuid"}, {"name": ""}, {"name": 5}]', "name") == [Entry("A")]


@pytest.mark.parametrize("content", [b"", b"  \n", b"[]"])
def test_an_empty_file_is_an_empty_list(content: bytes) -> None:
    assert LISTS.read(content, "name") == []
    assert json.loads(edit(content, add=[Entry("Anna", ANNA)])) == [{"uuid": str(ANNA), "name": "Anna"}]


def test_a_new_entry_comes_last_as_the_game_writes_it() -> None:
    written = edit(b"[]", add=[Entry("Anna", ANNA)], created="{now}", expires="forever", level=4, free=False)
    assert written.decode() == (
        '[\n  {\n    "uuid": "aaaaaaaa-aaaa-3aaa-8aaa-aaaaaaaaaaaa",\n    "name": "Anna",\n'
        '    "created": "2026-11-21 22:00:00 +0000",\n    "expires": "forever",\n    "level": 4,\n    "free": false\n'
        "  }\n]"
    )


def test_other_entries_stay_with_all_that_nobody_understands() -> None:
    written = edit(WHOLE, add=[Entry("Zoe")], remove=("ANNA",))
    assert LISTS.read(written, "name") == [Entry("Bob"), Entry("Zoe")]
    for kept in (b'"note": "by hand"', b"7", b"1e300", b"123456789012345678901234567890"):
        assert kept in written
    assert b"1.10" in edit(WHOLE, add=[Entry("Zoe")])


def test_what_stands_already_and_what_is_not_there_change_nothing() -> None:
    assert edit(WHOLE, add=[Entry("anna"), Entry("BOB")], remove=("nobody",)) == WHOLE
    assert LISTS.read(edit(b"", add=[Entry("Zoe"), Entry("ZOE")]), "name") == [Entry("Zoe")]


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"null",
        b"[",
        b'[{"name": "A"}',
        b"not json",
        b"\xff\xfe",
        b'["\xff"]',
        b"[" * 100_000,
        b'[{"name": "A",}]',
    ],
)
def test_a_damaged_file_is_refused_and_never_written_over(content: bytes) -> None:
    with pytest.raises(ListUnreadable):
        LISTS.read(content, "name")
    with pytest.raises(ListUnreadable):
        edit(content, add=[Entry("A")])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), max_size=8))
def test_whatever_was_added_is_read_and_taken_off_again(names: list[str]) -> None:
    written = edit(WHOLE, add=[Entry(name) for name in names])
    read = [entry.name.casefold() for entry in LISTS.read(written, "name")]
    assert len(read) == len(set(read))
    assert {name.casefold() for name in names} <= set(read)
    left = LISTS.read(edit(written, remove=tuple(names)), "name")
    assert not {entry.name.casefold() for entry in left} & {name.casefold() for name in names}

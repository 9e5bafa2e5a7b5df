"""Lists of one entry a line."""

from datetime import UTC, datetime

import pytest

from innkeeper.contracts.playerlist import Entry, EntryRefused, ListUnreadable
from innkeeper.drivers.playerlists.lines import Lines

LISTS = Lines()
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def edit(content: bytes, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> bytes:
    return LISTS.edit(content, "", add=[Entry(name) for name in add], remove=remove, fields={}, now=NOW)


def test_comments_and_blank_lines_are_no_entries_and_stay() -> None:
    content = b"# who may\n\nAnna\n  Bob  \n#Carl\n"
    assert LISTS.read(content, "") == [Entry("Anna"), Entry("Bob")]
    assert edit(content, add=("Zoe",), remove=("ANNA",)) == b"# who may\n\n  Bob  \n#Carl\nZoe\n"


def test_line_ends_stay_and_a_missing_last_one_is_made() -> None:
    assert edit(b"a\r\nb", add=("c",)) == b"a\r\nb\r\nc\r\n"
    assert edit(b"a\rb", remove=("a",)) == b"b"
    assert edit(b"", add=("a", "A", "b")) == b"a\nb\n"


def test_what_changes_nothing_leaves_the_bytes() -> None:
    content = b"\xef\xbb\xbf# BOM\nAnna"
    assert edit(content, add=("anna",), remove=("nobody", "")) == content


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "#a", " a", "a ", "", "a\u2028b", "a\0", "a\ud800"])
def test_what_is_no_line_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(EntryRefused):
        edit(b"Anna\n", add=(name,))


@pytest.mark.parametrize("content", [b"\xff\xfea", b"a\0b"])
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(ListUnreadable):
        LISTS.read(content, "")
    with pytest.raises(ListUnreadable):
        edit(content, add=("a",))

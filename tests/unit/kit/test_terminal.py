"""Console text freed of what is meant for a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.kit.terminal import plain

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PIECES = st.sampled_from(
    ["\x1b", "[", "]", "0;1", "m", "\x07", "\\", "\x9b", "P", "(B", "7", " ", "a", "\t", "é", "\x7f"]
)


@given(st.text() | st.lists(PIECES).map("".join))
def test_no_control_character_remains(text: str) -> None:
    assert not CONTROL.search(plain(text))


@given(st.text(st.characters(exclude_categories=["Cc"]) | st.just("\t")))
def test_text_without_escapes_is_left_as_it_is(text: str) -> None:
    assert plain(text) == text


@given(st.text() | st.lists(PIECES).map("".join))
def test_what_is_plain_stays_plain(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[32mgreen\x1b[0m", "green"),
        ("\x1b[38;2;255;0;0mred\x1b[39m", "red"),
        ("\x1b[?25lhidden\x1b[2K\x1b[1G> ", "hidden> "),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\after", "after"),
        ("\x1b(Bplain\x1b7\x1b8", "plain"),
        ("carriage\r", "carriage"),
        ("a\tb", "a\tb"),
        ("unfinished \x1b[3", "unfinished 3"),
        ("unfinished \x1b]0;title", "unfinished "),
        ("§aMinecraft's own", "§aMinecraft's own"),
    ],
)
def test_known_sequences(text: str, clean: str) -> None:
    assert plain(text) == clean


def test_a_hostile_line_takes_no_longer_than_its_length() -> None:
    # Quadratic behaviour would take minutes here.
    assert plain("\x1b[" + "0" * 200_000 + "\x1b]" * 50_000) == "0" * 200_000

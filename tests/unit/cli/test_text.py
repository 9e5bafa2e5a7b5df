"""Hostile text on a terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.cli.text import coloured, plain

HOSTILE = [
    "\x1b]0;owned\x07",
    "\x1b]52;c;cm0gLXJm\x1b\\",
    '\x1bP$q"p\x1b\\',
    "\x1b[2J",
    "\x1b[1;1H",
    "\x1b[?1049h",
    "\x9b31m",
    "\x1b(0",
    "\x1bc",
    "\r",
    "\x08",
    "\x07",
    "\x1b[6n",
    "\u202e",
]


@pytest.mark.parametrize("sequence", HOSTILE)
def test_an_escape_sequence_leaves_no_trace(sequence: str) -> None:
    assert plain(f"be{sequence}fore").replace(" ", "") == "before"
    assert coloured(f"be{sequence}fore") == "before"


def test_colours_stay_where_they_are_wanted_and_end_with_the_line() -> None:
    assert coloured("\x1b[31mred\x1b[0;1m bold") == "\x1b[31mred\x1b[0;1m bold\x1b[0m"
    assert plain("\x1b[31mred\x1b[0m") == "red"


def test_an_unfinished_title_swallows_no_more_than_its_line() -> None:
    assert coloured("before\x1b]0;never ends") == "before"


def test_lines_in_a_name_become_one() -> None:
    assert plain("two\r\nlines\there") == "two lines here"


@given(st.text(st.sampled_from("\x1b\x9b\x9d[]0;:m?Hc\\\x07P \x00a"), max_size=40))
def test_whatever_is_said_only_colours_pass(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", plain(text))
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", re.sub(r"\x1b\[[0-9;:]*m", "", coloured(text)))

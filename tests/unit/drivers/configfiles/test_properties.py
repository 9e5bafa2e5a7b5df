"""Editing Java properties leaves everything else alone, whatever the file looks like."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from innkeeper.drivers.configfiles.properties import Properties

FORMAT = Properties()
VANILLA = b"#Minecraft server properties\r\n#Mon Jan 01\r\n"
VANILLA += b"motd=A \\u00A7aserver\r\n\r\nserver-port=25565\r\nlevel-seed=\r\n"


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"a=1\nb: 2\nc 3\nd\n", {"a": "1", "b": "2", "c": "3", "d": ""}),
        (b"  a \t = 1 \n", {"a": "1 "}),
        (b"k\\=e\\:y\\ x=v\n", {"k=e:y x": "v"}),
        (b"fruits  apple, \\\n    pear, \\\r\n\tfig\n", {"fruits": "apple, pear, fig"}),
        (b"a=x\\\\\nb=y", {"a": "x\\", "b": "y"}),
        (b"# a=1\\\nb=2\n! c=3\n", {"b": "2"}),
        (b"a=\\u00e9\\uD83D\\uDE00\\t\\q\n", {"a": "é😀\tq"}),
        ("a=é😀\n".encode(), {"a": "é😀"}),
        (b"a=\xe9\n", {"a": "é"}),
        (b"a=1\ra=2\r", {"a": "2"}),
        (b"a=1\\\n\nb=2\n", {"a": "1", "b": "2"}),
        (b"a=\\uD83D\n", {"a": "\ufffd"}),
        (b"a=1\\", {"a": "1"}),
        (b"a=\\u12", {"a": "u12"}),
        (b"= x\n", {"": "x"}),
        (b"", {}),
    ],
)
def test_values_are_those_java_would_load(content: bytes, values: dict[str, str]) -> None:
    assert FORMAT.read(content) == values


def test_only_the_changed_value_changes() -> None:
    edited = FORMAT.edit(VANILLA, {"server-port": "25570", "motd": "A \u00a7aserver"})
    assert edited == VANILLA.replace(b"25565", b"25570")


def test_a_new_key_comes_last_with_the_line_ending_of_the_file() -> None:
    assert FORMAT.edit(b"a=1\r\nb=2", {"c": "3"}) == b"a=1\r\nb=2\r\nc=3\r\n"
    assert FORMAT.edit(b"", {"c": "3"}) == b"c=3\n"


def test_a_continued_value_is_replaced_wholly_and_keeps_its_separator() -> None:
    assert FORMAT.edit(b"a : 1,\\\n   2\nb 1\nc\n", {"a": "3", "b": "=2", "c": " x"}) == b"a : 3\nb \\=2\nc=\\ x\n"


def test_the_last_of_repeated_keys_is_the_one_that_counts() -> None:
    assert FORMAT.edit(b"a=1\na=2\n", {"a": "3"}) == b"a=1\na=3\n"


KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SYNTAX = st.text(st.sampled_from("ab=: \t\f\\\r\n#!u0é"), max_size=60)


@given(content=SYNTAX, values=st.dictionaries(st.sampled_from(["a", "b", "", "#a", "a=", "é", " a"]) | KEYS, TEXT))
@example(content="a=1\\", values={"b": "2"})
@example(content="a=1\\\n", values={"b": "2"})
@example(content="\\\n", values={"b": "2"})
@example(content="a\\\n=1", values={"a": "2"})
def test_what_was_set_is_read_and_nothing_else_moves(content: str, values: dict[str, str]) -> None:
    octets = content.encode()
    before = FORMAT.read(octets)
    edited = FORMAT.edit(octets, values)
    assert FORMAT.read(edited) == before | values
    assert FORMAT.edit(edited, values) == edited
    assert FORMAT.edit(edited, {}) == edited


@given(content=st.binary(max_size=80))
def test_any_bytes_can_be_read_and_survive_an_edit_that_changes_nothing(content: bytes) -> None:
    assert FORMAT.edit(content, FORMAT.read(content)) == content


@given(values=st.dictionaries(KEYS, TEXT))
def test_a_new_file_is_ascii(values: dict[str, str]) -> None:
    assert FORMAT.edit(b"", values).isascii()

"""Names as users see them and bytes as the kernel knows them."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.node.files.errors import EscapesJail, NameRefused
from innkeeper.node.files.names import encode, parse, show


@given(st.binary())
def test_any_bytes_survive_being_shown_through_json(raw: bytes) -> None:
    shown = msgspec.json.decode(msgspec.json.encode(show(raw)))
    assert encode(shown) == raw
    assert json.loads(json.dumps(shown)) == shown


@given(st.binary(), st.binary())
def test_two_names_never_look_the_same(one: bytes, other: bytes) -> None:
    assert (show(one) == show(other)) == (one == other)


def test_a_real_character_of_the_escape_range_is_not_taken_for_an_escape() -> None:
    for raw in ("\U0010fe80".encode(), b"\x80", "a\U0010feff".encode() + b"\xff"):
        assert encode(show(raw)) == raw


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("", ()),
        ("/", ()),
        ("//a/./b//", (b"a", b"b")),
        ("a b/ü", (b"a b", "ü".encode())),
        ("...", (b"...",)),
        ("a\\b", (b"a\\b",)),
        ("/".join("d" * 128), (b"d",) * 128),
    ],
)
def test_a_path_is_read_as_posix_reads_it(path: str, parts: tuple[bytes, ...]) -> None:
    assert parse(path) == parts


@pytest.mark.parametrize("path", ["..", "/..", "a/../b", "../a", "a/..", "./.."])
def test_climbing_is_refused_even_where_it_would_stay_inside(path: str) -> None:
    with pytest.raises(EscapesJail):
        parse(path)


@pytest.mark.parametrize(
    "path", ["a\0b", "\0", "x" * 256, "ü" * 128, "x/" * 129, "/".join(["y" * 200] * 21), "\ud800", "a\udc00"]
)
def test_a_name_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(NameRefused) as caught:
        parse(path)
    json.dumps(str(caught.value)).encode()
    str(caught.value).encode()

"""Cursors: what was given out comes back, what was not is refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.kit.pages import BadCursor, decode_cursor, decode_integer_cursor, encode_cursor


@given(st.lists(st.integers(-(1 << 62), 1 << 62) | st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_a_sort_key_survives_its_cursor(key: list[int | str]) -> None:
    cursor = encode_cursor(*key)
    assert decode_cursor(cursor) == key
    assert "=" not in cursor


@given(st.integers(-(1 << 62) + 1, (1 << 62) - 1))
def test_an_integer_key_survives_its_cursor(key: int) -> None:
    assert decode_integer_cursor(encode_cursor(key)) == key


def test_no_cursor_is_the_beginning() -> None:
    assert decode_integer_cursor(None) is None


@given(st.text(max_size=40))
def test_whatever_is_sent_as_a_cursor_is_read_or_refused(text: str) -> None:
    try:
        decode_cursor(text)
    except BadCursor:
        return


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1.5]", b"[true]", b"[null]", b"[[1]]", b"[1", b"\xff\xfe", b"[" * 5000])
def test_a_forged_cursor_is_refused(raw: bytes) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(base64.urlsafe_b64encode(raw).decode())


@pytest.mark.parametrize("key", [(), ("a",), (1, 2), (1 << 62,), (-(1 << 62),)])
def test_a_cursor_of_another_list_is_refused(key: tuple[int | str, ...]) -> None:
    with pytest.raises(BadCursor):
        decode_integer_cursor(encode_cursor(*key))

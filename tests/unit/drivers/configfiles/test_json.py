"""Editing JSON leaves everything else alone, however it is laid out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.contracts.configfile import ConfigUnreadable, ConfigValue
from innkeeper.drivers.configfiles.json import Json

FORMAT = Json()

SETTINGS = b"""\
{
  "name": "The inn",
  "_comment_visibility": ["public: listed", "lan: found"],
  "visibility":
  {
    "public": true,
    "lan":true
  },
  "max_players": 0,
  "tags": ["game", "tags"],
  "admins": [],
  "autosave_interval": 10.0,
  "token": null
}
"""


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("values", "before", "after"),
    [
        ({"max_players": "20"}, b'"max_players": 0', b'"max_players": 20'),
        ({"max_players": "many"}, b'"max_players": 0', b'"max_players": "many"'),
        ({"visibility.lan": "False"}, b'"lan":true', b'"lan":false'),
        ({"visibility.steam": False}, b'"lan":true\n', b'"lan":true,\n    "steam": false\n'),
        ({"tags": ["tags"]}, b'["game", "tags"]', b'["tags"]'),
        ({"tags": []}, b'["game", "tags"]', b"[]"),
        ({"admins": ["ann", "1"]}, b'"admins": []', b'"admins": ["ann", "1"]'),
        ({"autosave_interval": 5}, b"10.0", b"5.0"),
        ({"autosave_interval": "2.50"}, b"10.0", b"2.50"),
        ({"token": "é\n"}, b"null", '"é\\n"'.encode()),
        ({"token": ""}, b"null", b"null"),
        ({"a.b": 1}, b"null\n", b'null,\n  "a": {\n    "b": 1\n  }\n'),
        ({"max_players": True}, b'"max_players": 0', b'"max_players": true'),
    ],
)
def test_only_what_is_meant_changes(
    newline: bytes, values: dict[str, ConfigValue], before: bytes, after: bytes
) -> None:
    assert SETTINGS.count(before) == 1
    content = SETTINGS.replace(b"\n", newline)
    edited = FORMAT.edit(content, values)
    assert edited == content.replace(before.replace(b"\n", newline), after.replace(b"\n", newline))
    json.loads(edited)


@pytest.mark.parametrize(
    ("content", "edited"),
    [
        (b"", b'{\n  "a": {\n    "b": 1\n  }\n}\n'),
        (b"{}", b'{"a": {"b": 1}}'),
        (b'{"x":1,"y":2}', b'{"x":1,"y":2,"a":{"b":1}}'),
        (b'{"x": 1}', b'{"x": 1, "a": {"b": 1}}'),
        (b"{\n}\n", b'{\n  "a": {\n    "b": 1\n  }\n}\n'),
        (b'{\n\t"x": 1,\n\t"a": {}\n}', b'{\n\t"x": 1,\n\t"a": {\n\t\t"b": 1\n\t}\n}'),
    ],
)
def test_a_new_key_takes_the_manner_of_the_file(content: bytes, edited: bytes) -> None:
    assert FORMAT.edit(content, {"a.b": 1}) == edited


def test_numbers_that_others_cannot_carry_are_texts() -> None:
    content = b'{"big": 123456789012345678901234567890, "far": -1e999, "edge": 18446744073709551615}'
    assert FORMAT.read(content) == {"big": "1" + "23456789012345678901234567890", "far": "-1e999", "edge": 2**64 - 1}
    assert FORMAT.edit(content, FORMAT.read(content)) == content
    assert FORMAT.edit(content, {"big": "5"}) == content.replace(b"123456789012345678901234567890", b"5")


def test_a_key_that_stands_twice_is_read_last_and_not_edited() -> None:
    content = b'{"a": {"x": 1}, "a": {"x": 2},\n"b": 1}'
    assert FORMAT.read(content) == {"a.x": 2, "b": 1}
    with pytest.raises(ConfigUnreadable, match="a stands twice, in line 1"):
        FORMAT.edit(content, {"a.x": 3})


def test_lone_surrogates_do_not_leave_the_file() -> None:
    values = FORMAT.read(b'{"\\ud83d": "\\ude00", "\\ud83d\\ude00": 1}')
    assert values == {"\ufffd": "\ufffd", "😀": 1}


def test_errors_say_where() -> None:
    with pytest.raises(ConfigUnreadable, match="line 3"):
        FORMAT.read(b'{\n"a": 1\n"b": 2}')
    with pytest.raises(ConfigUnreadable, match="visibility in line 5 is a table"):
        FORMAT.edit(SETTINGS, {"visibility": "public"})


LEAVES = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES |= st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
TREES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.recursive(
        LEAVES | st.lists(LEAVES, max_size=3),
        lambda inner: st.dictionaries(st.text("ab.\\", max_size=2), inner, max_size=3) | st.lists(inner, max_size=2),
        max_leaves=8,
    ),
    max_size=5,
)


@given(
    tree=TREES,
    deep=st.booleans(),
    place=st.integers(0, 5),
    standing=LEAVES | st.lists(LEAVES, max_size=3),
    indent=st.sampled_from([None, 0, 1, 4, "\t"]),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,  ", " : ")]),
    newline=st.sampled_from(["\n", "\r\n"]),
    value=LEAVES.filter(lambda leaf: leaf is not None) | st.lists(st.text("ab,1", max_size=3), max_size=4),
)
def test_bytes_outside_one_value_stay(
    tree: dict[str, object],
    deep: bool,
    place: int,
    standing: object,
    indent: int | str | None,
    separators: tuple[str, str],
    newline: str,
    value: ConfigValue,
) -> None:
    members = list(tree.items())
    whole = dict([*members[:place], ("the chosen", "HERE"), *members[place:]])
    text = json.dumps({"outer": whole} if deep else whole, indent=indent, separators=separators)
    head, found, tail = text.replace("\n", newline).partition('"HERE"')
    assert found
    content = f"{head}{json.dumps(standing, separators=separators)}{tail}".encode()
    before = FORMAT.read(content)
    key = "outer.the chosen" if deep else "the chosen"
    edited = FORMAT.edit(content, {key: value})
    assert edited.decode().startswith(head)
    assert edited.decode().endswith(tail)
    after = FORMAT.read(edited)
    assert {**after, key: 0} == {**before, key: 0}
    assert (
        after[key] == value or str(after[key]).lower() == str(value).lower() or float(str(after[key])) == float(value)
    )  # type: ignore[arg-type]
    assert FORMAT.edit(edited, {key: value}) == edited


@given(tree=TREES, indent=st.sampled_from([None, 2, "\t"]), keys=st.lists(st.text("ab.", max_size=4), max_size=3))
def test_new_keys_push_nothing_away(tree: dict[str, object], indent: int | str | None, keys: list[str]) -> None:
    content = json.dumps(tree, indent=indent).encode()
    before = FORMAT.read(content)
    values: dict[str, ConfigValue] = {f"new {key}": "x" for key in keys}
    try:
        edited = FORMAT.edit(content, values)
    except ConfigUnreadable as error:
        assert "under a value" in str(error) or "is a table" in str(error)  # noqa: PT017
        return
    assert FORMAT.read(edited) == {**before, **values}
    assert FORMAT.edit(edited, values) == edited

"""Editing INI leaves everything else alone, whoever's dialect it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.contracts.configfile import ConfigUnreadable, ConfigValue
from innkeeper.drivers.configfiles.ini import Ini

FORMAT = Ini()

CONFIG = b"""\
; version=9
[path]
read-data=__PATH__executable__/../../data

[general]
locale=en
[other]
; Options: true, false
; autosave-interval=10
verbose-logging=false
port = 34197
name="The inn; by the road"
flag

[/Script/Engine.GameSession]
MaxPlayers : 16
"""


def test_sections_and_keys_are_read_as_text() -> None:
    assert FORMAT.read(CONFIG) == {
        "path.read-data": "__PATH__executable__/../../data",
        "general.locale": "en",
        "other.verbose-logging": "false",
        "other.port": "34197",
        "other.name": "The inn; by the road",
        "other.flag": "",
        r"/Script/Engine\.GameSession.MaxPlayers": "16",
    }


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    ("values", "before", "after"),
    [
        ({"other.port": 1}, b"34197", b"1"),
        ({"other.verbose-logging": True}, b"logging=false", b"logging=true"),
        ({"other.name": "Another"}, b'"The inn; by the road"', b'"Another"'),
        ({"other.name": 'An "other"'}, b'"The inn; by the road"', b'An "other"'),
        ({"other.flag": ["a", "b"]}, b"flag", b"flag=a,b"),
        ({"other.flag": ""}, b"flag", b"flag"),
        ({"other.autosave-interval": 5}, b"flag\n", b"flag\nautosave-interval=5\n"),
        ({r"/Script/Engine\.GameSession.MaxPlayers": "8"}, b": 16", b": 8"),
        ({"bare": "x"}, b"; version=9\n", b"; version=9\nbare=x\n"),
        ({"fresh.a": 1, "fresh.b": " x"}, b": 16\n", b': 16\n\n[fresh]\na=1\nb=" x"\n'),
    ],
)
def test_only_what_is_meant_changes(
    newline: bytes, values: dict[str, ConfigValue], before: bytes, after: bytes
) -> None:
    assert CONFIG.count(before) == 1
    assert FORMAT.edit(CONFIG.replace(b"\n", newline), values) == CONFIG.replace(before, after).replace(b"\n", newline)


def test_a_new_key_takes_the_manner_of_the_file() -> None:
    assert FORMAT.edit(b"[a]\nx = 1", {"a.y": "2", "b.z": "3"}) == b"[a]\nx = 1\ny = 2\n\n[b]\nz = 3\n"
    assert FORMAT.edit(b"", {"x": "1", "b.z": "3"}) == b"x=1\n\n[b]\nz=3\n"


def test_quotes_come_off_only_as_a_pair() -> None:
    values = FORMAT.read(b'a="x"\nb="x","y"\nc="\nd=""\ne=""x""\n')
    assert values == {"a": "x", "b": '"x","y"', "c": '"', "d": "", "e": '"x"'}


def test_a_key_that_stands_twice_is_read_last_and_not_edited() -> None:
    content = b"[a]\nx=1\n+y=1\n[a]\nx=2\n"
    assert FORMAT.read(content) == {"a.+y": "1", "a.x": "2"}
    with pytest.raises(ConfigUnreadable, match="twice, in line 5"):
        FORMAT.edit(content, {"a.x": "3"})


def test_what_a_line_cannot_hold_is_refused() -> None:
    refused = [{"a.b": "x\ny"}, {"a.b": "\0"}, {"a.b.c": "x"}, {";a": "x"}, {"a=b": "x"}, {"a]\n.x": "y"}]
    for values in refused:
        with pytest.raises(ConfigUnreadable):
            FORMAT.edit(CONFIG, values)


def test_latin_1_stays_latin_1() -> None:
    assert FORMAT.read(b"a=\xe9\n") == {"a": "é"}
    assert FORMAT.edit(b"a=\xe9\nb=1\n", {"b": "ö"}) == b"a=\xe9\nb=\xf6\n"
    with pytest.raises(ConfigUnreadable, match="Latin-1"):
        FORMAT.edit(b"a=\xe9\nb=1\n", {"b": "中"})


KEYS = st.from_regex(r"[a-z][a-z. -]{0,5}[a-z]", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10)
BETWEEN = st.sampled_from(["", "; a=1", "  # b = 2", "[s]", " [t.u] ", "\t"])
SEPARATORS = st.sampled_from(["=", " = ", "=  ", "\t=\t"])


@given(
    rows=st.lists(st.tuples(KEYS, SEPARATORS, st.sampled_from(["x", '"y z"', "", "1;2"]), BETWEEN), max_size=6),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    value=TEXT,
    data=st.data(),
)
def test_bytes_outside_one_value_stay(
    rows: list[tuple[str, str, str, str]], newline: str, value: str, data: st.DataObject
) -> None:
    content = "".join(f"{between}{newline}{key}{sep}{raw}{newline}" for key, sep, raw, between in rows).encode()
    before = FORMAT.read(content)
    key = data.draw(st.sampled_from([*before, "fresh", "s.fresh", "new.fresh"]))
    try:
        edited = FORMAT.edit(content, {key: value})
    except ConfigUnreadable as error:
        assert "twice" in str(error)  # noqa: PT017
        return
    assert FORMAT.read(edited) == {**before, key: value}
    assert FORMAT.edit(edited, {key: value}) == edited
    old, new = content.split(newline.encode()), edited.split(newline.encode())
    if key in before:
        assert sum(one != other for one, other in zip(old, new, strict=True)) <= 1
    else:
        position = iter(new)
        assert all(line in position for line in old if line)

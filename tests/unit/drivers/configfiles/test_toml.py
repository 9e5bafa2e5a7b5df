"""Editing TOML leaves everything else alone, and new keys go where TOML lets them."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.contracts.configfile import ConfigUnreadable, ConfigValue
from innkeeper.drivers.configfiles.toml import Toml

FORMAT = Toml()

PROXY = b"""\
# The proxy in front of the inn
config-version = "2.7"

bind = "0.0.0.0:25565" # where players come in
motd = '<#09add3>The "inn"'
show-max-players = 500
online-mode = true
ratio = 0.5
limit = 0x10
started = 2020-01-01 10:00:00 # once

[servers]
# name = address
lobby = "127.0.0.1:30066"
try = [
  "lobby", # first
  "games"
]

[forced-hosts]
"lobby.example.com" = [ "lobby" ]

[advanced]
login.rate = 3000
login.burst = 5
inline = { a = 1, b = "x" }
text = '''
several
lines'''

[[plugins]]
name = "one"
[plugins.settings]
key = 1

[query.inner]
port = 25565
"""


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("values", "before", "after"),
    [
        ({"bind": "[::]:1"}, b'"0.0.0.0:25565"', b'"[::]:1"'),
        ({"motd": "it's"}, b"'<#09add3>The \"inn\"'", b'"it\'s"'),
        ({"motd": 'an "inn"'}, b"'<#09add3>The \"inn\"'", b"'an \"inn\"'"),
        ({"show-max-players": "20"}, b"500", b"20"),
        ({"online-mode": "false"}, b"true", b"false"),
        ({"ratio": 1}, b"0.5", b"1.0"),
        ({"ratio": "2"}, b"0.5", b"2.0"),
        ({"started": "2021-01-01"}, b"2020-01-01 10:00:00", b"2021-01-01"),
        ({"started": "soon"}, b"2020-01-01 10:00:00", b'"soon"'),
        ({"fresh": ["a"]}, b"# once\n", b'# once\nfresh = ["a"]\n'),
        ({"servers.try": ["lobby"]}, b'"lobby", # first\n  "games"', b'"lobby"'),
        ({"servers.try": ["lobby", "games", "x"]}, b'"games"\n', b'"games",\n  "x"\n'),
        ({"servers.new": "y"}, b"]\n\n[forced", b']\nnew = "y"\n\n[forced'),
        ({r"forced-hosts.lobby\.example\.com": ["a", "b"]}, b'[ "lobby" ]', b'[ "a", "b" ]'),
        ({r"forced-hosts.a\.b": []}, b'[ "lobby" ]\n', b'[ "lobby" ]\n"a.b" = []\n'),
        ({"advanced.login.rate": 1}, b"3000", b"1"),
        ({"advanced.login.max": 1}, b"lines'''\n", b"lines'''\nlogin.max = 1\n"),
        ({"advanced.inline.c.d": 2}, b'b = "x" }', b'b = "x", c.d = 2 }'),
        ({"advanced.text": "one"}, b"'''\nseveral\nlines'''", b"'one'"),
        ({"query.port": 1}, b"25565\n\x00", b"25565\n\n[query]\nport = 1\n"),
        ({"query.inner.x": 1}, b"25565\n\x00", b"25565\nx = 1\n"),
        ({"a b.c.d": 1, "a b.c.e": 2}, b"25565\n\x00", b'25565\n\n["a b".c]\nd = 1\ne = 2\n'),
    ],
)
def test_only_what_is_meant_changes(
    newline: bytes, values: dict[str, ConfigValue], before: bytes, after: bytes
) -> None:
    marked = PROXY + b"\x00"
    assert marked.count(before) == 1
    expected = marked.replace(before, after).rstrip(b"\x00").replace(b"\n", newline)
    edited = FORMAT.edit(PROXY.replace(b"\n", newline), values)
    assert edited == expected
    tomllib.loads(edited.decode())


def test_what_is_no_option_is_left_out_and_left_alone() -> None:
    values = FORMAT.read(PROXY)
    assert not [key for key in values if key.startswith("plugins")]
    assert values["limit"] == 16
    assert values["started"] == "2020-01-01 10:00:00"
    assert values["advanced.text"] == "several\nlines"
    with pytest.raises(ConfigUnreadable, match="plugins in line 31 is a list of tables"):
        FORMAT.edit(PROXY, {"plugins.name": "x"})
    with pytest.raises(ConfigUnreadable, match="advanced in line"):
        FORMAT.edit(PROXY, {"advanced": "x"})
    assert FORMAT.read(b"a = [[1], [2]]\nb = [{c = 1}]\nd = inf\ne = -nan\n") == {"d": "inf", "e": "-nan"}


def test_new_keys_of_the_top_come_before_the_first_table() -> None:
    assert FORMAT.edit(b"# c\n[t]\nx = 1\n", {"a": 1}) == b"# c\na = 1\n[t]\nx = 1\n"
    assert FORMAT.edit(b"# c", {"a": 1, "b.c": 2}) == b"# c\na = 1\n\n[b]\nc = 2\n"
    assert FORMAT.edit(b"a = {}", {"a.b": 1}) == b"a = { b = 1 }"


def test_errors_say_where() -> None:
    with pytest.raises(ConfigUnreadable, match="line 2"):
        FORMAT.read(b"a = 1\nb = \n")
    with pytest.raises(ConfigUnreadable, match="line 2"):
        FORMAT.read(b"a = 1\na = 2\n")
    with pytest.raises(ConfigUnreadable, match="line 2"):
        FORMAT.read(b"a = 1\nb = \xff\n")


KEYS = st.sampled_from(["a", "b-1", "c_d", '"e f"', "'g.h'", "i . j", 'k."l"'])
SCALARS = st.sampled_from(
    ["1", "0x1f", "1_000", "1.5", "6e3", "true", '"a"', "'b'", '"\\u00e9"', '""', "''", "07:32:00", "inf",
     '"""x\n"y" """', "'''\nz'''", "[1, 2]", '[ "a" , "b", ]', "[\n 1, # one\n # c\n 2\n]", "[]"]
)  # fmt: skip
AFTER = st.sampled_from(["", "  ", " # note = 'x'", "\t#"])
BETWEEN = st.sampled_from(["", "# a = 1", "  \t", "[t]", "[u . 'v']  # head", "[[w]]"])


@given(
    rows=st.lists(st.tuples(KEYS, SCALARS, AFTER, BETWEEN), min_size=1, max_size=6),
    newline=st.sampled_from(["\n", "\r\n"]),
    value=st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.lists(st.sampled_from(["1", "a", "2", "b"]), max_size=4),
    data=st.data(),
)
def test_bytes_outside_one_value_stay(
    rows: list[tuple[str, str, str, str]], newline: str, value: ConfigValue, data: st.DataObject
) -> None:
    text = "".join(f"{between}\n {key} = {raw}{after}\n" for key, raw, after, between in rows).replace("\n", newline)
    content = text.encode()
    try:
        before = FORMAT.read(content)
    except ConfigUnreadable:
        with pytest.raises(tomllib.TOMLDecodeError):
            tomllib.loads(text)
        return
    key = data.draw(st.sampled_from([*before, "fresh", "t.fresh", "x.y.z"]))
    edited = FORMAT.edit(content, {key: value})
    after = FORMAT.read(edited)
    assert after == {**before, key: after[key]}
    assert after[key] == value or str(after[key]) == str(value) or float(str(after[key])) == float(str(value))
    assert FORMAT.edit(edited, {key: value}) == edited
    if key not in before:
        lines = iter(edited.split(b"\n"))
        assert all(any(line.rstrip(b"\r") in new for new in lines) for line in content.rstrip(b"\r\n").split(b"\n"))


@given(
    rows=st.dictionaries(KEYS, st.tuples(SCALARS, AFTER, BETWEEN), min_size=1, max_size=5),
    newline=st.sampled_from(["\n", "\r\n"]),
    value=st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.integers(-9, 9) | st.booleans(),
    data=st.data(),
)
def test_what_stands_around_a_value_stays(
    rows: dict[str, tuple[str, str, str]], newline: str, value: ConfigValue, data: st.DataObject
) -> None:
    chosen = data.draw(st.integers(0, len(rows)))
    before = "".join(f"{between}\n{key} = {raw}{after}\n" for key, (raw, after, between) in [*rows.items()][:chosen])
    behind = "".join(f"{between}\n{key} = {raw}{after}\n" for key, (raw, after, between) in [*rows.items()][chosen:])
    raw, after = data.draw(SCALARS), data.draw(AFTER)
    head = f"{before}[chosen]\nkey\t= ".replace("\n", newline)
    tail = f"{after}\n{behind}".replace("\n", newline)
    try:
        tomllib.loads(head + raw + tail)
    except tomllib.TOMLDecodeError:
        return
    edited = FORMAT.edit(f"{head}{raw.replace(chr(10), newline)}{tail}".encode(), {"chosen.key": value}).decode()
    assert edited.startswith(head)
    assert edited.endswith(tail)

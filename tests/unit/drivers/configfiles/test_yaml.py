"""Editing YAML leaves everything else alone, and nothing in a YAML file does anything."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innkeeper.contracts.configfile import ConfigUnreadable, ConfigValue
from innkeeper.drivers.configfiles.yaml import Yaml

FORMAT = Yaml()

SERVER = b"""\
# The inn's own settings, in the manner of a Bukkit plugin.
# Keep the tabs out of here!

settings:
    allow-end: true
    warn-on-overload: true
    permissions-file: permissions.yml
    update-folder: update   # relative to plugins/
    plugin-profiling: false
    connection-throttle: 4000
    shutdown-message: "Server closed: \\u00a7cback soon"
    deny: []
spawn-limits: {monsters: 70, animals: 10}

world-settings:
    default:
        growth:
            cactus-modifier: 100
            rate: .5
        merge-radius:
            item: 2.50
        hunger: 1e3
    # one world of many
    'the.nether':
        view-distance: default
commands:
- /reload   # dangerous
- '/stop'
groups:
  - name: guests
    perms: [a, b]
motd: >-
    Welcome
    to the inn
aliases:
    # none yet
"""


def test_a_servers_file_is_read_as_the_game_reads_it() -> None:
    assert FORMAT.read(SERVER) == {
        "settings.allow-end": True,
        "settings.warn-on-overload": True,
        "settings.permissions-file": "permissions.yml",
        "settings.update-folder": "update",
        "settings.plugin-profiling": False,
        "settings.connection-throttle": 4000,
        "settings.shutdown-message": "Server closed: §cback soon",
        "settings.deny": [],
        "spawn-limits.monsters": 70,
        "spawn-limits.animals": 10,
        "world-settings.default.growth.cactus-modifier": 100,
        "world-settings.default.growth.rate": 0.5,
        "world-settings.default.merge-radius.item": 2.5,
        "world-settings.default.hunger": "1e3",
        r"world-settings.the\.nether.view-distance": "default",
        "commands": ["/reload", "/stop"],
        "motd": "Welcome to the inn",
        "aliases": "",
    }


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("values", "before", "after"),
    [
        ({"settings.connection-throttle": "-1"}, b"throttle: 4000", b"throttle: -1"),
        ({"settings.update-folder": "new one"}, b"folder: update ", b"folder: new one "),
        ({"settings.shutdown-message": 'x"\n'}, b'"Server closed: \\u00a7cback soon"', b'"x\\"\\n"'),
        ({"settings.deny": ["a", "no"]}, b"deny: []", b"deny: [a, 'no']"),
        ({"settings.fresh": 1}, b"    deny: []\n", b"    deny: []\n    fresh: 1\n"),
        ({"spawn-limits.water": 5}, b"animals: 10}", b"animals: 10, water: 5}"),
        ({r"world-settings.the\.nether.view-distance": "8"}, b"distance: default", b"distance: '8'"),
        ({"world-settings.default.growth.rate": 1}, b"rate: .5", b"rate: 1.0"),
        ({"commands": ["/op", "/stop"]}, b"- /reload   #", b"- /op   #"),
        ({"commands": ["/stop"]}, b"- /reload   # dangerous\n", b""),
        ({"commands": ["/reload", "/stop", "yes"]}, b"- '/stop'\n", b"- '/stop'\n- 'yes'\n"),
        ({"commands": ["x", "/reload", "/stop"]}, b"- /reload", b"- x\n- /reload"),
        ({"commands": []}, b":\n- /reload   # dangerous\n- '/stop'\n", b": []\n"),
        ({"commands": "none"}, b":\n- /reload   # dangerous\n- '/stop'\n", b": none\n"),
        ({"motd": "Bye"}, b">-\n    Welcome\n    to the inn", b"Bye"),
        ({"aliases": "x"}, b"aliases:\n", b"aliases: x\n"),
        ({"aliases": ""}, b"", b""),
        (
            {"world-settings.new.growth.rate": 2},
            b"distance: default\n",
            b"distance: default\n    new:\n        growth:\n            rate: 2\n",
        ),
    ],
)
def test_only_what_is_meant_changes(
    newline: bytes, values: dict[str, ConfigValue], before: bytes, after: bytes
) -> None:
    assert SERVER.count(before) == 1 or not before
    expected = SERVER.replace(before, after) if before else SERVER
    assert FORMAT.edit(SERVER.replace(b"\n", newline), values) == expected.replace(b"\n", newline)


@pytest.mark.parametrize(
    "value",
    ["yes", "Off", "y", "null", "~", "1", "1.5", "010", "0x1f", "1e3", "12:30:45", "2020-01-01", "=", "<<", "- a", "[a",
     "a: b", "a #b", "a:", "*x", "&x", "!x", "%x", "@x", "`x", "'", '"', "|", ">", "?", " x", "x ", "\t", "\u2028",
     "\x7f", "\ufeff", "---", "...", ".inf", "+1", "1_000", "0b1", ".5", "#", "{", ",", "é"],
)  # fmt: skip
def test_what_could_be_taken_for_something_else_is_written_in_quotes(value: str) -> None:
    for content in (b"k: a\n", b"k: [a]\n", b"k: {k: a}\n"):
        key = next(iter(FORMAT.read(content)))
        wanted: ConfigValue = [value] if content == b"k: [a]\n" else value
        edited = FORMAT.edit(content, {key: wanted})
        assert FORMAT.read(edited) == {key: wanted}
        if value != "é":
            assert b'"' in edited or b"'" in edited
    assert FORMAT.read(FORMAT.edit(b"", {value.replace(".", r"\.").replace("\\\\", "\\"): "x"}))


def test_versions_that_disagree_leave_a_text() -> None:
    values = FORMAT.read(b"a: yes\nb: 010\nc: 12:30\nd: 2020-01-01\ne: 1_0\nf: 0o7\n")
    assert values == {"a": "yes", "b": "010", "c": "12:30", "d": "2020-01-01", "e": "1_0", "f": "0o7"}


def test_references_tags_and_lists_of_mappings_are_no_options(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    content = f"""\
base: &base {{a: 1}}
child:
  <<: *base
  b: 2
ref: *base
text: &text hello
tagged: !!int 5
evil: !!python/object/apply:os.mkdir [{witness}]
list: [*text]
rows: [{{a: 1}}]
? [x, y]
: pair
""".encode()
    assert FORMAT.read(content) == {"base.a": 1, "child.b": 2}
    for key in ("ref", "text", "tagged", "evil", "list", "rows", "child.<<"):
        with pytest.raises(ConfigUnreadable, match="line"):
            FORMAT.edit(content, {key: "x"})
    assert FORMAT.edit(content, {"child.b": 3}) == content.replace(b"b: 2", b"b: 3")
    assert not witness.exists()


def test_a_key_that_stands_twice_is_read_last_and_not_edited() -> None:
    content = b"a: 1\nb: 2\na: 3\n"
    assert FORMAT.read(content) == {"b": 2, "a": 3}
    assert FORMAT.edit(content, {"b": 4}) == b"a: 1\nb: 4\na: 3\n"
    with pytest.raises(ConfigUnreadable, match="a stands twice, in line 3"):
        FORMAT.edit(content, {"a": 4})


def test_an_empty_mapping_a_comment_and_a_kept_block_take_new_keys() -> None:
    assert FORMAT.edit(b"{}\n", {"a": 1}) == b"{a: 1}\n"
    assert FORMAT.edit(b"# c", {"a.b": "x"}) == b"# c\na:\n  b: x\n"
    assert FORMAT.edit(b"a: |+\n  x\n\n# c\n", {"b": 1}) == b"a: |+\n  x\n\nb: 1\n# c\n"


def test_an_edit_that_cannot_be_made_changes_nothing_quietly() -> None:
    with pytest.raises(ConfigUnreadable, match="would change"):
        FORMAT.edit(b"a: |\n  x", {"b": 1})
    with pytest.raises(ConfigUnreadable, match="too much"):
        FORMAT.read(b"a: 1\n" * 100_000)


KEYS = st.from_regex(r"[a-z][a-z_-]{0,6}", fullmatch=True)
SCALARS = st.sampled_from(["1", "true", "text", "'it''s'", '"a\\nb"', "~", "", "1.5", "[a, b]", "{x: 1}", "no"])
AFTER = st.sampled_from(["", " ", "  # note", " #"])
BETWEEN = st.sampled_from(["", "# a comment: x", "  # indented", "   "])


@settings(deadline=None)
@given(
    rows=st.dictionaries(KEYS, st.tuples(SCALARS, AFTER, BETWEEN), min_size=1, max_size=6),
    newline=st.sampled_from(["\n", "\r\n"]),
    section=st.booleans(),
    value=st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.integers(-9, 9) | st.booleans(),
    data=st.data(),
)
def test_bytes_outside_one_value_stay(
    rows: dict[str, tuple[str, str, str]], newline: str, section: bool, value: ConfigValue, data: st.DataObject
) -> None:
    indent, prefix = ("    ", "root.") if section else ("", "")
    options = [key for key in rows if not rows[key][0].startswith("{")]
    if not options:
        return
    chosen = data.draw(st.sampled_from(options))
    text = f"root:{newline}" if section else ""
    span = (0, 0)
    for key, (raw, after, between) in rows.items():
        text += f"{between}{newline}{indent}{key}: "
        if key == chosen:
            span = (len(text.rstrip(" ")), len(text) + len(raw)) if not raw else (len(text), len(text) + len(raw))
        text += f"{raw}{after}{newline}"
    content = text.encode()
    edited = FORMAT.edit(content, {prefix + chosen: value}).decode()
    assert edited.startswith(text[: span[0]])
    assert edited.endswith(text[span[1] :])
    found = FORMAT.read(edited.encode())
    standing = FORMAT.read(content)[prefix + chosen]
    assert str(found[prefix + chosen]) in (str(value), f"{value}.0") or found[prefix + chosen] == standing
    assert {**found, prefix + chosen: 0} == {**FORMAT.read(content), prefix + chosen: 0}
    assert FORMAT.edit(edited.encode(), {prefix + chosen: value}) == edited.encode()

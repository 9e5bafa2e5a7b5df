"""Which file fits which pattern, what a key is called, and what a value is."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.core.catalog.model import ConfigFile, ConfigOption
from innkeeper.core.catalog.options import (
    Described,
    DoesNotFit,
    checked,
    coerced,
    guessed,
    label_of,
    matches,
    plain_path,
    shown,
    values_of,
)

TEXT = ConfigFile(path="f", format="properties")
TYPED = ConfigFile(path="f", format="yaml")


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.toml", "a.toml", True),
        ("*.toml", ".toml", True),
        ("*.toml", "a/b.toml", False),
        ("*.toml", "a.tomlx", False),
        ("*.toml", "a.TOML", False),
        ("config/**/*.json", "config/a.json", True),
        ("config/**/*.json", "config/a/b/c.json", True),
        ("config/**/*.json", "configs/a.json", False),
        ("config/**/*.json", "x/config/a.json", False),
        ("*/serverconfig/*.toml", "world/serverconfig/a.toml", True),
        ("*/serverconfig/*.toml", "serverconfig/a.toml", False),
        ("a+b.(yml)", "a+b.(yml)", True),
        ("a.yml", "abyml", False),
        ("*.yml", "a\nb.yml", True),
        ("plugins/*-v*.yml", "plugins/a-v2.yml", True),
    ],
)
def test_a_star_is_part_of_a_name_and_two_are_folders(pattern: str, path: str, fits: bool) -> None:
    assert matches(pattern, path) is fits


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/a//b/./c/", "a/b/c"),
        ("", ""),
        (".", ""),
        ("a/../b", None),
        ("..", None),
        ("..a/b..", "..a/b.."),
    ],
)
def test_a_path_that_climbs_is_none(path: str, plain: str | None) -> None:
    assert plain_path(path) == plain


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("spawn-protection", "Spawn protection"),
        ("allowFlight", "Allow flight"),
        ("settings.allow-end", "Settings › Allow end"),
        ("query.port", "Query › Port"),
        ("dotted\\.key", "Dotted.key"),
        ("MAX_RAM", "MAX RAM"),
        ("useHTTPProxy", "Use HTTP proxy"),
        ("", ""),
        ("---", "---"),
    ],
)
def test_a_key_becomes_words(key: str, label: str) -> None:
    assert label_of(key) == label


@pytest.mark.parametrize(
    ("file", "value", "kind"),
    [
        (TEXT, "true", "boolean"),
        (TEXT, "True", "string"),
        (TEXT, "-5", "integer"),
        (TEXT, "0", "integer"),
        (TEXT, "007", "string"),
        (TEXT, "1234567890123456", "string"),
        (TEXT, "-0.5", "float"),
        (TEXT, "1.", "string"),
        (TEXT, "1.2.3", "string"),
        (TEXT, "1e5", "string"),
        (TEXT, "", "string"),
        (TYPED, "true", "string"),
        (TYPED, "5", "string"),
        (TYPED, True, "boolean"),
        (TYPED, 5, "integer"),
        (TYPED, 1 << 60, "string"),
        (TYPED, 0.5, "float"),
        (TYPED, float("nan"), "string"),
        (TYPED, float("inf"), "string"),
        (TYPED, [], "multiselect"),
        (TYPED, ["a"], "multiselect"),
    ],
)
def test_a_key_that_nobody_describes_is_what_it_holds(file: ConfigFile, value: Any, kind: str) -> None:
    option, held = shown(guessed(file, "k", value), value, file)
    assert option.type == kind
    assert type(held) is {"boolean": bool, "integer": int, "float": float, "multiselect": list}.get(kind, str)
    assert (values_of(option, held) is None) is (kind != "multiselect")


@pytest.mark.parametrize(
    ("kind", "value", "become"),
    [
        ("integer", "30", 30),
        ("integer", 30.0, 30),
        ("integer", " 5 ", 5),
        ("float", "0.5", 0.5),
        ("float", 1, 1.0),
        ("float", "1e3", 1000.0),
        ("boolean", "TRUE", True),
        ("boolean", False, False),
        ("string", 5, "5"),
        ("string", True, "true"),
        ("multiselect", "a, b,", ["a", "b"]),
        ("multiselect", ["a", 5], ["a", "5"]),
        ("multiselect", [], []),
    ],
)
def test_clients_may_send_texts(kind: str, value: Any, become: Any) -> None:
    found = coerced(kind, value)
    assert (found, type(found)) == (become, type(become))


@given(
    st.sampled_from(["integer", "float", "boolean", "string", "select", "multiselect"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_whatever_is_sent_fits_or_is_refused(kind: Any, value: Any) -> None:
    known = Described(option=ConfigOption(key="k", type=kind))
    with suppress(DoesNotFit):
        found = checked(known, value)
        assert type(found) in {"integer": (int,), "float": (float,), "boolean": (bool,), "multiselect": (list,)}.get(
            kind, (str,)
        )
        assert "\n" not in str(found)

"""Placeholders: what a user wrote is only ever text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.core.catalog.placeholders import (
    NODE_NAMES,
    UnknownPlaceholder,
    as_text,
    fill,
    fill_wholly,
    literal,
    literal_but_for_node_names,
)
from innkeeper.node.supervisor.preparing import fill as fill_on_node

HERE = {"server": "/srv/1", "port": "25565", "address": "::1", "memory_mib": "512", "shared:lib": "/shared"}
BRACED = st.lists(
    st.sampled_from(["{", "}", "{{", "}}", "{port}", "{properties.other}", "{shared:lib}", "port", "$", "\\", "\n"])
    | st.text(max_size=3)
).map("".join)


@given(BRACED)
def test_the_node_leaves_what_is_literal_as_it_was(text: str) -> None:
    assert fill_on_node(literal(text), HERE) == text


@given(BRACED, BRACED)
def test_a_propertys_value_never_becomes_a_placeholder(value: str, other: str) -> None:
    known = {"properties.motd": value, "properties.other": other}
    for before, after in (("", ""), ("-D", "{port}"), ("{port}", "x"), ("{{", "}}")):
        filled = fill_on_node(fill(f"{before}{{properties.motd}}{after}", known), HERE)
        assert filled == fill_on_node(before, HERE) + value + fill_on_node(after, HERE)


@given(BRACED)
def test_not_even_beside_a_lone_brace_of_the_package(value: str) -> None:
    known = {"properties.motd": value}
    assert fill_on_node(fill("{p{properties.motd}t}", known), HERE) == "{p" + value + "t}"
    assert fill_wholly("{p{properties.motd}t}", known) == "{p" + value + "t}"


@given(BRACED, BRACED)
def test_a_text_that_is_filled_wholly_holds_the_value_as_it_is(value: str, other: str) -> None:
    known = {"properties.motd": value, "properties.other": other}
    assert fill_wholly("say {properties.motd}!", known) == f"say {value}!"
    assert fill_wholly("{{{properties.motd}}}", known) == "{" + value + "}"


@given(BRACED)
def test_in_a_users_own_command_the_nodes_names_are_filled_and_every_other_brace_is_a_brace(word: str) -> None:
    expected = re.sub(r"\{(server|port|address|memory_mib)\}", lambda match: HERE[match[1]], word)
    assert fill_on_node(literal_but_for_node_names(word), HERE) == expected


def test_the_nodes_placeholders_stay_for_the_node() -> None:
    for name in (*NODE_NAMES, "shared:lib"):
        assert fill(f"{{{name}}}", {}) == f"{{{name}}}"
        with pytest.raises(UnknownPlaceholder):
            fill_wholly(f"{{{name}}}", {})


@pytest.mark.parametrize("text", ["{nothing}", "{}", "{ port }", "{Port}", "a{properties.x}b"])
def test_a_placeholder_nobody_fills_is_an_error(text: str) -> None:
    with pytest.raises(UnknownPlaceholder, match="nobody fills"):
        fill(text, {"version": "1"})
    with pytest.raises(UnknownPlaceholder, match="nobody fills"):
        fill_wholly(text, {"version": "1"})


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "true"), (False, "false"), (20, "20"), (1.5, "1.5"), ("x", "x")]
)
def test_values_as_games_write_them(value: str | float | bool | None, text: str) -> None:
    assert as_text(value) == text

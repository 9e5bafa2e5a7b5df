"""Texts from templates: what people need of Jinja2, and nothing that takes long or reaches inside."""

from time import perf_counter

import pytest

from innkeeper.core.webhooks.model import DEFAULT_BODY
from innkeeper.panel.webhook_texts import MAX_TEXT, NAMES, TextIsInvalid, check_text, render_text

VALUES = dict.fromkeys(NAMES, "") | {
    "server": {"name": "camp", "uuid": "u", "id": "7"},
    "player": "Notch",
    "event_name": "player joined",
}


def text_of(template: str, **values: str) -> str:
    check_text(template)
    return render_text(template, VALUES | values, escape=str)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("the body", "the body"),
        ("two\nlines\n", "two\nlines\n"),
        (DEFAULT_BODY, "camp: player joined: Notch"),
        ("{{ server.name }} {{ server['name'] if 0 else server.id }}", None),
        ("{{ player|upper }} {{ player|default('nobody') }}", "NOTCH Notch"),
        ("{% if player == 'Notch' and not reason %}he{% elif reason %}why{% else %}who{% endif %}", "he"),
        ("{{ 'yes' if player in ['Notch', 'jeb_'] else 'no' }}", "yes"),
        ("{{ player ~ '!' ~ server.name }}", "Notch!camp"),
        ("{{ player|replace('o', '0')|truncate(3, true, '', 0) }}", "N0t"),
        ("{{ player|length }}{# a note #}", "5"),
        ("{{ reason is defined }}", "True"),
        ("{% raw %}{{ player }}{% endraw %}", "{{ player }}"),
    ],
)
def test_a_text_says_what_it_is_told_to(template: str, text: str | None) -> None:
    if text is None:
        with pytest.raises(TextIsInvalid):
            check_text(template)
    else:
        assert text_of(template) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ player",
        "{% if %}",
        "{% nonsense %}",
        "{{ nobody }}",
        "{{ self }}",
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ player.__class__ }}",
        "{{ server.__class__ }}",
        "{{ server.keys() }}",
        "{{ server|attr('__class__') }}",
        "{{ (player|upper).format }}",
        "{{ '%s'|format(player) }}",
        "{{ player.upper() }}",
        "{{ range(10**9) }}",
        "{{ lipsum(10) }}",
        "{{ cycler }}",
        "{% for x in player %}x{% endfor %}",
        "{% set x = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% block b %}{% endblock %}",
        "{% filter upper %}x{% endfilter %}",
        "{% with x = 1 %}{% endwith %}",
        "{{ 9 * 9 }}",
        "{{ 'a' * 10**9 }}",
        "{{ 10 ** 10 ** 9 }}",
        "{{ player + player }}",
        "{{ player % 3 }}",
        "{{ player[0] }}",
        "{{ player|center(1000000000) }}",
        "{{ player|map('upper') }}",
        "{{ player|tojson }}",
        "{{ player|pprint }}",
        "{{ player|wordwrap(1) }}",
        "{{ player is sameas player }}",
        "{{ player is filter }}",
        "{{ player|upper(*reason) }}",
        "{{ player|upper(**server) }}",
        "{{ {'a': 1} }}",
        "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
        "{{ " + "not " * 500 + "player }}",
        "{{ player" + "|upper" * 200 + " }}",
        "{% if player %}" * 100 + "{% endif %}" * 100,
        "{{ player|truncate('x') }}",
    ],
)
def test_what_a_text_may_not_say_is_refused_when_it_is_made(template: str) -> None:
    with pytest.raises(TextIsInvalid):
        check_text(template)


def test_a_refusal_says_what_and_where() -> None:
    with pytest.raises(TextIsInvalid, match=r"there is no variable 'nobody' \(line 2\)"):
        check_text("one\n{{ nobody }}")
    with pytest.raises(TextIsInvalid, match=r"no for in such a text \(line 1\)"):
        check_text("{% for x in player %}{% endfor %}")


def test_no_text_grows_without_bound() -> None:
    bomb = "{{ player" + "|replace('a', 'aaaaaaaaaaaaaaaa')" * 20 + " }}"
    check_text(bomb)
    with pytest.raises(TextIsInvalid, match="too long"):
        render_text(bomb, VALUES | {"player": "a"}, escape=str)
    with pytest.raises(TextIsInvalid, match="too long"):
        render_text("{{ reason }}" * 20, VALUES | {"reason": "x" * 9000}, escape=str)
    assert len(render_text("{{ reason }}", VALUES | {"reason": "x" * 9000}, escape=str)) == 4000 < MAX_TEXT


def test_text_from_elsewhere_is_escaped_and_compared_as_it_is() -> None:
    template = "*{{ player }}* {{ player|upper }} {% if player == 'a*b' %}it is{% endif %}"
    found = render_text(template, VALUES | {"player": "a*b"}, escape=lambda text: text.replace("*", "\\*"))
    assert found == "*a\\*b* A\\*B it is"


def test_what_a_player_is_called_is_no_template() -> None:
    assert text_of("{{ player }}", player="{{ server.__class__ }}{% raw %}") == "{{ server.__class__ }}{% raw %}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ player|truncate(1) }}",
        "{{ player|truncate(2, true, 'much longer') }}",
        "\ud800",
        "{{ '\\ud800' }}",
    ],
)
def test_what_no_message_can_say_is_refused_at_once(template: str) -> None:
    with pytest.raises(TextIsInvalid):
        check_text(template)


def test_filters_of_long_texts_do_not_add_up() -> None:
    long = "{{ (" + " ~ ".join(["command"] * 200) + ")" + "|title" * 25 + " }}"

    begun = perf_counter()
    with pytest.raises(TextIsInvalid):
        text_of(long, command="a " * 2000)
    assert perf_counter() - begun < 5

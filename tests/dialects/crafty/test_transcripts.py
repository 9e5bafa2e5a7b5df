"""Every documented reply, as it is written in `transcripts/`: status, headers, JSON and its exact fields.

The files are as those of ServerFlex's transcripts. Names in braces are filled in; `{any us_time}` and its kin stand for
what differs each time. There are Root, a superuser, and Bobby, who has the role `mods` (COMMANDS and LOGS) on the
server `example`, may make one server, and has a key.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.crafty.served import Served, host_told
from tests.dialects.crafty.standing import STANDING
from tests.dialects.serverflex.test_transcripts import Transcript, parse
from tools.coverage import route_of, table_of

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
STATUSES = (200, 201, 204, 400, 401, 403, 404, 405, 409, 410, 413, 429, 503)
"""What this dialect answers; 500 is a fault."""

ANY = {
    "{any us_time}": r"\d{2}/\d{2}/\d{4}, \d{2}:\d{2}:\d{2}",
    "{any iso_time}": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}",
    "{any time}": r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\+00:00)?",
    "{any jwt}": r"[\w-]+\.[\w-]+\.[\w-]+",
    "{any uuid}": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "{any size}": r"\d+\.\d[KMGT]?B",
    "{any text}": r"(?s:.+)",
}


async def bobby(served: Served) -> dict[str, str]:
    """Make Bobby, his role and his key; return what transcripts call by name."""
    role = await served.data(
        "POST",
        "/roles",
        json={"name": "Mods", "servers": [{"server_id": served.example.server.id, "permissions": "10100000"}]},
    )
    made = await served.data(
        "POST",
        "/users",
        json={
            "username": "bobby",
            "password": "password1",
            "email": "b@x.y",
            "roles": [role["role_id"]],
            "permissions": [{"name": "SERVER_CREATION", "quantity": 1, "enabled": True}],
        },
    )
    token, user = await served.token("bobby", "password1"), made["user_id"]
    key = await served.data("PATCH", f"/users/{user}/key", token=token, json={"name": "phone"})
    return {
        "root_token": await served.token("root"),
        "bobby_token": token,
        "bobby": user,
        "role": str(role["role_id"]),
        "key": str(key["id"]),
        "server": str(served.example.server.id),
        "foreign": str(served.foreign.server.id),
    }


PREPARED: dict[str, Callable[[Served], Awaitable[None]]] = {"host told": host_told, **STANDING}
"""Words that say how things stand before."""

ASKED = {file.stem: parse(file.read_text()) for file in TRANSCRIPTS}


def changes_nothing(asked: Transcript) -> bool:
    """Say whether a request may be followed by others: it reads, or is refused."""
    return asked.status >= 400 or asked.method == "GET"


READS: dict[tuple[str, ...], list[str]] = {}
"""Those that change nothing, by how things stand."""
for _name, _asked in ASKED.items():
    if changes_nothing(_asked):
        READS.setdefault(tuple(_asked.prepare), []).append(_name)
OTHERS = [name for name, asked in ASKED.items() if not changes_nothing(asked)]


def same(said: Any, due: Any) -> bool:
    """Say whether a reply is as it is due."""
    if isinstance(due, dict):
        return isinstance(said, dict) and set(said) == set(due) and all(same(said[key], due[key]) for key in due)
    if isinstance(due, list):
        return isinstance(said, list) and len(said) == len(due) and all(map(same, said, due))
    if due == "{any number}":
        return isinstance(said, int | float) and not isinstance(said, bool)
    if due == "{any}":
        return True
    if isinstance(due, str) and "{any" in due:
        parts = re.split(r"(\{any \w+\})", due)
        return isinstance(said, str) and bool(
            re.fullmatch("".join(ANY.get(part) or re.escape(part) for part in parts), said)
        )
    return type(said) is type(due) and bool(said == due)


@pytest.mark.parametrize("words", READS, ids=lambda words: " and ".join(words) or "nothing done before")
async def test_replies_that_change_nothing_are_as_written(served: Served, words: tuple[str, ...]) -> None:
    names = await prepared(served, words)
    for name in READS[words]:
        for slash in (True, False):
            await see_reply(served, names, name, slash=slash)


@pytest.mark.parametrize("name", OTHERS)
async def test_a_reply_is_as_written(served: Served, name: str) -> None:
    await see_reply(served, await prepared(served, ASKED[name].prepare), name, slash=False)


async def prepared(served: Served, words: Iterable[str]) -> dict[str, str]:
    names = await bobby(served)
    for word in words:
        await PREPARED[word](served)
    return names


async def see_reply(served: Served, names: dict[str, str], name: str, *, slash: bool) -> None:
    transcript = ASKED[name]

    def fill(text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: names.get(match[1], match[0]), text)

    path, mark, query = fill(transcript.path).removeprefix("/api/v2").partition("?")
    reply = await served.ask(
        transcript.method,
        path.rstrip("/") + ("/" if slash else "") + mark + query,
        headers={header: fill(value) for header, value in transcript.headers},
        content=fill(transcript.body).encode() or None,
    )
    assert reply.status_code == transcript.status, (name, reply.text)
    for header, value in transcript.told:
        assert reply.headers[header] == value, name
    if transcript.status == 204:
        assert reply.content == b"", name
        return
    assert reply.headers["content-type"] == transcript.content_type, name
    if not transcript.content_type.startswith("application/json"):
        assert same(reply.text.strip(), fill(transcript.reply).strip()), (name, reply.text)
        return
    said, due = json.loads(reply.content), json.loads(fill(transcript.reply))
    assert same(said, due), (name, said, due)


def test_every_route_is_written_down() -> None:
    table = table_of("crafty")
    written = {
        route_of(table.routes, one.method, one.path.removeprefix("/api/v2"))
        for one in ASKED.values()
        if one.status in (200, 201, 204)
    }
    asked = [route for route in table.routes if not route.startswith("WebSocket ")]
    assert [route for route in asked if route not in {*written, *table.refused}] == []


def test_every_transcript_is_of_a_status_that_is_documented() -> None:
    assert {name: asked.status for name, asked in ASKED.items() if asked.status not in STATUSES} == {}

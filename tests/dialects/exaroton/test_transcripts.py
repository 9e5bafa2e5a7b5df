"""Requests and replies word for word, as exaroton's documentation has them: one file each, `transcripts/*.txt`.

    # what is prepared: a line for each of the names in PREPARED
    > METHOD PATH            the request: its line, its headers, an empty line, its body
    < STATUS CONTENT-TYPE    the reply; its body follows, compared as JSON

{id}, {key}, {software} and the like are filled in. Each is asked with and without a slash at the end of its path.
"""

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import OnlinePlayer
from tests.dialects.exaroton.served import Served

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


class Transcript(msgspec.Struct, frozen=True):
    """One request with its reply; `{names}` are not filled in yet."""

    prepare: list[str]
    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int
    content_type: str
    reply: str


def parse(text: str) -> Transcript:
    """Read a transcript."""
    prepare = [line[1:].strip() for line in text.splitlines() if line.startswith("#")]
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    request, reply = re.split(r"^< ", text.strip(), maxsplit=1, flags=re.MULTILINE)
    head, _, body = request.removeprefix("> ").partition("\n\n")
    first, *headers = head.strip().splitlines()
    method, path = first.split(" ")
    said, _, reply_body = reply.partition("\n")
    status, content_type = said.split(" ", 1)
    pairs = dict(header.split(": ", 1) for header in headers)
    return Transcript(prepare, method, path, pairs, body.strip(), int(status), content_type, reply_body)


async def running(served: Served) -> None:
    """The server runs, and Alice is there."""
    await _see(served, State.RUNNING)


async def starting(served: Served) -> None:
    """The server starts."""
    await _see(served, State.STARTING)


async def stopping(served: Served) -> None:
    """The server stops."""
    await _see(served, State.STOPPING)


async def printed(served: Served) -> None:
    """The game has printed two lines, one of them in colour."""
    served.house.gateway.say(served.example.server.uuid, "\x1b[32mfirst\x1b[0m", "second ü")


async def _see(served: Served, state: State) -> None:
    house = served.house
    live = house.gateway.live(state)
    if state is State.RUNNING:
        live = msgspec.structs.replace(live, players=(OnlinePlayer(name="Alice", since=house.clock.now()),))
    await house.gateway.see(served.example.server.uuid, live)


PREPARED: dict[str, Callable[[Served], Awaitable[None]]] = {
    "running": running,
    "starting": starting,
    "stopping": stopping,
    "printed": printed,
}


async def filled(served: Served) -> Callable[[str], str]:
    """Return what fills names in."""
    guest = await served.house.account("guest")
    await served.house.share(served.example, guest, ServerPermission.VIEW)
    names = {
        "id": served.id,
        "key": served.key,
        "software": served.software,
        "guest_key": await served.house.key(guest),
        "stranger_key": await served.house.key(await served.house.account("stranger")),
    }
    return lambda text: re.sub(r"\{(\w+)\}", lambda match: names[match[1]], text)


@pytest.mark.parametrize("slash", [True, False], ids=["slash", "no slash"])
@pytest.mark.parametrize("file", TRANSCRIPTS, ids=[file.stem for file in TRANSCRIPTS])
async def test_a_reply_is_as_written(served: Served, file: Path, slash: bool) -> None:
    transcript, fill = parse(file.read_text()), await filled(served)
    for name in transcript.prepare:
        await PREPARED[name](served)
    path = fill(transcript.path).rstrip("/") + ("/" if slash else "")
    headers = {name: fill(value) for name, value in transcript.headers.items()}
    reply = await served.ask(transcript.method, path, headers=headers, body=transcript.body.encode())
    assert reply.status_code == transcript.status, reply.text
    assert reply.headers["content-type"] == transcript.content_type
    due: Any = json.loads(fill(transcript.reply))
    assert json.loads(reply.content) == due


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) > 20

"""Requests and replies word for word, as exaroton's documentation has them: one file each, `transcripts/*.txt`.

    # what is prepared: a line for each of the names in PREPARED
    > METHOD PATH            the request: its line, its headers, an empty line, its body
    < STATUS CONTENT-TYPE    the reply; its body follows, compared as JSON

{id}, {key}, {software} and the like are filled in. Each is asked with and without a slash at the end of its path.
`Transfer-Encoding: chunked` sends the body in parts, without its length. A reply that is no JSON is compared as text.
Every JSON reply is looked through for its fields besides: none too many, none too few.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import OnlinePlayer
from tests.dialects.exaroton import fields
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


async def files(served: Served) -> None:
    """There are files of all kinds in its folder."""
    served.house.gateway.trees[served.example.server.uuid] = {
        "server.properties": b"# by hand\ngamemode=survival\nmax-players=20\nmotd=Hello\n",
        "a b#ü?.txt": b"words\n",
        "eula.txt": b"",
        "logs": None,
        "logs/latest.log": b"[main/INFO]: Done\n",
        "logs/old.log.gz": b"\x1f\x8b\0",
        "world": None,
        "world/playerdata": None,
        "world/playerdata/1.dat": b"\0\1\2",
    }


async def mod(served: Served) -> None:
    """A mod has a config file, and another has one that is broken."""
    served.house.gateway.trees[served.example.server.uuid] = {
        "config": None,
        "config/mod.toml": b'greeting = "hello"\nlevel = 3\nrate = 0.5\nloud = true\nworlds = ["a", "b"]\n',
        "config/broken.toml": b"level = = 3\n",
    }


async def lists(served: Served) -> None:
    """Two players are on its whitelist."""
    served.house.gateway.trees[served.example.server.uuid] = {
        "whitelist.json": b'[{"uuid": "00000000-0000-4000-8000-000000000001", "name": "exaroton"},'
        b' {"uuid": "00000000-0000-4000-8000-000000000002", "name": "example"}]'
    }


async def credits_given(served: Served) -> None:
    """The owner has 42 credits."""
    house = served.house
    await house.product.billing.top_up(house.actor(house.root), house.root.id, 42_000_000)


async def pooled(served: Served) -> None:
    """A pool of the owner's with 42 credits of its own and none of a guest's pays for the server."""
    await credits_given(served)
    billing, actor = served.house.product.billing, served.house.actor(served.house.root)
    pool = await billing.create_pool(actor, "example")
    await billing.deposit(actor, pool.id, 42_000_000)
    await billing.assign(actor, served.house.now(served.example), pool.id)
    guest = served.house.product.authority.by_username("guest")
    assert guest is not None
    await billing.add_member(actor, pool.id, guest.id)


async def without_sharing(served: Served) -> None:
    """The house shares no logs."""
    served.house.product.sharing._uploader = None


async def broke(served: Served) -> None:
    """Running costs credits, and the owner has none."""
    house = served.house
    await house.product.billing.set_price(house.actor(house.root), 1_000_000)


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
    "files": files,
    "lists": lists,
    "mod": mod,
    "credits": credits_given,
    "pooled": pooled,
    "without sharing": without_sharing,
    "broke": broke,
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
        "pool": served.ids.of_pool(1),
        "account": served.ids.of_account(served.house.root.id),
        "guest": served.ids.of_account(guest.id),
        "stranger_key": await served.house.key(await served.house.account("stranger")),
    }
    return lambda text: re.sub(r"\{(\w+)\}", lambda match: names[match[1]], text)


POWER = ("/start", "/stop", "/restart")


def changes_nothing(asked: Transcript) -> bool:
    """Say whether a request may be sent twice: it reads, or is refused."""
    return asked.status >= 400 or (asked.method == "GET" and not asked.path.rstrip("/").endswith(POWER))


READS = [file for file in TRANSCRIPTS if changes_nothing(parse(file.read_text()))]
OTHERS = [file for file in TRANSCRIPTS if file not in READS]


@pytest.mark.parametrize("file", READS, ids=[file.stem for file in READS])
async def test_a_reply_that_changes_nothing_is_as_written(served: Served, file: Path) -> None:
    transcript, fill = await prepared(served, file)
    for slash in (True, False):
        await see_reply(served, transcript, fill, slash=slash)


@pytest.mark.parametrize("slash", [True, False], ids=["slash", "no slash"])
@pytest.mark.parametrize("file", OTHERS, ids=[file.stem for file in OTHERS])
async def test_a_reply_is_as_written(served: Served, file: Path, slash: bool) -> None:
    await see_reply(served, *await prepared(served, file), slash=slash)


async def prepared(served: Served, file: Path) -> tuple[Transcript, Callable[[str], str]]:
    transcript, fill = parse(file.read_text()), await filled(served)
    for name in transcript.prepare:
        await PREPARED[name](served)
    return transcript, fill


async def see_reply(served: Served, transcript: Transcript, fill: Callable[[str], str], *, slash: bool) -> None:
    path = fill(transcript.path).rstrip("/") + ("/" if slash else "")
    headers = {name: fill(value) for name, value in transcript.headers.items()}
    body: Any = transcript.body.encode()
    if headers.pop("Transfer-Encoding", "") == "chunked":
        body = in_parts(body)
    reply = await served.ask(transcript.method, path, headers=headers, body=body)
    assert reply.status_code == transcript.status, reply.text
    assert reply.headers["content-type"] == transcript.content_type
    if transcript.content_type != "application/json":
        assert reply.text.strip() == fill(transcript.reply).strip()
        return
    due: Any = json.loads(fill(transcript.reply))
    said = json.loads(reply.content)
    assert said == due
    fields.check(path, reply.status_code, said)


async def in_parts(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 3):
        yield body[start : start + 3]


def test_there_are_transcripts_of_every_route() -> None:
    asked = {(one.method, one.path.rstrip("/")) for one in (parse(file.read_text()) for file in TRANSCRIPTS)}
    for pattern, _ in fields.OF_PATH:
        assert any(re.fullmatch(pattern, path.removeprefix("/v1")) for _, path in asked), pattern
    assert len(TRANSCRIPTS) > 100

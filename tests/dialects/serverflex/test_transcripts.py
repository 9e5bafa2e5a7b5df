"""Every documented reply, as it is written in `transcripts/`: status, headers, JSON and its exact fields.

    # how things stand before (optional): words of PREPARED
    > METHOD PATH
    Header: value

    body

    < STATUS CONTENT-TYPE
    Header: value

    reply

Names in braces are filled in. `{any uuid}` and its kin stand for what differs each time; key order and blanks do not
count. What a server does not answer is fully told: every documented status of every route has a transcript.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import OnlinePlayer, Usage
from innkeeper.testing.products import PASSWORD
from tests.dialects.serverflex import fields
from tests.dialects.serverflex.served import Headers, Served

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))

OF_SERVER = "/server/[^/]+"
DOCUMENTED: dict[str, tuple[int, ...]] = {
    "GET /server": (200, 400),
    "POST /server/new": (200, 400, 412),
    f"GET {OF_SERVER}": (200, 404, 410),
    f"POST {OF_SERVER}": (200, 400, 403, 404, 410),
    f"DELETE {OF_SERVER}": (200, 403, 404, 410, 412),
    f"POST {OF_SERVER}/start": (200, 403, 404, 410, 412),
    f"POST {OF_SERVER}/stop": (200, 403, 404, 410, 412),
    f"POST {OF_SERVER}/restart": (200, 403, 404, 410, 412),
    f"GET {OF_SERVER}/players": (200, 404, 410, 412),
    f"POST {OF_SERVER}/sharing/add": (200, 403, 404, 410, 412),
    f"GET {OF_SERVER}/sharing": (200, 403, 404, 410),
    f"POST {OF_SERVER}/sharing/(?!add|new)[^/]+": (200, 403, 404, 410),
    f"DELETE {OF_SERVER}/sharing/[^/]+": (204, 403, 404, 410),
    f"POST {OF_SERVER}/console": (204, 403, 404, 410, 412),
    "GET /package": (200,),
    "GET /package/[^/]+": (200, 404, 410),
    "GET /package/[^/]+/properties": (200, 404, 410),
    "GET /region": (200,),
    "GET /region/[^/]+": (200, 404, 410),
    "GET /account": (200,),
    "GET /account/balance": (200,),
    "GET ": (200,),
}
"""Every route with the codes that its own section lists. ref: the Response Codes of every route."""
ANYWHERE = (400, 401, 403, 404, 405, 406, 410, 412, 429, 503)
"""What any route may answer; 500 is a fault, and 502 nobody's here. ref: the section Error Handling."""


class Transcript(msgspec.Struct, frozen=True):
    """One request with its reply; `{names}` are not filled in yet."""

    prepare: list[str]
    method: str
    path: str
    headers: Headers
    body: str
    status: int
    content_type: str
    told: Headers
    reply: str

    @property
    def route(self) -> str:
        """Method and path, the version, the query and a slash at the end left out."""
        return f"{self.method} {self.path.partition('?')[0].removeprefix('/1.0').rstrip('/')}"


def parse(text: str) -> Transcript:
    """Read a transcript."""
    lines = text.splitlines()
    prepare = [line[1:].strip() for line in lines if line.startswith("#")]
    request, said = re.split(r"^< ", "\n".join(line for line in lines if not line.startswith("#")), flags=re.MULTILINE)
    head, _, body = request.removeprefix("> ").partition("\n\n")
    first, *headers = head.strip().splitlines()
    method, path = first.split(" ")
    told, _, reply = said.partition("\n\n")
    answer, *answered = told.strip().splitlines()
    status, _, kind = answer.partition(" ")
    return Transcript(
        prepare, method, path, _headers(headers), body.strip(), int(status), kind, _headers(answered), reply
    )


def _headers(lines: list[str]) -> Headers:
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]


# -- how things stand -------------------------------------------------------------------------------------------------


def seen(state: State) -> Callable[[Served], Awaitable[None]]:
    """Return what makes the server be in a state; where it runs, Alice is there."""

    async def prepare(served: Served) -> None:
        house = served.house
        live = house.gateway.live(state)
        if state is State.RUNNING:
            live = msgspec.structs.replace(live, players=(OnlinePlayer(name="Alice", since=served.clock.now()),))
        await house.gateway.see(served.example.server.uuid, live)

    return prepare


async def deleted(served: Served) -> None:
    """The server was deleted, and is kept for a while."""
    await served.house.product.servers.delete(served.house.actor(served.owner), served.example)
    await served.house.settle()


async def locked(served: Served) -> None:
    """The house locked the server."""
    await served.house.product.servers.suspend(served.house.actor(served.house.root), served.example, "maintenance")
    await served.house.settle()


async def slow(served: Served) -> None:
    """The node takes its time."""
    served.house.gateway.obeys = False


async def busy(served: Served) -> None:
    """The server is being started."""
    await slow(served)
    await served.house.product.servers.start(served.house.actor(served.owner), served.example)


async def node_lost(served: Served) -> None:
    """The node does not answer."""
    served.house.gateway.offline = True
    served.house.product.nodes.lost(served.house.node.id)


async def sampled(served: Served) -> None:
    """There are two samples, of the first of which it is not known what it used of the disk."""
    first = served.clock.now() - timedelta(minutes=10)
    second = first + timedelta(minutes=1, milliseconds=500)
    samples = [
        Usage(at=first, cpu_percent=12.5, memory_bytes=512 << 20, disk_bytes=None, players=0),
        Usage(at=second, cpu_percent=130.0, memory_bytes=(1281 << 20) // 2, disk_bytes=100 << 20, players=1),
    ]
    async with served.house.database.works() as work:
        await work.metrics.add([(served.example.server.id, sample) for sample in samples])


async def deaf(served: Served) -> None:
    """The game does not read its console."""
    served.house.gateway.deaf = True


async def charging(served: Served) -> None:
    """The house takes money for what it rents out, and the owner has none."""
    await served.house.product.rentals.set_charging(served.house.actor(served.house.root), True)


async def may_own_one(served: Served) -> None:
    """The owner may own one server, and does."""
    house = served.house
    await house.product.accounts.change(house.actor(house.root), served.owner.uuid, most_servers=1)


async def full(served: Served) -> None:
    """The node is promised to others."""
    house = served.house
    await house.product.nodes.change(house.actor(house.root), house.node.uuid, most_servers=1)


async def pounds(served: Served) -> None:
    """The owner has 28.25 GBP."""
    house = served.house
    await house.product.billing.top_up(house.actor(house.root), served.owner.id, 28_250_000, currency="GBP")


async def pays_in_pounds(served: Served) -> None:
    """The owner pays in GBP."""
    house = served.house
    await house.product.accounts.change(house.actor(house.root), served.owner.uuid, currency="GBP")


async def brought(served: Served) -> None:
    """The owner brought somebody."""
    await served.house.product.accounts.create(
        None, username="friend", password=PASSWORD, referral=served.owner.referral_token
    )


async def shared_to_the_full(served: Served) -> None:
    """The server is shared with as many as may be."""
    await served.house.share(served.example, await served.house.account("fourth"), "server.view")


async def asked_too_fast(served: Served) -> None:
    """The owner's key was used as often as it may be."""
    headers = {"Authorization": f"Bearer {served.keys[served.owner.username]}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers, trust_env=False) as client:
        while (await client.get("/1.0/account")).status_code == 200:
            pass


def retired(noun: Any, name: str) -> Callable[[Served], Awaitable[None]]:
    """Return what offers something no more."""

    async def prepare(served: Served) -> None:
        await served.house.product.selling.retire(served.house.actor(served.house.root), noun, name)

    return prepare


PREPARED: dict[str, Callable[[Served], Awaitable[None]]] = {
    "running": seen(State.RUNNING),
    "starting": seen(State.STARTING),
    "deleted": deleted,
    "locked": locked,
    "slow": slow,
    "busy": busy,
    "node lost": node_lost,
    "deaf": deaf,
    "sampled": sampled,
    "charging": charging,
    "full": full,
    "may own one": may_own_one,
    "pounds": pounds,
    "pays in pounds": pays_in_pounds,
    "brought": brought,
    "shared to the full": shared_to_the_full,
    "asked too fast": asked_too_fast,
    "retired package minecraft": retired("package", "minecraft"),
    "retired plan mc.grass": retired("plan", "mc.grass"),
    "retired region us-1": retired("region", "us-1"),
}

ANY = {
    "{any uuid}": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "{any label}": r"[0-9a-f]{12}",
    "{any text}": r".+",
}


def same(said: Any, due: Any) -> bool:
    """Say whether a reply is as it is due."""
    if isinstance(due, dict):
        return isinstance(said, dict) and set(said) == set(due) and all(same(said[key], due[key]) for key in due)
    if isinstance(due, list):
        return isinstance(said, list) and len(said) == len(due) and all(map(same, said, due))
    if due == "{any port}":
        return isinstance(said, int)
    if isinstance(due, str) and "{any" in due:
        parts = re.split(r"(\{any \w+\})", due)
        return isinstance(said, str) and bool(
            re.fullmatch("".join(ANY.get(part) or re.escape(part) for part in parts), said)
        )
    return type(said) is type(due) and bool(said == due)


def changes_nothing(asked: Transcript) -> bool:
    """Say whether a request may be followed by others: it reads, or is refused."""
    return asked.status >= 400 or asked.method == "GET"


ASKED = {file.stem: parse(file.read_text()) for file in TRANSCRIPTS}
READS: dict[tuple[str, ...], list[str]] = {}
"""Those that change nothing, by how things stand."""
for _name, _asked in ASKED.items():
    if changes_nothing(_asked):
        READS.setdefault(tuple(_asked.prepare), []).append(_name)
OTHERS = [name for name, asked in ASKED.items() if not changes_nothing(asked)]


@pytest.mark.parametrize("words", READS, ids=lambda words: " and ".join(words) or "nothing done before")
async def test_replies_that_change_nothing_are_as_written(served: Served, words: tuple[str, ...]) -> None:
    await prepared(served, words)
    for name in READS[words]:
        for slash in (True, False):
            await see_reply(served, name, slash=slash)


@pytest.mark.parametrize("name", OTHERS)
async def test_a_reply_is_as_written(served: Served, name: str) -> None:
    await prepared(served, ASKED[name].prepare)
    await see_reply(served, name, slash=False)


async def prepared(served: Served, words: Iterable[str]) -> None:
    for word in words:
        await PREPARED[word](served)


async def see_reply(served: Served, name: str, *, slash: bool) -> None:
    transcript, names = ASKED[name], served.names

    def fill(text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: names[match[1]], text)

    path, mark, query = fill(transcript.path).partition("?")
    reply = await served.ask(
        transcript.method,
        path.rstrip("/") + ("/" if slash else "") + mark + query,
        headers=[(header, fill(value)) for header, value in transcript.headers],
        body=transcript.body.encode() or None,
    )
    assert reply.status_code == transcript.status, (name, reply.text)
    for header, value in transcript.told:
        assert reply.headers[header] == value, name
    if transcript.status == 204:
        assert reply.content == b"", name
        return
    assert reply.headers["content-type"] == transcript.content_type, name
    said, due = json.loads(reply.content), json.loads(fill(transcript.reply))
    assert same(said, due), (name, said, due)
    fields.check(transcript.method, path, reply.status_code, said)


def test_every_documented_status_of_every_route_is_written_down() -> None:
    written = {(one.route, one.status) for one in ASKED.values()}
    missing = [
        (route, status)
        for route, statuses in DOCUMENTED.items()
        for status in statuses
        if not any(status == told and re.fullmatch(route, asked) for asked, told in written)
    ]
    assert missing == []
    assert set(ANYWHERE) <= {status for _, status in written}


def test_every_transcript_is_of_a_status_that_the_documentation_knows() -> None:
    for name, asked in ASKED.items():
        assert asked.status in (*ANYWHERE, 200, 204), name

"""What was observed of a running Crafty holds of a whole Innkeeper, but for the differences that are meant."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.innkeepers import Embedded
from tests.acceptance.looking import eventually, free_port
from tests.dialects.crafty.observed import SAMPLED, Exchange, Found, Names, compare, exchanges, formed, meant
from tools.coverage import table_of

GAME = Path(__file__).with_name("game.py")
PROGRAM = "server.jar"
"""What the observed server's program was called."""
SETTLED = {"created", "stopped", "running", "crashed"}
PATIENCE_S = 10.0
NUMBERED = {"task create (2)": "task1", "task cron (2)": "task2", "task reaction (2)": "task3"}
"""What transcripts call the tasks that these exchanges make."""
_ADMIN_PASSWORD = "crafty123"  # what the observed administrator gave itself


class Replay:
    """Everybody who asked, and what they were told."""

    def __init__(self, inn: Embedded, client: httpx.AsyncClient, names: Names) -> None:
        self._inn = inn
        self._client = client
        self._names = names
        self._differences = table_of("crafty").differences
        self._tokens: dict[str, str] = {"wrong": "not.a.token"}
        self._used: set[tuple[str, str]] = set()

    async def run(self) -> list[Found]:
        """Ask everything in order; return the differences that nobody means."""
        found: list[Found] = []
        await self._inn.api.ask("PATCH", "/house", json={"sample_seconds": 5})
        self._tokens["admin"] = await self._log_in("admin", self._inn.password or "")
        for exchange in exchanges():
            await self._before(exchange)
            found += await self._ask(exchange)
            await self._after(exchange)
        return found

    def told_by(self, text: str) -> list[str]:
        """Return whose tokens stand in a text."""
        return [who for who, token in self._tokens.items() if who != "wrong" and token in text]

    def unused(self) -> list[str]:
        """Return the fields of which a difference is meant that did not come up."""
        listed = [(name, field) for each in self._differences for name in each.exchanges for field in each.fields]
        return [f"{name}: {field}" for name, field in listed if name not in SAMPLED and (name, field) not in self._used]

    async def _ask(self, exchange: Exchange) -> list[Found]:
        """Ask, and ask again for a while what only reads: what was ordered before takes its time."""
        deadline = time.monotonic() + PATIENCE_S
        waits = exchange.method == "GET" and exchange.path.startswith("/servers") and exchange.status < 400
        while True:
            reply = await self._send(exchange)
            kind = reply.headers.get("content-type")
            unmeant = []
            for found in compare(exchange, reply.status_code, kind, reply.content, self._names):
                if meant(found, self._differences) is None:
                    unmeant.append(found)
                else:
                    self._used.add((found.exchange, found.field))
            if not unmeant or not waits or time.monotonic() > deadline:
                self._note(exchange, reply)
                return unmeant
            await asyncio.sleep(0.2)  # and not faster than one may ask

    async def _send(self, exchange: Exchange) -> httpx.Response:
        headers, params = {}, {}
        who, _, how = exchange.who.partition(" ")
        token = self._tokens.get(who)
        match how:
            case "query":
                params["token"] = token
            case "bare":
                headers["Authorization"] = token
            case "lowercase":
                headers["Authorization"] = f"bearer {token}"
            case "cookie":
                headers["Cookie"] = f"token={token}"
            case _ if token is not None:
                headers["Authorization"] = f"Bearer {token}"
        path = self._names.filled(exchange.path)
        url = path[1:] if path.startswith("^") else f"/api/v2{path}"
        body = self._names.filled(exchange.body)
        sent: dict[str, Any] = {"content": body.encode()} if isinstance(body, str) else {"json": body}
        return await self._client.request(
            exchange.method, url, headers=headers, params=params or None, **(sent if body is not None else {})
        )

    async def _before(self, exchange: Exchange) -> None:
        """Wait for what takes its time, and of which one cannot tell from a reply that it is still to come."""
        if exchange.name in SAMPLED:

            async def is_sampled() -> bool:
                rows = (await self._send(exchange)).json()["data"]
                return bool(rows) and rows[-1]["started"] != "False"

            await eventually(is_sampled, "a sample of the run under way", within=60)

    async def _after(self, exchange: Exchange) -> None:
        """Follow what an exchange changed: who has which token, where servers lie, what they are about."""
        match exchange.name:
            case "set pw":
                self._tokens["admin"] = await self._log_in("admin", _ADMIN_PASSWORD)
            case "bobby login":
                self._tokens["bobby"] = await self._log_in("bobby", "password1")
            case "key 1":
                self._tokens["key"] = self._names.known.get("keyjwt", "")
            case "create raw_exec":
                await self._settle()
                await self._lay_files()
            case "stdin crash" | "stdin crash (2)":
                await self._see("crashed")
        if exchange.method in ("POST", "PATCH") and exchange.path.startswith("/servers"):
            await self._settle()

    def _note(self, exchange: Exchange, reply: httpx.Response) -> None:
        """Note the ids of tasks, the first of which were made here alone."""
        if exchange.name in NUMBERED and reply.status_code == 200:
            self._names.known[NUMBERED[exchange.name]] = str(reply.json()["data"]["schedule_id"])

    async def _lay_files(self) -> None:
        """Give the first server the files that the observed one had."""
        server = (await self._inn.api.ask("GET", "/servers"))["items"][0]
        files = f"/servers/{server['id']}/files"
        await self._inn.api.ask("POST", f"{files}/directory", json={"path": "logs"})
        await self._inn.api.ask("PUT", f"{files}/content", params={"path": PROGRAM}, content=GAME.read_bytes())

    async def _see(self, state: str) -> None:
        """Return when the first server is in a state."""

        async def is_so() -> bool:
            first: dict[str, Any] = (await self._inn.api.ask("GET", "/servers"))["items"][0]
            return bool(first["state"] == state)

        await eventually(is_so, f"the first server to be {state}")

    async def _log_in(self, name: str, password: str) -> str:
        reply = await self._client.post("/api/v2/auth/login", json={"username": name, "password": password})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["data"]["token"])

    async def _settle(self) -> None:
        """Return when no server is about anything any more."""

        async def is_settled() -> bool:
            found = await self._inn.api.ask("GET", "/servers")
            return all(server["state"] in SETTLED for server in found["items"])

        await eventually(is_settled, "every server to be settled", within=30)


@asynccontextmanager
async def replayed(inn: Embedded, folder: Path) -> AsyncIterator[Replay]:
    """Give a replay against a fresh Innkeeper."""
    brought = folder / "brought"
    (brought / "logs").mkdir(parents=True)
    (brought / "logs" / "latest.log").write_text("hello\n")
    (brought / "fakemc.py").write_bytes(GAME.read_bytes())
    names = Names(
        port=str(free_port()),
        port2=str(free_port()),
        game=f"{sys.executable} -u {PROGRAM}",
        receiver=f"http://127.0.0.1:{free_port()}",
    )
    names.known["import"] = str(brought)
    async with httpx.AsyncClient(base_url=inn.url, trust_env=False, timeout=60) as client:
        yield Replay(inn, client, names)


def test_a_token_is_one_though_a_part_of_it_looks_like_a_size_or_a_dash() -> None:
    for signature in ("7Bxyz", "4MBxyz", "-_-0x-"):
        assert formed(f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjox-_0.{signature}") == formed("{jwt}")


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_what_was_observed_of_the_original_holds_but_for_what_is_meant(tmp_path: Path) -> None:
    arguments = ("--no-sample", "--webhook-private-networks", "127.0.0.0/8", "--imports", str(tmp_path / "brought"))
    async with Embedded(tmp_path / "inn", arguments=arguments) as inn, replayed(inn, tmp_path) as replay:
        found = await replay.run()
        assert not replay.told_by(inn.output), "tokens are in the log"
    assert not found, "\n".join(map(str, found))
    assert not replay.unused(), "differences that are no more: " + "; ".join(replay.unused())

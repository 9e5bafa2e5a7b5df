"""Player lists of a Minecraft that runs: both APIs, the console's answers, the file and who may play are one thing."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from innkeeper.testing.postgres import PostgresServer
from tests.acceptance.asking import Server
from tests.acceptance.innkeepers import Innkeeper, Separate
from tests.clients.bots import Bot

pytestmark = pytest.mark.slow

LISTS = {
    "whitelist": ("Alice", "Bob", "Added Bob to the whitelist"),
    "ops": ("Carol", "Dave", "Made Dave a server operator"),
    "banned-players": ("Eve", "Mallory", "Banned Mallory: Banned by an operator."),
    "banned-ips": ("192.0.2.7", "2001:db8::1", "Banned IP 2001:db8::1: Banned by an operator."),
}
"""Two entries for each list, and what the game says to the second."""


class Lists:
    """One server's lists, as both APIs have them."""

    def __init__(self, inn: Innkeeper, server: Server) -> None:
        self._inn = inn
        self._server = server
        self._ours = f"/servers/{server.id}"

    async def dialect(self, method: str, path: str, **more: Any) -> Any:
        """Return the data of a call of exaroton's dialect about the server."""
        said = (await self.ask(method, path, **more)).json()
        assert (said["success"], said["error"]) == (True, None), said
        return said["data"]

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Return the reply to such a call, which must go well."""
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            headers = {"Authorization": f"Bearer {self._inn.api_key}"}
            url = f"{self._inn.exaroton_url}/servers/{self._server.exaroton_id}{path}"
            reply = await client.request(method, url, headers=headers, **more)
        assert reply.status_code == 200, reply.text
        return reply

    async def names(self) -> list[str]:
        """Return what lists there are, of which both APIs must say the same."""
        found: list[str] = (await self._inn.api.ask("GET", f"{self._ours}/player-lists"))["items"]
        assert await self.dialect("GET", "/playerlists/") == found
        return found

    async def change(self, name: str, **changes: list[str]) -> list[str]:
        """Change a list by our own API (`add`, `remove`) and return who is on it."""
        found = await self._inn.api.ask("PATCH", f"{self._ours}/player-lists/{name}", json=changes)
        return [entry["name"] for entry in found["items"]]

    async def add(self, name: str, *entries: str) -> Any:
        """Add to a list by the dialect."""
        return await self.dialect("PUT", f"/playerlists/{name}/", json={"entries": entries})

    async def remove(self, name: str, *entries: str) -> Any:
        """Take off a list by the dialect."""
        return await self.dialect("DELETE", f"/playerlists/{name}/", json={"entries": entries})

    async def hold(self, name: str, *entries: str) -> None:
        """See that both APIs and the file have exactly these on a list."""
        ours = (await self._inn.api.ask("GET", f"{self._ours}/player-lists/{name}"))["items"]
        assert [entry["name"] for entry in ours] == [*entries]
        assert await self.dialect("GET", f"/playerlists/{name}/") == [*entries]
        where = {"path": f"{name}.json"}
        kept = await self._inn.api.ask("GET", f"{self._ours}/files/content", params=where)
        key = "ip" if name == "banned-ips" else "name"
        assert [entry[key] for entry in kept] == [*entries]
        uuids = [entry.get("uuid") for entry in kept]
        assert [entry["uuid"] for entry in ours] == uuids
        assert (None in uuids) == (name == "banned-ips" and bool(entries))


@pytest.fixture
async def separate(tmp_path: Path, shared_games: Path, postgres_server: PostgresServer) -> AsyncIterator[Separate]:
    """An Innkeeper that runs, empty, in the separate form."""
    async with Separate(tmp_path, postgres_server, shared=shared_games) as inn:
        yield inn


async def test_both_apis_the_game_and_the_file_have_one_list(innkeeper: Innkeeper) -> None:
    server = await innkeeper.api.minecraft()
    lists = Lists(innkeeper, server)
    assert await lists.names() == [*LISTS]
    for name, (first, second, said) in LISTS.items():
        assert await lists.add(name, first) == [first]
        assert await lists.change(name, add=[second]) == [first, second]
        await lists.hold(name, first, second)
        await server.printed(said)  # the running game was told, and did it
    for name, (first, second, _) in LISTS.items():
        assert await lists.remove(name, second) == [first]
        assert await lists.change(name, remove=[first]) == []
        await lists.hold(name)

    await lists.change("banned-players", add=["Zoe"])
    written = [{"uuid": "e3a5d3f4-2c10-3c5b-9e5c-0f3f1f0d1a11", "name": "Alice"}]
    await lists.dialect("PUT", "/files/data/whitelist.json/", content=json.dumps(written).encode())
    await lists.hold("whitelist", "Alice")
    await server.order("stop")
    await lists.hold("banned-players", "Zoe")
    assert await lists.change("banned-players", remove=["Zoe"], add=["Yan"]) == ["Yan"]
    assert await lists.add("whitelist", "Bob") == ["Alice", "Bob"]
    await lists.hold("banned-players", "Yan")
    await server.order("start")
    await lists.hold("whitelist", "Alice", "Bob")


async def test_who_is_banned_is_sent_away_and_only_who_is_listed_comes_in(separate: Separate) -> None:
    server = await separate.api.minecraft()
    lists = Lists(separate, server)
    async with Bot("127.0.0.1", server.port, "Mallory") as mallory, Bot("127.0.0.1", server.port, "Alice") as alice:
        await mallory.join()
        await lists.change("banned-players", add=["Mallory"])
        await mallory.wait_for("kicked", reason="You are banned from this server")
        await mallory.wait_for("end")
        await _is_sent_away(mallory, "You are banned from this server")
        await lists.remove("banned-players", "Mallory")
        await mallory.join()
        await mallory.leave()

        await lists.dialect("POST", "/files/config/server.properties/", json={"white-list": True})
        await lists.add("whitelist", "Alice")
        await server.order("restart")
        settings = await lists.ask("GET", "/files/data/server.properties/")
        assert "white-list=true" in settings.text.splitlines()
        await _is_sent_away(mallory, "You are not white-listed")
        await alice.join()
        await lists.change("whitelist", add=["Mallory"])
        await mallory.join()
        assert sorted(await server.players()) == ["Alice", "Mallory"]


async def _is_sent_away(player: Bot, reason: str) -> None:
    await player.order("join")
    await player.wait_for("kicked", reason=reason)
    await player.wait_for("end")

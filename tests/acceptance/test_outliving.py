"""A game server outlives everything above it: whatever is killed, nobody who plays notices, and no line is lost."""

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from innkeeper.testing.postgres import PostgresServer
from tests.acceptance.asking import Follower, Server
from tests.acceptance.innkeepers import Embedded, Innkeeper, Separate, run
from tests.acceptance.looking import eventually, is_alive, programs_in
from tests.clients.bots import Bot, ExarotonNode

pytestmark = pytest.mark.slow

COUNTER = Path(__file__).parent / "games" / "counter.py"
KILLS = 20
LINES_PER_S = 500


class Witness:
    """Reads a counting game's console again and again, and holds it to having every line once and in order."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.lines: list[tuple[int, str]] = []

    async def look(self) -> None:
        """Read what is new, and check it."""
        after = self.lines[-1][0] if self.lines else 0
        fresh = await self._server.lines(after)
        assert fresh or not self.lines, "nothing was printed meanwhile"
        self.lines += fresh
        check(self.lines)

    async def can_look(self) -> bool:
        """Read what is new, and check it; return whether there is a way to it."""
        if not await self._server.is_reached():
            return False
        await self.look()
        return True


def check(lines: list[tuple[int, str]], *, ended: bool = False) -> None:
    """See that these are the lines of a counting game from its first on, each once and in order."""
    texts = [text for _, text in lines if text != "stop"]  # a terminal shows what is typed
    count = len(texts) - (2 if ended else 1)
    wanted = ["ready", *(f"line {number}" for number in range(1, count + 1)), *([f"last {count}"] if ended else [])]
    wrong = next((index for index, (had, due) in enumerate(zip(texts, wanted, strict=True)) if had != due), None)
    assert wrong is None, f"at {wrong}: {texts[wrong - 3 : wrong + 4]}"
    assert [number for number, _ in lines] == list(range(1, len(lines) + 1))


async def test_a_game_is_never_interrupted_and_loses_no_line_over_twenty_kills(innkeeper: Innkeeper) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance, serving_again = random.Random(seed), []
    server = await innkeeper.api.program(COUNTER, str(LINES_PER_S))
    pid = (await server.view())["pid"]
    born, witness = psutil.Process(pid).create_time(), Witness(server)
    async with Follower(innkeeper.api, server) as follower:
        for number in range(KILLS):
            await asyncio.sleep(chance.uniform(0, 0.5))
            await innkeeper.kill()
            assert is_alive(pid, born)
            if number % 2:  # the next kill comes while it starts
                await innkeeper.launch()
                await asyncio.sleep(chance.uniform(0, 2))
                continue
            begun = time.monotonic()
            await innkeeper.start()
            await witness.look()
            serving_again.append(time.monotonic() - begun)
        await innkeeper.kill()
        await innkeeper.start()
        await server.until("running", pid=pid)
        assert is_alive(pid, born)
        await server.order("stop")
        check(await server.lines(), ended=True)
        await follower.has((await server.lines())[-1][1])
    assert follower.breaks >= KILLS / 2
    assert follower.skipped == 0
    check(follower.lines, ended=True)
    middle = sorted(serving_again)[len(serving_again) // 2]
    print(f"console read again after SIGKILL: median {middle:.2f} s, longest {max(serving_again):.2f} s")


async def test_a_player_stays_through_five_kills(innkeeper: Innkeeper) -> None:
    server = await innkeeper.api.minecraft()
    before = await server.view()
    async with Bot("127.0.0.1", server.port, "Alice") as alice:
        await alice.join()
        for number in range(5):
            await innkeeper.kill()
            await alice.chat(f"word {number}, said while nobody listens")
            await innkeeper.start()
            await server.printed(f"<Alice> word {number}, said while nobody listens")
            await eventually(lambda: _is_there(server, "Alice"), "Alice to be listed")
            await server.command(f"say heard word {number}")
            await alice.wait_for("chat", text=f"heard word {number}")
        assert not [event for event in alice.events if event["event"] in ("end", "kicked", "error")]
        await alice.leave()
        await eventually(lambda: _is_there(server), "nobody to be listed")
    after = await server.view()
    assert (after["pid"], after["started_at"]) == (before["pid"], before["started_at"])


async def _is_there(server: Server, *names: str) -> bool:
    return await server.players() == [*names]


async def test_how_games_ended_while_everything_was_down_is_known_afterwards(innkeeper: Innkeeper) -> None:
    ends = [(signal.SIGUSR1, 7, "crashed"), (signal.SIGUSR2, 0, "stopped")]
    servers = [await innkeeper.api.program(COUNTER, "20", name=how, crash={"restart": False}) for _, _, how in ends]
    pids = [(await server.view())["pid"] for server in servers]
    await innkeeper.kill()
    for pid, (number, _, _) in zip(pids, ends, strict=True):
        os.kill(pid, number)
    await eventually(lambda: not any(map(is_alive, pids)), "the games to end")
    await innkeeper.start()
    for server, (_, code, state) in zip(servers, ends, strict=True):
        view = await server.until(state, pid=None)
        assert (view["last_exit"]["code"], view["last_exit"]["signal"]) == (code, None)
        assert view["last_exit"]["clean"] is (code == 0)


async def test_a_running_game_is_adopted_and_cannot_be_had_twice(innkeeper: Innkeeper) -> None:
    server = await innkeeper.api.program(COUNTER, "20")
    before = await server.view()
    await innkeeper.kill()
    await innkeeper.start()
    await server.until("running", pid=before["pid"])
    refused = await innkeeper.api.ask("POST", f"/servers/{server.id}/start", status=409)
    assert refused["error"]["code"] == "server_is_not_stopped"
    async with ExarotonNode(innkeeper.exaroton_url, innkeeper.api_key) as client:
        said = await client.call("start", server.exaroton_id)
        assert (said["status"], said["message"]) == (400, "Server is not offline")
    assert programs_in(innkeeper.node_data / "servers" / server.id / "files") == [before["pid"]]


async def test_a_second_innkeeper_is_refused_on_the_same_folder(embedded: Embedded) -> None:
    status, said, _ = await run("serve", "--data", str(embedded.data), "--listen", "127.0.0.1:0")
    assert status == 1
    assert "another process serves" in said


async def test_any_one_part_may_be_killed_alone(
    tmp_path: Path, shared_games: Path, postgres_server: PostgresServer
) -> None:
    chance = random.Random(20)
    async with Separate(tmp_path, postgres_server, shared=shared_games) as inn:
        server = await inn.api.program(COUNTER, str(LINES_PER_S))
        pid, witness = (await server.view())["pid"], Witness(server)
        born = psutil.Process(pid).create_time()
        async with Follower(inn.api, server) as follower:
            for part in ("panel", "node", "nats") * 3:
                await asyncio.sleep(chance.uniform(0, 0.5))
                begun = time.monotonic()
                await inn.kill_part(part)
                await inn.start_part(part)
                await eventually(witness.can_look, "the console to be read")
                print(f"console read {time.monotonic() - begun:.2f} s after SIGKILL of {part}")
                assert is_alive(pid, born)
                await server.until("running", pid=pid)
            await server.order("stop")
            await follower.has((await server.lines())[-1][1])
        check(await server.lines(), ended=True)
        check(follower.lines, ended=True)
        assert follower.skipped == 0

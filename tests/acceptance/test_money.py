"""Money with the real commands and real games: what is charged is what really ran, whoever is killed meanwhile.

The test itself sees each process of a game begin and end, and reckons by its own formula. What was charged it reads
where users read it: in their wallets' histories and in what exaroton's dialect shows.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

from innkeeper.testing.postgres import PostgresServer
from tests.acceptance.asking import Api, Server
from tests.acceptance.innkeepers import Embedded, Innkeeper, Separate, run
from tests.acceptance.looking import PATIENCE_S, eventually
from tests.clients.bots import Bot

pytestmark = pytest.mark.slow

COUNTER = Path(__file__).parent / "games" / "counter.py"
CREDIT = 1_000_000
A_CREDIT_A_SECOND = 3600 * CREDIT
"""The price, for a server of a GiB."""
MICROSECOND = timedelta(microseconds=1)
SEEN_WITHIN_S = 0.5
"""So far the test's eyes and the node's may differ, on a busy host, about when a process began or ended."""
RESERVE = 120
"""The credits a start needs, at that price."""
ENOUGH_TO_STOP = 58
"""The credits with which a game is stopped at the next look: it gets 30 s to stop, and looks are 30 s apart."""


@dataclass(frozen=True)
class Life:
    """A process of a game, as the test saw it; moments in seconds since 1970."""

    pid: int
    born: float
    died: float


@dataclass
class Charged:
    """A run as the books show it."""

    since: datetime
    until: datetime
    amount: int
    steps: int = 1


class Witness:
    """Sees every process of a game begin and end while open, whatever else is up."""

    def __init__(self, inn: Innkeeper, server: Server) -> None:
        self._folder = str(inn.node_data / "servers" / server.id / "files")
        self._task: asyncio.Task[None] | None = None
        self._alive: dict[int, tuple[int, float]] = {}
        self._known: set[int] = set()
        self.lives: list[Life] = []
        """Those that have ended."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch(), name="witness")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        for fd, _ in self._alive.values():
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)
        if not self._task.cancelled():
            self._task.result()

    async def another(self, than: int, *, within: float = PATIENCE_S) -> int:
        """Return the game's process once it has one, other than `than`."""
        await eventually(lambda: bool(self._alive.keys() - {than}), "another process of the game", within=within)
        return next(iter(self._alive.keys() - {than}))

    async def _watch(self) -> None:
        while True:
            for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
                if pid not in self._known and _works_in(pid, self._folder):
                    self._see(pid)
            await asyncio.sleep(0.02)

    def _see(self, pid: int) -> None:
        try:
            fd, born = os.pidfd_open(pid), _born(pid)
        except (ProcessLookupError, FileNotFoundError):
            return
        self._known.add(pid)
        self._alive[pid] = fd, born
        asyncio.get_running_loop().add_reader(fd, self._end, pid)

    def _end(self, pid: int) -> None:
        died = time.time()
        fd, born = self._alive.pop(pid)
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)
        self.lives.append(Life(pid, born, died))


def _works_in(pid: int, folder: str) -> bool:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink()) == folder
    except OSError:
        return False


def _born(pid: int) -> float:
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


class Purse:
    """An account and its credits."""

    def __init__(self, inn: Innkeeper, name: str, id: str) -> None:
        self._inn = inn
        self.name = name
        self.id = id

    @classmethod
    async def of_admin(cls, inn: Innkeeper) -> Self:
        """Return the administrator's."""
        accounts = (await inn.api.ask("GET", "/accounts"))["items"]
        return cls(inn, "admin", next(account["id"] for account in accounts if account["username"] == "admin"))

    @classmethod
    async def of_new(cls, inn: Innkeeper, name: str) -> Self:
        """Make an account and return its purse."""
        made = await inn.api.ask("POST", "/accounts", json={"username": name, "password": f"the words of {name}"})
        return cls(inn, name, made["id"])

    @asynccontextmanager
    async def signed_in(self) -> AsyncIterator[Api]:
        """Give our own API as asked by that account, with a key of its own."""
        words = {"username": self.name, "password": f"the words of {self.name}"}
        session = Api(self._inn.url, (await self._inn.api.ask("POST", "/sessions", json=words))["token"])
        api = Api(self._inn.url, (await session.ask("POST", "/keys", json={"name": "all"}))["secret"])
        try:
            yield api
        finally:
            await session.aclose()
            await api.aclose()

    async def give(self, micro: int) -> None:
        """Put in so many micro-credits."""
        await self._inn.api.ask("POST", f"/billing/wallets/{self.id}/credits", json={"amount_micro": micro})

    async def balance(self) -> int:
        """Return what is in it, in micro-credits."""
        found: int = (await self._inn.api.ask("GET", f"/billing/wallets/{self.id}"))["balance_micro"]
        return found

    async def entries(self, kind: str = "") -> list[dict[str, Any]]:
        """Return what happened to it, or only that of a kind, oldest first."""
        return await entries_of(self._inn.api, f"/billing/wallets/{self.id}", kind)

    async def runs_of(self, server: Server) -> list[Charged]:
        """Return the runs of a server that it paid for, in order."""
        return runs_of(await self.entries(), server)


async def entries_of(api: Api, where: str, kind: str = "") -> list[dict[str, Any]]:
    """Return a ledger's history, oldest first."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await api.ask("GET", f"{where}/entries", params=cursor)
        found += [item for item in page["items"] if kind in ("", item["kind"])]
        if page["next"] is None:
            return found[::-1]
        cursor = {"cursor": page["next"]}


def runs_of(entries: list[dict[str, Any]], server: Server) -> list[Charged]:
    """Return the runs of a server, read from a history: each a chain of charges, from moment to moment."""
    runs: list[Charged] = []
    for item in entries:
        if item["kind"] not in ("charge", "refund") or item["server"] != server.id:
            continue
        since, until = datetime.fromisoformat(item["since"]), datetime.fromisoformat(item["until"])
        if runs and runs[-1].until == since:
            runs[-1].until, runs[-1].steps = until, runs[-1].steps + 1
            runs[-1].amount -= item["amount_micro"]
        else:
            assert not runs or runs[-1].until < since, "a moment is charged twice"
            runs.append(Charged(since, until, -item["amount_micro"]))
    return runs


def cost(price: int, memory_mib: int, running: timedelta) -> int:
    """Return what so long a run costs, in micro-credits."""
    return price * memory_mib * (running // MICROSECOND) // (1024 * 3_600_000_000)


def check_runs(runs: list[Charged], lives: list[Life], prices: list[int], memory_mib: int) -> None:
    """See that these runs, at these prices, are exactly what lived."""
    assert len(runs) == len(lives) == len(prices), (runs, lives)
    off = [
        seen - known
        for one, life in zip(runs, lives, strict=True)
        for seen, known in ((one.since.timestamp(), life.born), (one.until.timestamp(), life.died))
    ]
    print(f"{len(runs)} runs, off by at most {max(map(abs, off)):.3f} s")
    assert max(map(abs, off)) < SEEN_WITHIN_S, off
    for one, price in zip(runs, prices, strict=True):
        assert one.amount == cost(price, memory_mib, one.until - one.since)


async def books_are_right(inn: Innkeeper) -> None:
    """See that the command that proves the books says so."""
    status, said, _ = await run("credits", "check", "--url", inn.url, "--key", inn.api_key)
    assert (status, said.strip()) == (0, "The books are right.")


async def set_price(inn: Innkeeper, price: int) -> None:
    """Have a GiB cost so many micro-credits an hour, of what is started from now on."""
    await inn.api.ask("PUT", "/billing/price", json={"amount_micro": price})


async def exaroton(
    inn: Innkeeper, method: str, path: str, *, key: str | None = None, json: Any = None
) -> tuple[int, dict[str, Any]]:
    """Ask exaroton's dialect; return the status and the envelope."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        headers = {"Authorization": f"Bearer {key or inn.api_key}"}
        reply = await client.request(method, f"{inn.exaroton_url}{path}", headers=headers, json=json)
    envelope: dict[str, Any] = reply.json()
    assert set(envelope) == {"success", "error", "data"}
    return reply.status_code, envelope


async def in_both_forms(
    folder: Path, shared: Path, postgres: PostgresServer, scenario: Callable[[Innkeeper], Awaitable[None]]
) -> None:
    """Play a scenario in both forms, at once: most of it is waiting."""

    async def play(inn: Innkeeper) -> None:
        async with inn:
            await scenario(inn)

    async with asyncio.TaskGroup() as group:
        group.create_task(play(Embedded(folder / "embedded", shared=shared)), name="embedded")
        group.create_task(play(Separate(folder / "separate", postgres, shared=shared)), name="separate")


async def test_every_run_is_charged_as_long_as_it_was_whoever_is_killed(
    tmp_path: Path, shared_games: Path, postgres_server: PostgresServer
) -> None:
    await in_both_forms(tmp_path, shared_games, postgres_server, _kill_and_crash)


async def _kill_and_crash(inn: Innkeeper) -> None:
    chance = random.Random(seed := random.randrange(1 << 32))
    print(f"seed {seed}")
    admin, dear = await Purse.of_admin(inn), 7_777_777_777
    await admin.give(100_000 * CREDIT)
    await set_price(inn, A_CREDIT_A_SECOND)
    limits = {"memory_mib": 1000}
    steady = await inn.api.program(COUNTER, "20", name="steady", start=False, limits=limits)
    shaky = await inn.api.program(COUNTER, "20", name="shaky", start=False, limits=limits, crash={"limit": 10})
    prices = [A_CREDIT_A_SECOND]
    async with Witness(inn, steady) as of_steady, Witness(inn, shaky) as of_shaky:
        await steady.order("start")
        await shaky.order("start")
        await set_price(inn, dear)  # what runs goes on at its own
        pid = await of_shaky.another(0)
        for crashes in (2, 0):  # each while no panel is up, and in the embedded form no node either
            await inn.kill_part(inn.parts[-2] if isinstance(inn, Separate) else inn.parts[0])
            for _ in range(crashes):
                os.kill(pid, chance.choice([signal.SIGUSR1, signal.SIGKILL]))
                prices.append(dear)
                if isinstance(inn, Embedded):
                    await eventually(lambda: len(of_shaky.lives) == len(prices) - 1, "it to end")
                    await asyncio.sleep(chance.uniform(0, 0.5))
                    await inn.start()
                pid = await of_shaky.another(pid)
            await asyncio.sleep(chance.uniform(0, 1))
            await inn.start()
            await asyncio.sleep(chance.uniform(0, 1.5))
            if crashes == 0:  # all at once, and again while it starts
                await inn.kill()
                await inn.launch()
                await asyncio.sleep(chance.uniform(0, 2))
                await inn.kill()
                await inn.start()
        await shaky.until("running", pid=pid)
        await asyncio.gather(steady.order("stop"), shaky.order("stop"))
        await eventually(lambda: len(of_steady.lives) + len(of_shaky.lives) == 1 + len(prices), "all to end")
    for server, witness, paid in ((steady, of_steady, prices[:1]), (shaky, of_shaky, prices)):
        await _charged(admin, server, witness)
        check_runs(await admin.runs_of(server), witness.lives, paid, 1000)
    charged = [*await admin.runs_of(steady), *await admin.runs_of(shaky)]
    assert await admin.balance() == 100_000 * CREDIT - sum(run.amount for run in charged)
    await books_are_right(inn)


async def test_players_are_warned_and_the_server_stops_in_order_when_credits_run_out(
    tmp_path: Path, shared_games: Path, postgres_server: PostgresServer
) -> None:
    installing = asyncio.Lock()  # what the two share is made for one of them
    await in_both_forms(tmp_path, shared_games, postgres_server, partial(_run_dry, installing))


async def _run_dry(installing: asyncio.Lock, inn: Innkeeper) -> None:
    """A start needs credits for two minutes, of which half a minute is kept for stopping: players are warned soon.

    Then most of the rest is taken away, and the next look finds no time left; in the separate form by a panel that came
    up meanwhile.
    """
    admin = await Purse.of_admin(inn)
    async with installing:
        server = await inn.api.minecraft(start=False, limits={"memory_mib": 1024})
    await set_price(inn, A_CREDIT_A_SECOND)
    await admin.give(RESERVE * CREDIT - 1)
    await _is_refused(inn, server, RESERVE * CREDIT - 1)
    await admin.give(1)
    async with Witness(inn, server) as witness:
        await server.order("start")
        async with Bot("127.0.0.1", server.port, "Alice") as alice:
            await alice.join()
            await alice.wait_for("chat", text=": its credits run out.")
            await _leave(admin, server, ENOUGH_TO_STOP)
            if isinstance(inn, Separate):
                await inn.kill_part("panel")
                await inn.start()
            told = len(alice.events)
            await alice.wait_for("end")
            assert "credits run out" not in str(alice.events[told:]), "told twice"
        view = await server.until("stopped", pid=None)
        await eventually(lambda: len(witness.lives) == 1, "its process to end")
    assert view["last_exit"]["clean"] and view["last_exit"]["code"] == 0, view
    assert view["power"] == "off"
    await server.printed("Server is closed.")
    [stop, *_] = await server.operations()
    assert (stop["verb"], stop["state"], stop["reason"], stop["account"]) == (
        "stop",
        "done",
        "its credits ran out",
        None,
    )
    done = (await inn.api.ask("GET", f"/servers/{server.id}/activity"))["items"]
    [ordered] = [item for item in done if item["action"] == "server.stop"]
    assert ordered["data"]["reason"] == "its credits ran out"
    assert any(item["action"] == "billing.ran_dry" for item in done)

    check_runs(await admin.runs_of(server), witness.lives, [A_CREDIT_A_SECOND], 1024)
    left = await admin.balance()
    [charged] = await admin.runs_of(server)
    [taken] = await admin.entries("adjustment")
    assert left == RESERVE * CREDIT + taken["amount_micro"] - charged.amount
    assert 0 <= left < ENOUGH_TO_STOP * CREDIT, "it was stopped too late or too early"
    await _is_refused(inn, server, left)
    await books_are_right(inn)


async def _leave(purse: Purse, server: Server, seconds: int) -> None:
    """Take away what a server's owner has, but for so many seconds of its running."""
    since = datetime.fromisoformat((await server.view())["started_at"])
    used = (datetime.now(UTC) - since).total_seconds()
    await purse.give(-int((RESERVE - used - seconds) * CREDIT))


async def _is_refused(inn: Innkeeper, server: Server, having: int) -> None:
    """See that no dialect starts it, and that each shows what its owner has."""
    refused = await inn.api.ask("POST", f"/servers/{server.id}/start", status=409)
    assert refused["error"]["code"] == "credits_are_exhausted"
    assert refused["error"]["data"]["needed_micro"] == RESERVE * CREDIT
    status, said = await exaroton(inn, "GET", f"/servers/{server.exaroton_id}/start")
    wanted = {"success": False, "error": "There are not enough credits to start this server.", "data": None}
    assert (status, said) == (400, wanted)
    status, said = await exaroton(inn, "GET", "/account")
    assert (status, round(said["data"]["credits"] * CREDIT)) == (200, having)
    assert (await inn.api.ask("GET", "/billing/wallet"))["balance_micro"] == having
    assert (await server.view())["state"] == "stopped"


async def test_whoever_starts_with_own_credits_pays_and_a_pool_pays_in_proportion(embedded: Embedded) -> None:
    inn, memory = embedded, {"memory_mib": 1500}
    owner, guest = await Purse.of_new(inn, "owner"), await Purse.of_new(inn, "guest")
    server = await inn.api.program(COUNTER, "20", start=False, owner=owner.id, limits=memory)
    may = {"permissions": ["server.view", "power.start", "power.stop"]}
    await inn.api.ask("PUT", f"/servers/{server.id}/grants/{guest.id}", json=may)
    await set_price(inn, A_CREDIT_A_SECOND)
    await guest.give(600 * CREDIT)
    async with guest.signed_in() as guests, owner.signed_in() as owners, Witness(inn, server) as witness:
        where = f"/servers/{server.exaroton_id}"
        assert (await exaroton(inn, "GET", where, key=guests.key))[1]["data"]["shared"] is True
        status, said = await exaroton(inn, "POST", f"{where}/start", key=guests.key, json={"useOwnCredits": False})
        assert (status, said["success"]) == (400, False)
        status, said = await exaroton(inn, "POST", f"{where}/start", key=guests.key, json={"useOwnCredits": True})
        assert (status, said["success"]) == (200, True), said
        pid = await witness.another(0)
        await server.until("running", pid=pid)
        os.kill(pid, signal.SIGKILL)  # what comes of itself afterwards is the guest's, too
        pid = await witness.another(pid)
        await server.until("running", pid=pid)
        assert (await exaroton(inn, "GET", f"{where}/stop", key=guests.key))[0] == 200
        await _charged(guest, server, witness)
        runs = await guest.runs_of(server)
        check_runs(runs, witness.lives, [A_CREDIT_A_SECOND] * 2, 1500)
        assert await guest.balance() == 600 * CREDIT - sum(run.amount for run in runs)
        assert await owner.entries() == []
        _, account = await exaroton(inn, "GET", "/account", key=guests.key)
        assert round(account["data"]["credits"] * CREDIT) == await guest.balance()

        await owner.give(300 * CREDIT)
        pool = await owners.ask("POST", "/billing/pools", json={"name": "club"})
        club = f"/billing/pools/{pool['id']}"
        await owners.ask("PUT", f"{club}/members/{guest.id}")
        await owners.ask("POST", f"{club}/deposits", json={"amount_micro": 300 * CREDIT})
        await guests.ask("POST", f"{club}/deposits", json={"amount_micro": 100 * CREDIT})
        await owners.ask("PUT", f"/servers/{server.id}/payer", json={"pool": pool["id"]})
        wallets = await owner.balance(), await guest.balance()
        status, said = await exaroton(inn, "GET", f"{where}/start", key=guests.key)
        assert (status, said["success"]) == (200, True), said
        await server.until("running")
        await owners.ask("POST", f"{club}/deposits", status=409, json={"amount_micro": 1})  # an empty wallet; settles
        await server.order("stop")

        async def stakes() -> list[int]:
            return [member["stake_micro"] for member in (await owners.ask("GET", f"{club}/members"))["items"]]

        async def cost_of_run() -> int:
            return 400 * CREDIT - sum(await stakes())

        async def is_charged() -> bool:
            life = witness.lives[-1]
            return await cost_of_run() >= cost(A_CREDIT_A_SECOND, 1500, timedelta(seconds=life.died - life.born - 0.5))

        await eventually(lambda: len(witness.lives) == 3, "its process to end")
        await eventually(is_charged, "the run to be charged")
        steps = merged(await entries_of(owners, club))
        [run_] = runs_of(steps, server)
        check_runs([run_], witness.lives[2:], [A_CREDIT_A_SECOND], 1500)
        assert run_.amount == await cost_of_run()
        owned, invited = await stakes()
        assert abs((300 * CREDIT - owned) - 3 * (100 * CREDIT - invited)) <= 4 * run_.steps
        assert wallets == (await owner.balance(), await guest.balance())
    await books_are_right(inn)


async def _charged(purse: Purse, server: Server, witness: Witness) -> None:
    """Return once all runs that the witness saw are charged to their ends."""
    await server.until("stopped", pid=None)

    async def look() -> bool:
        runs, lives = await purse.runs_of(server), witness.lives
        return len(runs) == len(lives) and abs(runs[-1].until.timestamp() - lives[-1].died) < SEEN_WITHIN_S

    await eventually(look, "all to be charged", otherwise=lambda: str(witness.lives))


def merged(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a pool's history with one line a transaction, whoever's stake it changed."""
    lines: dict[str, dict[str, Any]] = {}
    for item in entries:
        line = lines.setdefault(item["id"], {**item, "amount_micro": 0})
        line["amount_micro"] += item["amount_micro"]
    return list(lines.values())

"""The client of a game's management server, against servers that behave and servers that do not."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from innkeeper.kit.clock import SystemClock
from innkeeper.kit.tasks import TaskSet
from innkeeper.node import management
from innkeeper.node.management import Management
from innkeeper.node.refusals import Refused
from innkeeper.node.supervisor.access import SECRET_LENGTH, ManagementAccess, choose_access
from innkeeper.wire.messages import CallManagement

SERVER = UUID(int=7)
DEADLINE_S = 15


class Game:
    """A management server, what it was asked, and the client of the node."""

    def __init__(self, tasks: TaskSet) -> None:
        self.access: ManagementAccess | None = choose_access()
        self.asked: list[Any] = []
        self.met = 0
        self.connections: set[ServerConnection] = set()
        self.notes: list[tuple[str, Any]] = []
        self.heard = asyncio.Event()
        self.client = Management(
            clock=SystemClock(), tasks=tasks, access=lambda server: self.access, on_note=self._note
        )

    @asynccontextmanager
    async def serving(self, answer: Callable[[Any], Any] | None = None) -> AsyncIterator[None]:
        """Serve: each request is answered by what `answer` makes of it (None: not at all)."""
        assert self.access is not None

        async def talk(connection: ServerConnection) -> None:
            self.met += 1
            self.connections.add(connection)
            try:
                async for text in connection:
                    request = json.loads(text)
                    self.asked.append(request)
                    reply = answer(request) if answer is not None else {"result": request.get("params")}
                    if reply is not None:
                        plain = reply if isinstance(reply, str) else json.dumps({"id": request["id"]} | reply)
                        await connection.send(plain)
            except ConnectionClosed:
                return
            finally:
                self.connections.discard(connection)

        async with serve(talk, "127.0.0.1", self.access.port, process_request=self._let_in, max_size=None):
            yield

    def _let_in(self, connection: ServerConnection, request: Request) -> Response | None:
        assert self.access is not None
        if request.headers.get("Authorization") != f"Bearer {self.access.secret}":
            return connection.respond(401, "no\n")
        return None

    async def say(self, *notes: Any) -> None:
        for note in notes:
            for connection in list(self.connections):
                await connection.send(note if isinstance(note, str) else json.dumps(note))

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not reached():
                self.heard.clear()
                await self.heard.wait()

    async def call(self, method: str = "x:y", params: Any = None) -> Any:
        return await self.client.call(CallManagement(server=SERVER, method=method, params=params))

    async def refused(self, method: str = "x:y") -> str:
        with pytest.raises(Refused) as refused:
            await self.call(method)
        assert refused.value.code == "management_is_unavailable"
        return str(refused.value)

    async def _note(self, server: UUID, name: str, data: Any) -> None:
        assert server == SERVER
        self.notes.append((name, data))
        self.heard.set()


@pytest.fixture
async def game() -> AsyncIterator[Game]:
    async with TaskSet("test") as tasks:
        yield Game(tasks)
        await tasks.stop()


def test_each_start_has_a_port_and_a_secret_of_its_own() -> None:
    one, two = choose_access(), choose_access()
    assert one.secret != two.secret and len(one.secret) == SECRET_LENGTH and one.secret.isalnum()
    assert one.secret not in repr(one)
    with socket.create_server(("127.0.0.1", one.port)):
        pass


async def test_requests_are_answered_whatever_their_order(game: Game) -> None:
    async with game.serving():
        answers = await asyncio.gather(*(game.call("x:y", [number]) for number in range(20)))
    assert [answer.result for answer in answers] == [[number] for number in range(20)]
    assert [answer.error for answer in answers] == [None] * 20
    assert game.met == 1
    assert {request["jsonrpc"] for request in game.asked} == {"2.0"}
    assert len({request["id"] for request in game.asked}) == 20


async def test_an_error_is_an_answer(game: Game) -> None:
    error = {"code": -32601, "message": "Method not found"}
    async with game.serving(lambda request: {"error": error}):
        answer = await game.call()
    assert (answer.result, answer.error) == (None, error)
    assert "params" not in game.asked[0]


async def test_notifications_are_told_while_somebody_attends(game: Game) -> None:
    joined = {"method": "minecraft:notification/players/joined", "params": [{"name": "Alice"}]}
    async with game.serving():
        await game.call()
        await game.say(joined)
        await game.call()
        assert game.notes == []
        await game.client.listen(SERVER, 60)
        await game.say(joined, {"method": "minecraft:notification/server/saving"})
        await game.until(lambda: len(game.notes) == 2)
    assert game.notes == [(joined["method"], joined["params"]), ("minecraft:notification/server/saving", None)]


async def test_nobody_is_there_and_then_somebody_is(game: Game) -> None:
    assert "cannot be reached" in await game.refused()
    async with game.serving():
        assert (await game.call("x:y", {"a": 1})).result == {"a": 1}
    assert await game.refused()
    game.access = None
    assert await game.refused() == "The game has no management server, or it does not answer now."


async def test_whoever_attends_is_connected_again(game: Game) -> None:
    async with game.serving():
        await game.client.listen(SERVER, 60)
    async with game.serving():
        await game.client.listen(SERVER, 60)
        await game.say({"method": "again"})
        await game.until(lambda: game.notes == [("again", None)])
    assert game.met == 2


async def test_another_start_has_another_server(game: Game) -> None:
    async with game.serving():
        await game.call()
    game.access = choose_access()
    async with game.serving():
        await game.call()
    assert game.met == 2


async def test_a_wrong_secret_is_said_without_the_secret(game: Game, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    right = game.access
    assert right is not None
    async with game.serving():
        with capture_logs() as logs:
            wrong = ManagementAccess(right.port, "A" * SECRET_LENGTH)
            game.client = Management(
                clock=SystemClock(), tasks=game.client._tasks, access=lambda server: wrong, on_note=game._note
            )
            said = await game.refused()
    assert "401" in said
    ours = [record.getMessage() for record in caplog.records if record.name != "websockets.server"]  # the game's
    assert wrong.secret not in said + str(ours) + str(logs)


@pytest.mark.parametrize("nonsense", ["[]", "{", "7", '{"id": "1", "result": 2}', "[" * 100_000, '{"method": 7}'])
async def test_nonsense_is_passed_over(game: Game, nonsense: str) -> None:
    async with game.serving():
        await game.client.listen(SERVER, 60)
        await game.say(nonsense)
        assert (await game.call("x:y", [1])).result == [1]
    assert game.notes == []


async def test_a_message_that_is_too_long_ends_the_connection_only(game: Game) -> None:
    async with game.serving():
        await game.client.listen(SERVER, 60)
        await game.say(json.dumps({"method": "x" * management.MAX_MESSAGE_BYTES}))
        async with asyncio.timeout(DEADLINE_S):
            while game.met < 2:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.01)
        assert (await game.call("x:y", [1])).result == [1]
    assert game.notes == []


async def test_a_flood_of_notifications_is_read_slowly(game: Game) -> None:
    async with game.serving():
        await game.client.listen(SERVER, 60)
        begun = asyncio.get_running_loop().time()
        count = management.MESSAGES_PER_S + 50
        flood = asyncio.ensure_future(game.say(*({"method": "x", "params": [number]} for number in range(count))))
        await game.until(lambda: len(game.notes) == count)
        assert asyncio.get_running_loop().time() - begun >= 0.9
        await flood
    assert [data for _, data in game.notes] == [[number] for number in range(count)]


async def test_a_redirect_leads_nowhere(game: Game) -> None:
    elsewhere = Game(game.client._tasks)
    assert game.access is not None and elsewhere.access is not None
    elsewhere.access = ManagementAccess(elsewhere.access.port, game.access.secret)
    where = f"ws://127.0.0.1:{elsewhere.access.port}"

    def redirect(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(302, "there\n")
        response.headers["Location"] = where
        return response

    async def talk(connection: ServerConnection) -> None:
        pytest.fail("it was let in")

    async with elsewhere.serving(), serve(talk, "127.0.0.1", game.access.port, process_request=redirect):
        assert "302" in await game.refused()
    assert elsewhere.met == 0


async def test_a_server_that_never_answers_is_not_waited_for(game: Game) -> None:
    game.client.patience_s = 0.2
    async with game.serving(lambda request: None):
        assert "did not answer" in await game.refused()
        calls = [asyncio.ensure_future(game.refused()) for _ in range(management.MAX_CALLS + 1)]
        said = await asyncio.gather(*calls)
    assert [text for text in said if "Too many" in text] == said[-1:]


async def test_the_connection_is_closed_when_nobody_wants_it(game: Game) -> None:
    game.client.idle_s = 0.2
    async with game.serving():
        await game.call()
        assert len(game.connections) == 1
        async with asyncio.timeout(DEADLINE_S):
            while game.connections:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.01)
        assert (await game.call("x:y", [2])).result == [2]
    assert game.met == 2

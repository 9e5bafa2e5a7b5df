"""Frames made once and written as they stand, over a real server to a real client, and under one without the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from litestar import Litestar, WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient
from websockets.asyncio.client import connect

from innkeeper.kit.tasks import TaskSet
from innkeeper.panel.http.frames import messages, send_frames, text_frame, text_frames
from innkeeper.panel.http.serving import HttpServer

PATIENCE_S = 20
SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]
LINES = [b"line %d \xc3\xa4" % number for number in range(5000)]


def application(ended: asyncio.Future[BaseException] | None = None) -> Litestar:
    """Return what sends lines as frames; what breaks an endless sending off is put into `ended`."""

    @websocket("/lines")
    async def lines(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        await send_frames(socket, [text_frames(LINES[at : at + 100]) for at in range(0, len(LINES), 100)])
        await socket.send_text("done")
        await socket.close()

    @websocket("/endless")
    async def endless(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        assert ended is not None
        try:
            while True:
                await send_frames(socket, [text_frame(b"x" * 100_000)])
                await asyncio.sleep(0)
        except WebSocketDisconnect as error:
            ended.set_result(error)

    return Litestar([lines, endless], openapi_config=None)


@asynccontextmanager
async def serving(app: Litestar) -> AsyncIterator[str]:
    """Serve it; gives the address for WebSockets."""
    tasks = TaskSet("test").start_set()
    server = HttpServer(app, tasks)  # type: ignore[arg-type]
    await server.open("127.0.0.1", 0)
    try:
        yield server.url.replace("http://", "ws://")
    finally:
        await server.close()
        await tasks.aclose()


@pytest.mark.parametrize("size", SIZES)
def test_what_is_framed_can_be_told_apart_again(size: int) -> None:
    texts = [b"a" * size, b"b", b"c" * size]
    assert list(messages(text_frames(texts))) == texts


async def test_a_client_gets_every_message_once_and_in_order() -> None:
    async with asyncio.timeout(PATIENCE_S), serving(application()) as url, connect(f"{url}/lines") as client:
        got = [message async for message in client]
    assert got == [*(line.decode() for line in LINES), "done"]


@pytest.mark.parametrize("size", SIZES)
async def test_a_client_understands_frames_of_every_length(size: int) -> None:
    @websocket("/")
    async def once(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        await send_frames(socket, [text_frame(b"x" * size)])
        await socket.close()

    async with (
        asyncio.timeout(PATIENCE_S),
        serving(Litestar([once], openapi_config=None)) as url,
        connect(url) as client,
    ):
        assert await client.recv() == "x" * size


async def test_sending_to_a_client_that_has_gone_says_so() -> None:
    ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(PATIENCE_S), serving(application(ended)) as url:
        async with connect(f"{url}/endless") as client:
            await client.recv()
            client.transport.abort()
        assert isinstance(await ended, WebSocketDisconnect)


def test_under_a_server_without_the_way_messages_go_one_by_one() -> None:
    with TestClient(application()) as client, client.websocket_connect("/lines") as socket:
        got = [socket.receive_text() for _ in range(len(LINES) + 1)]
    assert got == [*(line.decode() for line in LINES), "done"]

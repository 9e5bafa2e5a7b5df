"""Queries against small real listeners: a well-behaved status, hostile ones, none at all."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from innkeeper.contracts.game import GameSilent
from innkeeper.drivers.games.generic import TcpConnect
from innkeeper.drivers.games.minecraft_java import MinecraftJava

SOON = timedelta(seconds=5)
STATUS = {
    "version": {"name": "1.21.4", "protocol": 769},
    "players": {"max": 20, "online": 1, "sample": [{"name": "Bea", "id": "9f86d081-884c-3d65-9a2f-eaa0c55ad015"}]},
    "description": {"text": "A ", "extra": [{"text": "§areal", "bold": True}, " inn"]},
}


def varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


def packet(document: object) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    body = b"\0" + varint(len(body)) + body
    return varint(len(body)) + body


@asynccontextmanager
async def listener(reply: bytes, *, stays: bool = False) -> AsyncIterator[int]:
    """Listen on a free port; each client is sent `reply` once it has said something."""
    gone: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = asyncio.Event()
        gone.append(ended)
        try:
            if await reader.read(1000):
                writer.write(reply)
                await writer.drain()
                if stays:
                    await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*(event.wait() for event in gone))
        await server.wait_closed()


async def test_a_minecraft_server_says_who_is_on() -> None:
    async with listener(packet(STATUS)) as port:
        status = await MinecraftJava().ask("127.0.0.1", port, SOON)
    assert (status.players_online, status.players_max, status.player_names) == (1, 20, ["Bea"])
    assert (status.description, status.version) == ("A real inn", "1.21.4")


@pytest.mark.parametrize(
    "sample",
    [None, [], [{"name": "Anonymous Player", "id": "00000000-0000-0000-0000-000000000000"}]],
)
async def test_names_are_unknown_where_the_server_does_not_tell_all(sample: object) -> None:
    status = STATUS | {"players": {"max": 20, "online": 1, "sample": sample}}
    async with listener(packet(status)) as port:
        assert (await MinecraftJava().ask("127.0.0.1", port, SOON)).player_names is None


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\xff\xff\xff\xff\x07",
        b"\xff\xff\xff\xff\xff\xff",
        b"\x05\x00\x01",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        packet(b"no json"),
        packet(b"[" * 100_000),
        packet(b'{"players":{"online":"many","max":1}}'),
        packet(b'{"players":{"online":1,"max":1},"description":{"translate":{"a":[]},"extra":[[[5]]]}}'),
        packet(b'{"players":{"online":1e400,"max":1}}'),
        varint(3) + b"\1\1x",
    ],
)
async def test_a_hostile_reply_is_silence(reply: bytes) -> None:
    async with listener(reply) as port:
        with pytest.raises(GameSilent):
            await MinecraftJava().ask("127.0.0.1", port, SOON)


async def test_a_server_that_never_answers_is_silent_within_the_timeout() -> None:
    async with listener(b"\x80", stays=True) as port:
        with pytest.raises(GameSilent, match="no answer within"):
            await MinecraftJava().ask("127.0.0.1", port, timedelta(milliseconds=50))


@pytest.mark.parametrize("query", [MinecraftJava, TcpConnect])
async def test_a_closed_port_is_silent(query: Callable[[], MinecraftJava | TcpConnect]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(GameSilent):
            await query().ask("127.0.0.1", held.getsockname()[1], SOON)


async def test_a_port_that_takes_connections_answers() -> None:
    async with listener(b"") as port:
        assert (await TcpConnect().ask("127.0.0.1", port, SOON)).players_online == 0

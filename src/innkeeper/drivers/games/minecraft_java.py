"""Minecraft Java Edition's server list ping (1.7 and later): who is on, how many may be, what it calls itself.

The exchange is ours because the game server is not trusted and `mcstatus` reads however much a server announces
(up to 2 GiB); understanding the text components of the description is left to `mcstatus`. Looks up no name: games
are asked at the address they were given.

ref: https://minecraft.wiki/w/Java_Edition_protocol/Server_List_Ping
"""

import asyncio
import struct
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from innkeeper.contracts.game import GameSilent, GameStatus
from innkeeper.kit.tasks import in_thread

if TYPE_CHECKING:
    from mcstatus.motd import Motd

MAX_REPLY = 256 * 1024
"""Bytes; vanilla sends at most 32,767 characters, favicon included."""
_ANY_VERSION = 47
_ANONYMOUS = "00000000-0000-0000-0000-000000000000"


class _Player(msgspec.Struct):
    name: str = ""
    id: str = ""


class _Players(msgspec.Struct):
    online: int
    max: int
    sample: list[_Player] | None = None


class _Version(msgspec.Struct):
    name: str | None = None


class _Reply(msgspec.Struct):
    players: _Players
    version: _Version | None = None
    description: Any = None


class MinecraftJava:
    """The query protocol `minecraft-java`."""

    name = "minecraft-java"

    async def ask(self, host: str, port: int, timeout: timedelta) -> GameStatus:
        await in_thread(_motd)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                return _status(await _exchange(host, port))
        except TimeoutError as error:
            raise GameSilent(f"no answer within {timeout.total_seconds():g} s") from error
        except (OSError, EOFError, _BadReply, msgspec.MsgspecError) as error:
            raise GameSilent(str(error)) from error


class _BadReply(Exception):
    """The answer is not one of this protocol."""


async def _exchange(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port, limit=MAX_REPLY)
    try:
        address = host.encode()
        greeting = b"\0" + _varint(_ANY_VERSION) + _varint(len(address)) + address + struct.pack(">H", port) + b"\1"
        writer.write(_varint(len(greeting)) + greeting + b"\1\0")
        length = await _read_varint(reader)
        if not 2 <= length <= MAX_REPLY:
            raise _BadReply(f"a status of {length} bytes")
        packet = await reader.readexactly(length)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    kind, start = _varint_in(packet, 0)
    size, start = _varint_in(packet, start)
    if kind != 0 or size != len(packet) - start:
        raise _BadReply("not a status packet")
    return packet[start:]


def _status(document: bytes) -> GameStatus:
    reply = msgspec.json.decode(document, type=_Reply)
    players = reply.players
    sample = players.sample or []
    told = len(sample) == players.online and all(player.id != _ANONYMOUS and player.name for player in sample)
    return GameStatus(
        players_online=max(0, players.online),
        players_max=max(0, players.max),
        player_names=[player.name for player in sample] if told else None,
        description=_plain(reply.description),
        version=reply.version.name if reply.version else None,
    )


def _plain(description: Any) -> str | None:
    if not isinstance(description, str | dict | list):
        return None
    component: Any = description
    try:
        return _motd().parse(component).to_plain()
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise _BadReply(f"a description that is no text: {error}") from error


@cache
def _motd() -> "type[Motd]":
    # Not before a game is asked, and not in the event loop: with it comes a whole resolver of names.
    from mcstatus.motd import Motd

    return Motd


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


async def _read_varint(reader: asyncio.StreamReader) -> int:
    value = 0
    for shift in range(0, 35, 7):
        octet = (await reader.readexactly(1))[0]
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value
    raise _BadReply("a number without an end")


def _varint_in(packet: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if position >= len(packet):
            break
        octet = packet[position]
        position += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, position
    raise _BadReply("a number without an end")

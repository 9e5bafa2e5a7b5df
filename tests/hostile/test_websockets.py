"""WebSockets against clients that flood, stall, lie, or never read."""

import base64
import json
import os
import socket
import time
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.hostile.house import Game, House, heard, until
from tests.hostile.routes import all_sockets

SOCKETS = [socket for socket in all_sockets() if not socket.path.endswith("/management/stream")]
"""Those that open for any game: the game of these tests has no management server."""
CRAFTY = "/ws"


def where(game: Game, path: str) -> str:
    """Return the path of a WebSocket of the game."""
    if path == CRAFTY:
        return f"{path}?page=/panel/server_detail&page_query_params=id%3D{game.crafty}"
    return path.format(server=game.exaroton if path.startswith("/v1/") else game.id)


def handshake(house: House, path: str, *more: str) -> bytes:
    """Return a WebSocket's opening as bytes."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: x",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def opened(house: House, path: str) -> socket.socket:
    """Return a connection on which a WebSocket has been opened."""
    connection = socket.create_connection(house.address, timeout=20)
    try:
        connection.sendall(handshake(house, path, f"Authorization: Bearer {house.key}"))
        assert connection.recv(12) == b"HTTP/1.1 101"
    except BaseException:
        connection.close()
        raise
    return connection


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """Return a client's frame, its mask all zeros."""
    head = bytes([(0x80 if fin else 0) | opcode])
    size = len(payload)
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


@pytest.mark.parametrize("route", [one for one in SOCKETS if one.path != CRAFTY], ids=lambda route: route.path)
def test_nobody_gets_in_without_a_key_in_the_header(house: House, game: Game, route: object) -> None:
    path = where(game, route.path)  # type: ignore[attr-defined]
    url = house.url.replace("http", "ws", 1) + path
    for query, headers in (
        ("", {}),
        ("", {"Authorization": "Bearer nonsense"}),
        ("", {"Authorization": f"Basic {house.key}"}),
        ("", {"Cookie": f"key={house.key}; token={house.key}"}),
        (f"?token={house.key}", {}),
        (f"?key={house.key}&api_key={house.key}&access_token={house.key}&authorization=Bearer%20{house.key}", {}),
        (f"?ticket={house.key}", {}),
        ("?ticket=%00%ff", {}),
        ("?ticket=" + "A" * 6000, {}),
        ("?ticket=", {}),
    ):
        with (
            pytest.raises((InvalidStatus, ConnectionClosed, TimeoutError)) as refusal,
            connect(url + query, additional_headers=headers, open_timeout=10, proxy=None) as socket_,
        ):
            socket_.recv(timeout=10)
        if isinstance(refusal.value, InvalidStatus):
            assert refusal.value.response.status_code in (401, 403), (query, headers)


def test_nobody_gets_into_craftys_socket_without_a_token(house: House, game: Game) -> None:
    url = house.url.replace("http", "ws", 1) + where(game, CRAFTY)
    for query, headers in (
        ("", {}),
        ("", {"Authorization": "Bearer nonsense"}),
        ("", {"Authorization": "Bearer a.b.c"}),
        ("", {"Authorization": f"Basic {house.key}"}),
        ("", {"Cookie": f"key={house.key}; Token={house.key}"}),
        ("", {"Cookie": f"token={house.key}", "Origin": "https://elsewhere.example"}),
        (f"&key={house.key}&ticket={house.key}&api_key={house.key}", {}),
        ("&token=%00%ff", {}),
        ("&token=" + "." * 6000, {}),
        ("&token=eyJhbGciOiJub25lIn0.e30.", {}),
    ):
        with (
            pytest.raises((InvalidStatus, ConnectionClosed, TimeoutError)) as refusal,
            connect(url + query, additional_headers=headers, open_timeout=10, proxy=None) as socket_,
        ):
            socket_.recv(timeout=10)
        assert isinstance(refusal.value, InvalidStatus), (query, headers)
        assert refusal.value.response.status_code in (400, 401, 403), (query, headers)


def test_odd_pages_of_crafty_show_nothing(house: House, game: Game) -> None:
    for page in (
        "page=&page_query_params=",
        "page=/panel/server_detail",
        "page=/panel/server_detail&page_query_params=",
        "page=/panel/server_detail&page_query_params=id%3D0",
        "page=/panel/server_detail&page_query_params=id%3D-1",
        "page=/panel/server_detail&page_query_params=id%3D" + "9" * 5000,
        "page=/panel/server_detail&page_query_params=id%3D%2500",
        "page=/panel/server_detail&page_query_params=id%3D%25ff%25fe",
        "page=/panel/server_detail&page_query_params=" + "a%3Db%26" * 500,
        "page=" + "a" * 8000 + "&page_query_params=%00",
        "page=%ff&page_query_params=%ff",
    ):
        heard_of = house.say(handshake(house, f"/ws?{page}", f"Authorization: Bearer {house.key}"), patience=0.5)
        assert b"vterm_new_line" not in heard_of and b"update_server" not in heard_of, (page[:100], heard_of[:300])
        assert b" 500 " not in heard_of[:20] and b"Traceback" not in heard_of, (page[:100], heard_of[:300])


def test_a_ticket_opens_one_stream_of_one_server_once(house: House, game: Game, victim: Game) -> None:
    def stream(which: Game, ticket: str) -> None:
        url = f"{house.url.replace('http', 'ws', 1)}{which.path}/console/stream?ticket={ticket}"
        with connect(url, open_timeout=10, proxy=None) as opened_:
            assert json.loads(opened_.recv(timeout=10))["type"] == "ready"

    ticket = house.ask("POST", f"/servers/{game.id}/console/tickets")["ticket"]
    with pytest.raises(InvalidStatus):
        stream(victim, ticket)
    stream(game, ticket)
    with pytest.raises(InvalidStatus):
        stream(game, ticket)
    fresh = house.ask("POST", f"/servers/{game.id}/console/tickets")["ticket"]
    for forged in (fresh[:-2] + "AA", "A" + fresh[1:], fresh + "x", fresh[:20]):
        with pytest.raises(InvalidStatus):
            stream(game, forged)
    for path in ("/console", "", "/files"):
        with house.as_key(None) as nobody:
            assert nobody.get(f"{game.path}{path}?ticket={fresh}").status_code == 401


@pytest.mark.parametrize("route", SOCKETS, ids=lambda route: route.path)
def test_broken_frames_end_the_socket_and_nothing_else(house: House, game: Game, route: object) -> None:
    path = where(game, route.path)  # type: ignore[attr-defined]
    for data in (
        os.urandom(5000),
        b"\x81\x05hello",  # not masked
        b"\xf1\x80" + bytes(4),  # reserved bits
        b"\x83\x80" + bytes(4),  # an opcode that there is none of
        b"\x89\xfe\xff\xff" + bytes(4),  # a long ping
        b"\x80\x80" + bytes(4),  # a continuation of nothing
        b"\x81\xff" + b"\xff" * 8 + bytes(4),  # endless
        b"\x81\xff" + b"\x00\x00\x00\x40\x00\x00\x00\x00" + bytes(4) + b"x" * 100_000,
        masked(0x1, b"\xff\xfe"),  # not UTF-8
        masked(0x8, b"\x00"),  # a close of one byte
        masked(0x8, b"\x03\xe8" + b"\xff"),
        masked(0x1, b"x" * 3_000_000),
        masked(0x1, b"a", fin=False) + masked(0x1, b"b"),
    ):
        with opened(house, path) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                continue
            heard(connection)


def test_odd_openings_are_refused(house: House, game: Game) -> None:
    path = f"{game.path}/console/stream"
    authorization = f"Authorization: Bearer {house.key}"
    for opening in (
        handshake(house, path, authorization).replace(b"Version: 13", b"Version: 99"),
        handshake(house, path, authorization).replace(b"Sec-WebSocket-Key", b"X-Nothing"),
        handshake(house, path, authorization, "X: " + "a" * 30_000),
        handshake(house, path, authorization, *(f"X-{number}: y" for number in range(500))),
        handshake(house, path + "?" + "a" * 20_000, authorization),
        handshake(house, path + "?tail=-1", authorization),
        handshake(house, path + "?tail=" + "9" * 400, authorization),
        handshake(house, path + "?resume_from=NaN", authorization),
        handshake(house, "/nowhere", authorization),
        handshake(house, "/v1/account", authorization),
        handshake(house, "/v1/servers/" + "z" * 16 + "/websocket", authorization),
    ):
        answer = house.say(opening, patience=0.5)
        assert b" 101 " not in answer[:20] and (not answer or int(answer.split(b" ", 2)[1]) < 500), (
            opening[:200],
            answer[:300],
        )


def test_half_an_opening_holds_nothing_up(house: House, game: Game) -> None:
    with ExitStack() as kept:
        for number in range(200):
            connection = kept.enter_context(house.raw())
            connection.sendall(handshake(house, f"{game.path}/console/stream")[: 20 + number % 100])
        house.alive()
        began = time.monotonic()
        game.done("while others dawdle")
        assert time.monotonic() - began < 5


def test_many_streams_of_one_account_have_an_end(house: House, game: Game) -> None:
    path = f"{game.path}/console/stream?tail=0"
    refused = 0
    with ExitStack() as kept:
        for _ in range(230):
            connection = kept.enter_context(socket.create_connection(house.address, timeout=20))
            connection.sendall(handshake(house, path, f"Authorization: Bearer {house.key}"))
            refused += connection.recv(12) != b"HTTP/1.1 101"
        assert refused >= 20
        game.done("while many listen")
    until(lambda: _can_open(house, path), "a place to be free again")


def _can_open(house: House, path: str) -> bool:
    try:
        opened(house, path).close()
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("route", SOCKETS, ids=lambda route: route.path)
def test_a_client_that_never_reads_costs_little_and_delays_nobody(house: House, game: Game, route: object) -> None:
    path = where(game, route.path)  # type: ignore[attr-defined]
    with ExitStack() as kept:
        for _ in range(10):
            connection = kept.enter_context(opened(house, path))
            if path.startswith("/v1/"):
                connection.sendall(masked(0x1, b'{"stream":"console","type":"start"}'))
        game.done("warm")
        before = house.rss_mib
        after = game.last()
        game.type("flood 40000")
        with house.socket(f"{game.path}/console/stream?tail=0") as reader:
            deadline = time.monotonic() + 60
            while "flood 39999 " not in str(reader.recv(timeout=max(0.1, deadline - time.monotonic()))):
                pass
        began = time.monotonic()
        game.printed("done", after, within=60)
        assert time.monotonic() - began < 20
        assert house.rss_mib - before < 100, f"{before} → {house.rss_mib} MiB"


def test_pings_whose_answers_are_not_read_are_cut_off(house: House, game: Game) -> None:
    before = house.rss_mib
    pings = masked(0x9, b"p" * 125) * 4000
    with opened(house, f"{game.path}/console/stream?tail=0") as connection:
        try:
            for _ in range(100):
                connection.sendall(pings)
        except OSError:
            pass
        else:
            raise AssertionError("it answers for ever")
    assert house.rss_mib - before < 40


def test_a_message_of_endless_empty_fragments_is_cut_off(house: House, game: Game) -> None:
    with opened(house, f"{game.path}/console/stream?tail=0") as connection:
        connection.sendall(masked(0x1, b"", fin=False))
        try:
            for _ in range(200):
                connection.sendall(masked(0x0, b"", fin=False) * 5000)
        except OSError:
            return
        raise AssertionError("it collects for ever")


def test_a_flood_of_commands_is_slowed_and_told_so(house: House, game: Game) -> None:
    after = game.last()
    with house.socket(f"{game.path}/console/stream?tail=0") as stream:
        for number in range(500):
            stream.send(json.dumps({"type": "command", "command": f"flooding {number}", "id": number}))
        said: dict[str, int] = {}
        while sum(said.values()) < 100:
            frame = json.loads(stream.recv(timeout=20))
            if frame["type"] in ("done", "error"):
                said[frame["type"]] = said.get(frame["type"], 0) + 1
        assert said.get("error", 0) > 10, said
    assert sum(line.startswith("got b'flooding") for _, line in game.lines(after)) < 200


def test_a_flood_of_commands_by_exarotons_socket_is_bounded_by_its_own_pace(house: House, game: Game) -> None:
    before = house.rss_mib
    with opened(house, f"/v1/servers/{game.exaroton}/websocket") as connection:
        message = masked(0x1, b'{"stream":"console","type":"command","data":"x\\u0000"}') * 2000
        connection.settimeout(1)
        try:
            for _ in range(20):
                connection.sendall(message)
        except OSError:
            pass  # it reads no faster than it works
        house.alive()
    assert house.rss_mib - before < 60

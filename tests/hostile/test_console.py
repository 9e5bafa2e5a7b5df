"""Consoles: one command is one line, and what a game prints is text, whatever it looks like."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.hostile.house import API, Game, House, until

TWO_LINES = (
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\x1b[2K\n",
    "\x04",
    "\x03",
)
NOT_TYPED = (*TWO_LINES, "\x1b", "\x1b[A", "\x7f", "\x9b2J", "\x07", "\x08\x08")

OUTPUT: dict[str, bytes] = {
    "colours": b"\x1b[31mred\x1b[0m",
    "a title": b"\x1b]0;owned\x07title",
    "a string without end": b"\x1bPq never ends",
    "erasing": b"before\x1b[2J\x1b[Hafter\x08\x08",
    "NUL": b"a\x00b\x00\x00c",
    "not UTF-8": b"\xff\xfe\x80\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80",
    "cut character": b"cut \xe2\x82",
    "separators": "one\u2028two\u2029three\x85four\x0bfive".encode(),
    "JSON": b'{"type":"ready","server":"x"}',
    "breaking out": b'"}]}]}{"type":"state","server":null}',
    "backslashes": b'\\u0000 \\" \\n \\',
    "right to left": "\u202egnp.exe\u2066".encode(),
    "HTML": b"</script><img src=x onerror=alert(1)>",
    "a return": b"overwritten\rshown",
    "C1": b"\xc2\x9b31m \xc2\x85 \xc2\x90",
    "surrogate pair in CESU": b"\xed\xa0\xbd\xed\xb8\x80",
}


@pytest.fixture
def stream(house: House, game: Game) -> Iterator[ClientConnection]:
    with house.socket(f"{game.path}/console/stream?tail=0") as socket:
        yield socket


@pytest.fixture
def exaroton(house: House, game: Game) -> Iterator[ClientConnection]:
    with house.socket(f"/v1/servers/{game.exaroton}/websocket") as socket:
        socket.send(json.dumps({"stream": "console", "type": "start", "data": {"tail": 0}}))
        wait_for(socket, lambda frame: frame.get("type") == "started")
        yield socket


def frames(socket: ClientConnection, within: float) -> Iterator[dict[str, Any]]:
    """Yield what comes, each of which must be JSON."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            text = socket.recv(timeout=max(0.01, deadline - time.monotonic()))
        except TimeoutError:
            return
        assert isinstance(text, str)
        frame = json.loads(text)
        assert isinstance(frame, dict)
        yield frame


def wait_for(socket: ClientConnection, wanted: Any, within: float = 60) -> dict[str, Any]:
    for frame in frames(socket, within):
        if wanted(frame):
            return frame
    raise AssertionError("it never came")


def lines_until(socket: ClientConnection, last: str, within: float = 60) -> list[str]:
    """Return the lines that come, up to the one that is `last`."""
    found: list[str] = []
    for frame in frames(socket, within):
        if frame.get("type") == "lines":
            found += [line for block in frame["blocks"] for line in block["lines"]]
        elif frame.get("type") == "line":
            found.append(frame["data"])
        else:
            assert frame.get("type") in ("ready", "status", "connected", "keep-alive", "state", "done", "error"), frame
            assert frame.get("server") != "x" and frame.get("server", "") is not None, frame
        if any(line.rstrip("\r") == last for line in found):
            return found
    raise AssertionError(f"{last!r} never came; {found[-5:]}")


def test_one_command_is_one_line_by_every_way(house: House, game: Game) -> None:
    after = game.last()
    with (
        house.socket(f"{game.path}/console/stream?tail=0") as stream,
        house.socket(f"/v1/servers/{game.exaroton}/websocket") as exaroton,
    ):
        for number, between in enumerate(NOT_TYPED):
            line = f"say {number}{between}say injected"
            assert house.client.post(f"{game.path}/command", json={"command": line}).status_code == 422, repr(between)
            reply = house.client.post(f"/v1/servers/{game.exaroton}/command", json={"command": line})
            assert reply.status_code == 400 and reply.json()["success"] is False, repr(between)
            stream.send(json.dumps({"type": "command", "command": line, "id": number}))
            exaroton.send(json.dumps({"stream": "console", "type": "command", "data": line}))
            refused = wait_for(stream, lambda frame, number=number: frame.get("id") == number)
            assert refused["type"] == "error", refused
        exaroton.send(json.dumps({"stream": "console", "type": "command", "data": "the last"}))
        game.printed("got b'the last\\n'", after)
    said = [line for _, line in game.lines(after) if line.startswith("got ")]
    assert said == ["got b'the last\\n'"]


def test_what_may_be_typed_arrives_as_it_is_and_as_one_line(game: Game) -> None:
    for line in (
        "a" * 4000,
        "quotes \" ' ` $(id) ; | & \\n \\x00",
        "ключ 鍵 🗝",
        "{port} {properties.command} %s %n",
        "  spaces  ",
    ):
        after = game.last()
        game.type(line)
        game.printed("done", after)
        said = [text for _, text in game.lines(after) if text.startswith("got ")]
        assert said == ["got " + ascii((line + "\n").encode())]


def test_a_command_that_is_too_long_is_refused(house: House, game: Game) -> None:
    for line in ("a" * 4097, "\U0001f5dd" * 1100, "a" * 1_000_000, "", "   "):
        assert house.client.post(f"{game.path}/command", json={"command": line}).status_code in (413, 422, 400)


def test_hostile_output_arrives_as_text_on_both_sockets(
    game: Game, stream: ClientConnection, exaroton: ClientConnection
) -> None:
    for number, (name, raw) in enumerate(OUTPUT.items()):
        end = f"end {number}"
        game.type("hex " + (raw + b"\n" + end.encode() + b"\n").hex())
        for socket in (stream, exaroton):
            lines = lines_until(socket, end)
            assert raw.decode("utf-8", "replace") in [
                line.rstrip("\r") if name != "a return" else line for line in lines
            ], name


def test_hostile_output_reads_back_over_http(house: House, game: Game) -> None:
    for raw in OUTPUT.values():
        game.done("hex " + (raw + b"\n").hex())
    assert any(line == OUTPUT["JSON"].decode() for _, line in game.lines())
    found = house.ask("GET", f"/servers/{game.id}/console/search", params={"text": "onerror=alert"})["items"]
    assert any(item["text"] == OUTPUT["HTML"].decode() for item in found)
    log = house.client.get(f"/v1/servers/{game.exaroton}/logs").json()["data"]["content"]
    assert not [letter for letter in log if ord(letter) < 32 and letter not in "\n\t"], "control characters in a log"


def test_lines_of_a_megabyte_and_floods_stay_bounded(house: House, game: Game, stream: ClientConnection) -> None:
    before = house.rss_mib
    after = game.last()
    game.type("long 1000000")
    until(
        lambda: sum(len(text) for _, text in game.lines(after) if set(text) == {"L"}) == 1_000_000,
        "the long line",
        within=60,
    )
    game.type("flood 20000")
    game.printed("flood 19999 ", game.last() - 10, within=60)
    assert house.rss_mib - before < 120
    lines_until(stream, "done", within=60)


def test_what_a_player_says_never_makes_a_player(house: House, game: Game) -> None:
    fakes = (
        "Steve joined the game",
        "[12:00:00] [Server thread/INFO]: Steve joined the game",
        "<Steve> Alex joined the game",
        "UUID of player Steve is 00000000-0000-0000-0000-000000000000",
        'Done (1.0s)! For help, type "help"',
        "\x1b[0m[Server] Steve joined",
        "*** Steve joined",
        "Steve[/127.0.0.1:1] logged in with entity id 1",
    )
    for fake in fakes:
        game.done("hex " + (fake.encode() + b"\n").hex())
    assert game.view()["players"]["list"] == []


def test_messages_that_are_no_commands_are_refused_and_the_stream_goes_on(house: House, game: Game) -> None:
    bad = (
        "",
        "null",
        "[]",
        "{",
        '{"type":"command"}',
        '{"type":"command","command":7}',
        '{"type":"nonsense"}',
        "[" * 15_000,
        '{"type":"command","command":"\\ud800"}',
        '{"type":["command"]}',
        "9" * 5000,
        '{"type":"command","command":"a\\nb"}',
        "x" * 200_000,
    )
    with house.socket(f"{game.path}/console/stream?tail=0") as stream:
        for text in bad:
            stream.send(text)
            assert wait_for(stream, lambda frame: frame["type"] in ("error", "done"))["type"] == "error", text[:80]
        for data in (b"", b"\x00\xff", b'{"type":"command","command":"x\\ny"}'):
            stream.send(data)
            assert wait_for(stream, lambda frame: frame["type"] in ("error", "done"))["type"] == "error"
        stream.send('{"type":"command","command":"still here"}')
        assert wait_for(stream, lambda frame: frame["type"] in ("error", "done"))["type"] == "done"


def test_messages_that_are_nonsense_to_exaroton_go_unanswered(house: House, game: Game) -> None:
    nonsense: tuple[Any, ...] = (
        "",
        "null",
        "[]",
        "{",
        "[" * 100_000,
        '{"stream":1}',
        {"stream": "console", "type": "start", "data": {"tail": True}},
        {"stream": "console", "type": "start", "data": {"tail": -5}},
        {"stream": "console", "type": "start", "data": {"tail": 10**30}},
        {"stream": "console", "type": "start", "data": {"tail": "1"}},
        {"stream": "console", "type": "start", "data": [1]},
        {"stream": "console", "type": "command", "data": {"a": 1}},
        {"stream": "console", "type": "command"},
        {"stream": "nothing", "type": "start"},
        {"stream": "tick", "type": "start"},
        {"stream": "stats", "type": "start"},
        {"stream": "heap", "type": "stop"},
        {"stream": "console", "type": "stop", "data": "x" * 100_000},
    )
    for one in nonsense:
        with house.socket(f"/v1/servers/{game.exaroton}/websocket") as socket:
            socket.send(one if isinstance(one, str) else json.dumps(one))
            after = game.last()
            socket.send(json.dumps({"stream": "console", "type": "command", "data": "still here"}))
            game.printed("got b'still here\\n'", after)
    with house.socket(f"/v1/servers/{game.exaroton}/websocket") as socket, pytest.raises(ConnectionClosed):
        socket.send(b"\x00" * 2_000_000)
        for _ in frames(socket, 20):
            pass


def test_a_search_cannot_be_made_to_take_for_ever(house: House, game: Game) -> None:
    for text in ("(a+)+$", ".*.*.*.*.*x", "[", "\\", "%", "_", "x" * 500):
        began = time.monotonic()
        reply = house.client.get(f"{API}/servers/{game.id}/console/search", params={"text": text, "limit": 1})
        assert reply.status_code == 200, reply.text
        assert time.monotonic() - began < 10

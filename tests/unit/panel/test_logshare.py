"""The client of a log service, against a small one that answers as a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs

import pytest

from innkeeper.core.console.errors import LogServiceFailed
from innkeeper.core.console.sharing import SharedLog
from innkeeper.panel.logshare import McLogs

GOOD = {
    "success": True,
    "id": "zCcf8T5",
    "url": "https://mclo.gs/zCcf8T5",
    "raw": "https://api.mclo.gs/1/raw/zCcf8T5",
}
ENOUGH_S = 5.0

Answer = Callable[[asyncio.StreamWriter], None]


class Service:
    """What was asked of it, and where it is."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.head = ""
        self.body = b""


def says(body: object, status: str = "200 OK", *headers: str) -> Answer:
    """Return what answers with a body: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", "Connection: close", *headers]

    def answer(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)

    return answer


@asynccontextmanager
async def service(answer: Answer | None) -> AsyncIterator[Service]:
    """Serve one answer to whatever is asked; None: never answer."""
    handling: set[asyncio.Task[None]] = set()
    reached = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        reached.set()
        try:
            served.head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = next(
                int(line[15:]) for line in served.head.split("\r\n") if line.lower().startswith("content-length:")
            )
            served.body = await reader.readexactly(size)
            if answer is None:
                await reader.read()
            else:
                answer(writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            handling.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    served = Service(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/1/log")
    async with server:
        yield served
        if answer is None:  # who asked may have gone before anybody looked
            await asyncio.wait_for(reached.wait(), ENOUGH_S)
        if handling:
            _, stuck = await asyncio.wait(handling, timeout=ENOUGH_S)
            assert not stuck


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


async def test_a_log_is_posted_as_a_form_and_its_place_returned() -> None:
    async with service(says(GOOD)) as served:
        shared = await McLogs(served.url).upload("[12:00:00] one & two = ü\n")
    assert shared == SharedLog("zCcf8T5", "https://mclo.gs/zCcf8T5", "https://api.mclo.gs/1/raw/zCcf8T5")
    assert served.head.startswith("POST /1/log HTTP/1.1\r\n")
    assert "content-type: application/x-www-form-urlencoded" in served.head.lower()
    assert parse_qs(served.body.decode()) == {"content": ["[12:00:00] one & two = ü\n"]}


async def test_a_log_of_ten_mebibytes_is_taken() -> None:
    async with service(says(GOOD)) as served:
        await McLogs(served.url).upload("x" * (10 << 20))
    assert len(served.body) == (10 << 20) + len("content=")


async def test_what_the_service_refuses_is_told() -> None:
    async with service(says({"success": False, "error": "Log is too boring."})) as served:
        with pytest.raises(LogServiceFailed, match=r"Log is too boring\."):
            await McLogs(served.url).upload("words")


@pytest.mark.parametrize(
    "answer",
    [
        says(b"<html>", "502 Bad Gateway"),
        says(GOOD, "500 Internal Server Error"),
        says(b"", "302 Found", "Location: http://127.0.0.1:1/"),
        says([]),
        says({"success": "yes"}),
        says({"success": True}),
        says({**GOOD, "id": ""}),
        says({**GOOD, "id": "a b"}),
        says({**GOOD, "id": "x" * 101}),
        says({**GOOD, "id": 7}),
        says({**GOOD, "url": "javascript:alert(1)"}),
        says({**GOOD, "url": "https:///nowhere"}),
        says({**GOOD, "url": "https://[::"}),
        says({**GOOD, "raw": 'https://mclo.gs/"><script>'}),
        says({**GOOD, "raw": "https://mclo.gs/" + "x" * 2000}),
        says(b"[" * 50_000),
        says(b" " * 70_000 + json.dumps(GOOD).encode()),
        says(b"\xff\xfe"),
        lambda writer: writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"),
        lambda writer: writer.write(b"no HTTP at all\r\n\r\n"),
        lambda writer: None,
    ],
)
async def test_no_answer_that_is_not_of_the_form_is_believed(answer: Answer) -> None:
    async with service(answer) as served:
        with pytest.raises(LogServiceFailed):
            await McLogs(served.url).upload("words")


async def test_a_service_that_does_not_answer_is_not_waited_for() -> None:
    async with service(None) as served:
        with pytest.raises(LogServiceFailed):
            await McLogs(served.url, patience_s=0.5).upload("words")


async def test_a_service_that_is_not_there_is_a_failure() -> None:
    async with service(says(GOOD)) as served:
        pass
    with pytest.raises(LogServiceFailed):
        await McLogs(served.url).upload("words")


@pytest.mark.parametrize("endpoint", ["", "ftp://x/", "mclo.gs/1/log", "https://"])
def test_an_address_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="is no http or https URL"):
        McLogs(endpoint)

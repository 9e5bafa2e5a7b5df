"""A real service is asked for accounts: what it answers is bounded, kept a while, and never believed blindly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import pytest

from innkeeper.core.players.errors import ProfilesAreUnavailable, ProfileServiceIsInvalid
from innkeeper.panel.profiles import HttpProfiles

JEB = UUID("853c80ef-3c37-49fd-aa49-938b674adae6")
FOUND = b'{"id": "853c80ef3c3749fdaa49938b674adae6", "name": "jeb_", "legacy": true}'


class Clock:
    """Time that moves when it is told to."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> None:  # pragma: no cover - nobody asks
        raise AssertionError


class Service:
    """Answers every request with `status` and `body`, and remembers which paths were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = "200 OK"
        self.body = FOUND
        self.headers = ""
        self.url = ""
        self.open: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(asyncio.current_task())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head.split(" ")[1])
        length = f"Content-Length: {len(self.body)}\r\n" if self.status[:3] != "204" else ""
        writer.write(f"HTTP/1.1 {self.status}\r\n{length}{self.headers}Connection: close\r\n\r\n".encode())
        try:
            writer.write(self.body if length else b"")
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/users"
    async with server:
        yield service
    await asyncio.gather(*(task for task in service.open if task is not None))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def profiles(service: Service, clock: Clock) -> AsyncIterator[HttpProfiles]:
    async with HttpProfiles(service.url, clock) as profiles:  # type: ignore[arg-type]
        yield profiles


async def test_an_account_is_found_by_its_name_and_asked_for_once(
    profiles: HttpProfiles, service: Service, clock: Clock
) -> None:
    assert await profiles.find("jeb_") == JEB
    assert await profiles.find("JEB_") == JEB
    assert service.asked == ["/users/jeb_"]
    clock.seconds = 3600
    assert await profiles.find("jeb_") == JEB
    assert len(service.asked) == 2


@pytest.mark.parametrize("status", ["404 Not Found", "204 No Content"])
async def test_a_name_without_an_account_has_none(profiles: HttpProfiles, service: Service, status: str) -> None:
    service.status = status
    assert await profiles.find("nobody") is None
    assert await profiles.find("nobody") is None
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("500 Internal Server Error", FOUND),
        ("429 Too Many Requests", FOUND),
        ("302 Found", FOUND),
        ("200 OK", b"not json"),
        ("200 OK", b'{"id": 5}'),
        ("200 OK", b'{"id": "short"}'),
        ("200 OK", b"[]"),
        ("200 OK", b'{"id": "' + b"a" * 10_000_000),
        ("200 OK", b"\xff"),
    ],
)
async def test_what_is_no_good_answer_is_no_account_and_is_asked_for_again(
    profiles: HttpProfiles, service: Service, status: str, body: bytes
) -> None:
    service.status, service.body = status, body
    for _ in range(2):
        with pytest.raises(ProfilesAreUnavailable):
            await profiles.find("jeb_")
    assert len(service.asked) == 2


async def test_where_nobody_listens_nobody_is_known(clock: Clock) -> None:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with HttpProfiles(f"http://127.0.0.1:{port}", clock) as profiles:  # type: ignore[arg-type]
        with pytest.raises(ProfilesAreUnavailable):
            await profiles.find("jeb_")


async def test_a_name_stays_one_part_of_the_path(profiles: HttpProfiles, service: Service) -> None:
    await profiles.find("../admin?x#y/z")
    assert service.asked == ["/users/..%2Fadmin%3Fx%23y%2Fz"]


@pytest.mark.parametrize("url", ["", "api.example.com", "file:///etc/passwd", "ftp://example.com", "http://"])
def test_what_is_no_url_of_a_service_is_refused(url: str, clock: Clock) -> None:
    with pytest.raises(ProfileServiceIsInvalid):
        HttpProfiles(url, clock)  # type: ignore[arg-type]

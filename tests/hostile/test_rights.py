"""A right that is taken away closes what it had opened, whichever way it is taken and whatever is open.

A second is promised; five are waited for, since many things run on a machine that tests.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.hostile.house import Game, House

SOON_S = 5.0
PASSWORD = "a guest's password"
GUEST = ["server.view", "console.read", "console.write", "files.read", "files.write"]
PART = b"r" * 65536


class Guest:
    """Somebody with whom the game is shared, and the key that they came with."""

    def __init__(self, house: House, game: Game, number: int) -> None:
        self.house, self.game = house, game
        self.account = house.ask("POST", "/accounts", json={"username": f"guest{number}", "password": PASSWORD})["id"]
        house.ask("PUT", f"/servers/{game.id}/grants/{self.account}", json={"permissions": GUEST})
        self.session = self._post("/sessions", None, {"username": f"guest{number}", "password": PASSWORD})["token"]
        made = self._post("/keys", self.session, {"name": "a key"})
        self.key_id, self.key = made["key"]["id"], made["secret"]

    def _post(self, path: str, key: str | None, body: dict[str, Any]) -> Any:
        with self.house.as_key(key) as client:
            reply = client.post(f"/api/innkeeper/v1{path}", json=body)
        assert reply.is_success, reply.text
        return reply.json()

    def revoke(self) -> None:
        """End the key, by its own account."""
        with self.house.as_key(self.session) as client:
            assert client.delete(f"/api/innkeeper/v1/keys/{self.key_id}").is_success

    def unshare(self) -> None:
        """Take the grant back."""
        self.house.ask("DELETE", f"/servers/{self.game.id}/grants/{self.account}")

    def narrow(self) -> None:
        """Leave the guest the sight of the server alone."""
        self.house.ask("PUT", f"/servers/{self.game.id}/grants/{self.account}", json={"permissions": ["server.view"]})

    def disable(self) -> None:
        """Disable the account."""
        self.house.ask("PATCH", f"/accounts/{self.account}", json={"disabled": True})

    def delete(self) -> None:
        """Delete the account."""
        self.house.ask("DELETE", f"/accounts/{self.account}")


TAKING: dict[str, Callable[[Guest], None]] = {
    "the key is revoked": Guest.revoke,
    "the grant is taken back": Guest.unshare,
    "the grant is narrowed": Guest.narrow,
    "the account is disabled": Guest.disable,
    "the account is deleted": Guest.delete,
}
_numbers = iter(range(1000))


@pytest.fixture
def guest(house: House, game: Game) -> Iterator[Guest]:
    guest = Guest(house, game, next(_numbers))
    yield guest
    house.client.delete(f"/api/innkeeper/v1/accounts/{guest.account}")


def is_closed(connection: ClientConnection) -> bool:
    """Say whether a WebSocket is closed soon, and why not by us."""
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        try:
            connection.recv(timeout=max(0.01, deadline - time.monotonic()))
        except ConnectionClosed:
            return True
        except TimeoutError:
            return False
    return False


@pytest.mark.parametrize("how", TAKING)
def test_streams_end_with_the_right_to_them(house: House, game: Game, guest: Guest, how: str) -> None:
    with (
        house.socket(f"{game.path}/console/stream", guest.key) as own,
        house.socket(f"/v1/servers/{game.exaroton}/websocket", guest.key) as exaroton,
    ):
        exaroton.send(json.dumps({"stream": "console", "type": "start"}))
        while json.loads(exaroton.recv(timeout=10))["type"] != "started":
            pass
        assert json.loads(own.recv(timeout=10))["type"] == "ready"
        TAKING[how](guest)
        assert is_closed(own) and is_closed(exaroton)
    with pytest.raises(Exception):  # noqa: B017 - in whichever way it is refused
        house.socket(f"{game.path}/console/stream", guest.key)


@pytest.mark.parametrize("how", TAKING)
def test_an_upload_ends_with_the_right_to_it_even_where_nothing_comes(
    house: House, game: Game, guest: Guest, how: str
) -> None:
    request = (
        f"PUT {game.path}/files/content?path=guests.bin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {guest.key}\r\n"
        "Content-Length: 100000000\r\n\r\n"
    )
    with house.raw(SOON_S) as connection:
        connection.sendall(request.encode() + PART * 20)
        TAKING[how](guest)
        answer = connection.recv(65536)  # although the body has not ended
        assert int(answer.split(b" ", 2)[1]) in (401, 403, 404), answer
    assert not (game.folder / "guests.bin").exists()


@pytest.mark.parametrize("how", TAKING)
def test_a_slow_download_ends_with_the_right_to_it(house: House, game: Game, guest: Guest, how: str) -> None:
    reply = house.client.put(f"{game.path}/files/content", params={"path": "secrets.bin"}, content=PART * 400)
    assert reply.status_code == 204
    request = (
        f"GET {game.path}/files/content?path=secrets.bin HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {guest.key}\r\n\r\n"
    )
    with house.raw(SOON_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(request.encode())
        assert connection.recv(15).startswith(b"HTTP/1.1 200")
        TAKING[how](guest)
        size = 0
        while part := connection.recv(1 << 20):
            size += len(part)
    assert size < 12_000_000, "more than was under way already"


def test_streams_end_when_their_server_is_deleted(house: House) -> None:
    doomed = house.game("doomed")
    request = (
        f"PUT {doomed.path}/files/content?path=x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.key}\r\n"
        "Content-Length: 100000000\r\n\r\n"
    )
    with (
        house.socket(f"{doomed.path}/console/stream") as own,
        house.socket(f"/v1/servers/{doomed.exaroton}/websocket") as exaroton,
        house.raw(SOON_S * 2) as upload,
    ):
        upload.sendall(request.encode() + PART)
        doomed.delete()
        assert is_closed(own) and is_closed(exaroton)
        assert int(upload.recv(65536).split(b" ", 2)[1]) in (404, 410)


def test_a_stream_ends_when_its_key_expires(house: House, game: Game) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=1.5)
    made = house.ask("POST", "/keys", json={"name": "short", "expires_at": ends.isoformat()})
    with (
        house.socket(f"{game.path}/console/stream", made["secret"]) as own,
        house.socket(f"/v1/servers/{game.exaroton}/websocket", made["secret"]) as exaroton,
    ):
        assert is_closed(own) and is_closed(exaroton)


def test_a_new_password_ends_sessions_and_their_streams(house: House, game: Game, guest: Guest) -> None:
    with house.socket(f"{game.path}/console/stream", guest.session) as stream, house.as_key(guest.session) as client:
        changed = {"password": PASSWORD + "!", "current_password": PASSWORD}
        assert client.patch(f"/api/innkeeper/v1/accounts/{guest.account}", json=changed).is_success
        assert is_closed(stream)
        assert client.get("/api/innkeeper/v1/me").status_code == 401


def test_signing_out_ends_the_session_and_its_streams(house: House, game: Game, guest: Guest) -> None:
    with house.socket(f"{game.path}/console/stream", guest.session) as stream, house.as_key(guest.session) as client:
        assert client.delete("/api/innkeeper/v1/sessions/current").is_success
        assert is_closed(stream)
        assert client.get("/api/innkeeper/v1/me").status_code == 401


def test_a_narrow_key_does_no_more_than_it_says(house: House, game: Game) -> None:
    made = house.ask(
        "POST", "/keys", json={"name": "narrow", "permissions": ["server.view", "accounts.write", "accounts.read"]}
    )
    with house.as_key(made["secret"]) as client:
        api = "/api/innkeeper/v1"
        refused: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", f"{game.path}/stop", {}),
            ("POST", f"{game.path}/command", {"json": {"command": "x"}}),
            ("GET", f"{game.path}/console", {}),
            ("GET", f"{game.path}/files", {}),
            ("DELETE", game.path, {}),
            ("GET", f"/v1/servers/{game.exaroton}/stop", {}),
            ("POST", f"{api}/keys", {"json": {"name": "wider", "permissions": ["console.write"]}}),
            ("POST", f"{api}/accounts", {"json": {"username": "puppet", "password": PASSWORD, "superuser": True}}),
        ]
        for method, path, more in refused:
            assert client.request(method, path, **more).status_code == 403, (method, path)
        wider = client.post(f"{api}/keys", json={"name": "as wide as itself"})
        assert set(wider.json()["key"]["permissions"]) == {"server.view", "accounts.write", "accounts.read"}
        admin = client.get(f"{api}/me").json()["account"]["id"]
        for change in ({"password": PASSWORD}, {"superuser": False}, {"disabled": True}):
            assert client.patch(f"{api}/accounts/{admin}", json=change).status_code in (401, 403), change


def test_a_key_for_one_network_is_useless_elsewhere(house: House, game: Game) -> None:
    made = house.ask("POST", "/keys", json={"name": "far away", "networks": ["203.0.113.0/24", "2001:db8::/32"]})
    forged: list[dict[str, str]] = [
        {},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"X-Real-IP": "203.0.113.7"},
    ]
    with house.as_key(made["secret"]) as client:
        for headers in forged:
            assert client.get("/api/innkeeper/v1/me", headers=headers).status_code == 403
            assert client.get("/v1/account", headers=headers).status_code == 403
    here = house.ask("POST", "/keys", json={"name": "here", "networks": ["127.0.0.0/8"]})
    with house.as_key(here["secret"]) as client:
        assert client.get("/api/innkeeper/v1/me").status_code == 200


def test_an_operation_of_a_foreign_server_is_not_there(house: House, game: Game, victim: Game, guest: Guest) -> None:
    operation = house.ask("GET", f"/servers/{victim.id}/operations")["items"][0]["id"]
    with house.as_key(guest.key) as client:
        assert client.get(f"/api/innkeeper/v1/operations/{operation}").status_code == 404
        reply: httpx.Response = client.get(f"/v1/servers/{victim.exaroton}")
        assert reply.status_code == 404 and reply.json()["error"] == "Server not found"

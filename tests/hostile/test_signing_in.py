"""Signing in: guesses are counted, names are not given away, passwords and keys stay out of the log."""

import concurrent.futures
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.hostile.house import API, House

WRONG = "not-the-password-but-remembered"


@pytest.fixture(scope="module")
def inn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of its own: afterwards nobody can sign in from here for ten minutes."""
    inn = House(tmp_path_factory.mktemp("locked-house"))
    try:
        inn.start()
        yield inn
    finally:
        inn.close()


def attempt(inn: House, name: str, password: str) -> httpx.Response:
    with inn.as_key(None) as client:
        return client.post(f"{API}/sessions", json={"username": name, "password": password})


def test_a_wrong_name_and_a_wrong_password_look_the_same(inn: House) -> None:
    inn.ask("POST", "/accounts", json={"username": "somebody", "password": "a long password"})
    disabled = inn.ask("POST", "/accounts", json={"username": "disabled", "password": "a long password"})
    inn.ask("PATCH", f"/accounts/{disabled['id']}", json={"disabled": True})
    took: dict[str, list[float]] = {"admin": [], "nobody": []}
    answers = set()
    for name in ("admin", "nobody", "admin", "nobody", "somebody", "disabled"):
        began = time.monotonic()
        reply = attempt(inn, name, WRONG)
        took.setdefault(name, []).append(time.monotonic() - began)
        answers.add((reply.status_code, reply.text, reply.headers.get("www-authenticate")))
    assert len(answers) == 1 and next(iter(answers))[0] == 401, answers
    known, unknown = statistics.median(took["admin"]), statistics.median(took["nobody"])
    assert known < unknown * 5 and unknown < known * 5, took


def test_guesses_at_the_same_time_are_counted_like_any_others(inn: House) -> None:
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        guesses = [
            pool.submit(attempt, inn, "somebody" if number % 2 else f"name{number}", f"{WRONG}{number}")
            for number in range(40)
        ]
        statuses = [guess.result().status_code for guess in guesses]
    assert set(statuses) <= {401, 429} and statuses.count(401) <= 10, statuses


def test_the_address_is_locked_out_then_with_a_time_to_wait(inn: House) -> None:
    for name in ("admin", "somebody", "never-heard-of"):
        reply = attempt(inn, name, inn.password)
        assert reply.status_code == 429 and 1 <= int(reply.headers["retry-after"]) <= 600, reply.text
        assert reply.json()["error"]["code"] == "too_many_attempts"
    with inn.as_key(None) as client:
        for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
            body = {"username": "admin", "password": inn.password}
            assert client.post(f"{API}/sessions", json=body, headers={header: "203.0.113.9"}).status_code == 429
    assert inn.client.get(f"{API}/me").status_code == 200  # keys are not locked out


def test_neither_passwords_nor_keys_are_logged_or_kept(inn: House) -> None:
    inn.ask("POST", "/accounts", json={"username": "quiet", "password": "a password that is not told"})
    made = inn.ask("POST", "/keys", json={"name": "told once"})
    token = inn.ask("POST", "/nodes/tokens")["token"]
    for secret in (WRONG, "a password that is not told", made["secret"], token):
        assert secret not in inn.log
        assert not [path for path in inn.data.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()], (
            secret
        )
    shown = [inn.ask("GET", path) for path in ("/accounts", "/keys", "/activity", "/me", "/nodes")]
    for word in ("argon2", "digest", "password_hash", made["secret"]):
        assert word not in str(shown)


def test_what_holds_secrets_is_for_the_owner_alone(inn: House) -> None:
    for name in ("innkeeper.db", "first-key", "url", "panel.pid", "node/identity.json"):
        path: Path = inn.data / name
        assert path.stat().st_mode & 0o077 == 0, name
    for path in inn.data.glob("innkeeper.db*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_keys_of_one_account_have_an_end(inn: House) -> None:
    statuses = [inn.client.post(f"{API}/keys", json={"name": f"key {number}"}).status_code for number in range(105)]
    assert statuses.count(201) <= 100 and statuses[-1] == 409

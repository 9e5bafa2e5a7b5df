"""Every HTTP route of every dialect, asked with what no client in its right mind sends.

Never a 5xx, always the dialect's own shape of a refusal, nothing told of the inside, memory bounded, and the process
answers afterwards.
"""

import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from tests.hostile.house import API, Game, House, until
from tests.hostile.routes import Route, all_routes

ROUTES = all_routes()
WITH_BODY = [route for route in ROUTES if route.method in ("POST", "PUT", "PATCH")]
DIALECTS = ("api", "crafty", "exaroton", "serverflex")
READS = [route for route in ROUTES if route.method == "GET"]
DEEP = 100_000
JSON = "application/json"

BODIES: dict[str, bytes] = {
    "empty": b"",
    "broken": b'{"name": ',
    "null": b"null",
    "true": b"true",
    "number": b"0",
    "text": b'"text"',
    "list": b"[]",
    "object": b"{}",
    "unknown fields": b'{"__proto__": {"superuser": true}, "nonsense": 1}',
    "deep list": b"[" * DEEP,
    "deep list, closed": b"[" * DEEP + b"]" * DEEP,
    "deep object": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep in a field": b'{"properties": {"a": ' + b"[" * DEEP + b"]" * DEEP + b'}, "name": "n", "package": "custom"}',
    "huge integer": b'{"port": ' + b"9" * 5000 + b', "limit": ' + b"9" * 5000 + b"}",
    "huge float": b'{"port": 1e400, "wait": -1e400, "name": 1e308}',
    "NaN": b'{"port": NaN, "memory_mib": Infinity}',
    "not UTF-8": b'{"name": "\xff\xfe", "command": "\x80", "path": "\xed\xa0\x80"}',
    "NUL": b'{"name": "a\\u0000b", "command": "a\\u0000b", "path": "a\\u0000b",'
    b' "source": "\\u0000", "target": "\\u0000"}',
    "raw NUL": b'{"name": "\x00"}',
    "lone surrogates": b'{"name": "\\ud800", "username": "\\udfff", "password": "\\ud800\\ud800", "command": "\\udc00",'
    b' "path": "\\ud800", "source": "\\ud800", "target": "\\udc80", "package": "\\ud800"}',
    "duplicate keys": b'{"name": "one", "name": "two", "name": null}',
    "wrong types": b'{"name": [], "username": {}, "password": 1, "permissions": "all", "members": {}, "command": [],'
    b' "path": 0, "source": null, "target": true, "networks": 7, "expires_at": -1, "properties": [], "reason": {}}',
    "strange times": b'{"name": "n", "expires_at": "9999-12-31T23:59:60+99:99", "permissions": null}',
    "long texts": b'{"name": "' + b"n" * 500_000 + b'", "username": "' + b"u" * 400_000 + b'", "command": "x"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"name": "n"}'.encode("utf-16"),
    "a form": b"name=n&command=say&username=admin&password=x",
}
TYPES = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "")

PATHS = (
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..",
    "%252e%252e%252f",
    "%00",
    "a%00b",
    "%0a",
    "%0d%0aX-Injected:%20yes",
    "%c0%ae%c0%ae",
    "%ff%fe",
    "%ed%a0%80",
    "%e2%80%ae",
    "-1",
    "0",
    "9" * 400,
    "null",
    "undefined",
    "1e9",
    "{server}",
    "*",
    "~root",
    ";ls",
    "'%20or%201=1--",
    "00000000-0000-0000-0000-000000000000",
    "A" * 16,
    "z" * 16,
    "%f0%9d%9f%8f" * 4,
    "a" * 8000,
)
QUERIES = (
    "limit=-1",
    "limit=0",
    "limit=" + "9" * 4000,
    "limit=NaN",
    "limit=1e3",
    "limit=1&limit=2",
    "limit=%00",
    "limit=",
    "limit=\u0661\u0662",
    "limit=%D9%A1",
    "cursor=",
    "cursor=%00",
    "cursor=AAAA",
    "cursor=WzFd",
    "cursor=W10",
    "cursor=WzFlNDAwXQ",
    "cursor=" + "A" * 5000,
    "cursor=WyJhIiwgMV0",
    "cursor=WzkyMjMzNzIwMzY4NTQ3NzU4MDdd",
    "cursor=Wy05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTldXQ",
    "cursor=%ff%fe",
    "since=0",
    "since=-1",
    "since=yesterday",
    "since=0001-01-01T00:00:00Z",
    "until=9999-12-31T23:59:59Z",
    "since=0001-01-01T00:00:00%2B14:00",
    "since=9999-12-31T23:59:59-14:00",
    "since=1e400",
    "wait=-1",
    "wait=NaN",
    "wait=inf",
    "wait=1e400",
    "wait=0.0001",
    "after=-1",
    "after=" + "9" * 30,
    "after=4611686018427387903",
    "tail=0",
    "tail=-5",
    "tail=999999999",
    "text=",
    "text=%00",
    "text=" + "x" * 3000,
    "text=(((((((((((((((((a%2B)%2B)%2B",
    "path=" + "a/" * 3000,
    "path=%ff",
    "path=%00",
    "name=../../x",
    "name=%00",
    "name=" + "n" * 300,
    "%00=%00",
    "&&&&",
    "=" * 200,
    "limit[]=1",
    "a=%",
    "a=%zz",
)
HEADERS: tuple[list[tuple[bytes, bytes]], ...] = (
    [(b"Authorization", b"Bearer")],
    [(b"Authorization", b"Bearer ")],
    [(b"Authorization", b"Bearer \xff\xfe\x80")],
    [(b"Authorization", b"Basic YWRtaW46YWRtaW4=")],
    [(b"Authorization", b"Bearer " + b"x" * 20_000)],
    [(b"Authorization", b"Bearer a"), (b"Authorization", b"Bearer b")],
    [(b"Authorization", "Bearer ключ".encode())],
    [(b"X-Innkeeper-Client", b"\xff" * 100)],
    [(b"Cookie", b"session=" + b"a" * 30_000)],
    [(b"Accept", b"\xff/\xff;q=NaN, " * 500)],
    [(b"Content-Type", b"application/json; charset=utf-7")],
    [(b"Content-Type", b"multipart/form-data")],
    [(b"Range", b"bytes=-99999999999999999999")],
    [(b"If-None-Match", b"*"), (b"If-Modified-Since", b"\xff")],
    [(b"Accept-Encoding", b"gzip;q=1e999, br, *;q=-1")],
    [(b"X-Forwarded-For", b"127.0.0.1, ::1"), (b"X-Forwarded-Proto", b"https"), (b"X-HTTP-Method-Override", b"DELETE")],
    [(b"Host", b"\xff"), (b"X-" + b"n" * 5000, b"v")],
    [(b"Upgrade", b"h2c"), (b"Connection", b"Upgrade, HTTP2-Settings"), (b"HTTP2-Settings", b"AAMAAABk")],
    [(b"Expect", b"100-continue")],
)


@pytest.fixture(scope="module")
def paths(house: House, victim: Game) -> dict[str, str]:
    """What the names in paths stand for: things that are there, and may be mistreated."""
    account = house.ask("POST", "/accounts", json={"username": "sufferer", "password": "a long password"})
    role = house.ask("POST", "/roles", json={"name": "sufferers", "permissions": ["server.view"]})
    operations = house.ask("GET", f"/servers/{victim.id}/operations")["items"]
    pool = house.ask("POST", "/billing/pools", json={"name": "sufferers"})
    pools = house.client.get("/v1/billing/pools").json()["data"]
    yearly = {"kind": "cron", "expression": "0 0 1 1 *"}
    schedule = house.ask(
        "POST",
        f"/servers/{victim.id}/schedules",
        json={"name": "suffering", "trigger": yearly, "act": {"kind": "command", "command": "say hello"}},
    )
    webhook = house.ask(
        "POST",
        f"/servers/{victim.id}/webhooks",
        json={"name": "suffering", "kind": "json", "url": "https://nowhere.invalid/", "triggers": ["killed"]},
    )
    return {
        "backup": house.ask("POST", f"/servers/{victim.id}/backups", json={})["id"],
        "schedule": schedule["id"],
        "webhook": webhook["id"],
        "server": victim.id,
        "crafty": victim.crafty,
        "crafty role": str(of_crafty(house, "roles", "role_name", "sufferers")["role_id"]),
        "crafty user": str(of_crafty(house, "users", "username", "sufferer")["user_id"]),
        "exaroton": victim.exaroton,
        "account": account["id"],
        "role": role["id"],
        "key": str(uuid.uuid4()),
        "operation": operations[0]["id"],
        "node": house.ask("GET", "/nodes")["items"][0]["id"],
        "package": "custom",
        "plan": "nothing",
        "region": "local",
        "asset": "start.js",
        "pool": pool["id"],
        "exaroton pool": pools[0]["id"],
        "name": "whitelist",
        "list": "whitelist",
        "path": "server.properties",
        "snapshot": "f" * 32,
    }


def of_crafty(house: House, what: str, field: str, value: str) -> Any:
    """Return the one of Crafty's things that is called so."""
    found = house.client.get(f"/api/v2/{what}").json()["data"]
    return next(one for one in found if one[field] == value)


@contextmanager
def asking(house: House, route: Route) -> Iterator[httpx.Client]:
    """Give a client with a key of its own: what it asks of one route is not told that it asks too fast."""
    made = house.ask("POST", "/keys", json={"name": route.label[:100]})
    try:
        with house.as_key(made["secret"]) as client:
            yield client
    finally:
        house.ask("DELETE", f"/keys/{made['key']['id']}")


_DELETED = ("account", "backup", "key", "node", "pool", "role", "schedule", "user", "webhook")


def filled(route: Route, paths: dict[str, str]) -> str:
    """Return the route's path with something that is there in the place of each name."""
    own = {
        "crafty": {
            "server": paths["crafty"],
            "role": paths["crafty role"],
            "user": paths["crafty user"],
            "task": "1",
            "webhook": "1",
            "key": "1",
            "name": "start_server",
        },
        "exaroton": {"server": paths["exaroton"], "pool": paths["exaroton pool"]},
        "serverflex": {"name": paths["package"], "user": paths["account"]},
    }
    known = paths | own.get(route.dialect, {})
    if route.method == "DELETE":  # what is deleted would be missing to the next
        known = known | {"server": "z" * 16 if route.dialect == "exaroton" else str(uuid.uuid4())}
        known |= {name: str(uuid.uuid4()) for name in _DELETED}
    return route.path.format(**known)


def judge(house: House, route: Route | str, reply: httpx.Response, what: str = "") -> None:
    """Assert that an answer is well formed in its dialect and gives nothing away."""
    label = f"{route if isinstance(route, str) else route.label} {what}: {reply.status_code} {reply.text[:500]!r}"
    assert reply.status_code < 500, label
    assert "x-injected" not in reply.headers, label
    if reply.status_code < 400 or reply.request.method == "HEAD":
        return
    for inside in (
        "Traceback",
        "site-packages",
        "sqlite",
        "msgspec.",
        str(house.folder),
        sys.prefix,
        house.key,
        house.password,
    ):
        assert inside not in reply.text, f"{inside!r} in {label}"
    dialect = (
        route.dialect if isinstance(route, Route) else ("exaroton" if "/v1/" in route and API not in route else "api")
    )
    said = as_json(reply, label)
    if dialect == "crafty":
        assert said["status"] == "error" and isinstance(said["error"], str) and said["error"], label
    elif dialect == "exaroton":
        assert set(said) == {"success", "error", "data"}, label
        assert said["success"] is False and isinstance(said["error"], str) and said["data"] is None, label
    elif dialect == "serverflex":
        assert set(said) == {"errors", "code", "error", "message", "field"}, label
        assert said["errors"] == [{"error": said["code"], "message": said["message"]}], label
    else:
        assert set(said) == {"error"} and set(said["error"]) == {"code", "kind", "message", "data"}, label


def as_json(reply: httpx.Response, label: str) -> Any:
    assert reply.headers["content-type"].split(";")[0] == JSON, label
    return json.loads(reply.content)


def size_of(route: Route) -> int:
    return 10_000_000 if route.method == "PUT" or "servers" in route.path else 3_000_000


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hostile_bodies_are_refused_in_the_dialects_own_shape(
    house: House, paths: dict[str, str], dialect: str
) -> None:
    for route in WITH_BODY:
        if route.dialect == dialect:
            with asking(house, route) as client:
                send_bodies(house, client, paths, route)


def send_bodies(house: House, client: httpx.Client, paths: dict[str, str], route: Route) -> None:
    where = filled(route, paths)
    for name, body in BODIES.items():
        judge(house, route, client.request(route.method, where, content=body, headers={"Content-Type": JSON}), name)
    for kind in TYPES:
        headers = {"Content-Type": kind} if kind else {}
        judge(house, route, client.request(route.method, where, content=BODIES["broken"], headers=headers), repr(kind))
    if "/grants/" not in where:
        body = b'{"name": "' + b"a" * size_of(route) + b'"}'
        judge(house, route, client.request(route.method, where, content=body, headers={"Content-Type": JSON}), "huge")


def test_no_route_lets_anybody_in_without_a_key(house: House, paths: dict[str, str]) -> None:
    with house.as_key(None) as nobody:
        for route in ROUTES:
            if not route.open_to_all and route.method != "OPTIONS":  # OPTIONS tells which methods there are
                knock(house, nobody, paths, route)


def knock(house: House, nobody: httpx.Client, paths: dict[str, str], route: Route) -> None:
    for headers in ({}, {"Authorization": "Bearer ink_" + "A" * 43}, {"Authorization": f"Basic {house.key}"}):
        reply = nobody.request(route.method, filled(route, paths), headers=headers)
        refused = 403 if route.dialect in ("crafty", "exaroton") else 401
        assert reply.status_code == refused, f"{route.label}: {reply.text}"
        judge(house, route, reply)
    if route.dialect == "crafty":  # its clients name a key in the address; the log must not
        judge(house, route, nobody.get(f"{filled(route, paths)}?token={house.key}"))
        return
    assert nobody.get(f"{filled(route, paths)}?key={house.key}&token={house.key}").status_code in (401, 403, 404, 405)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hostile_paths_name_nothing(house: House, paths: dict[str, str], dialect: str) -> None:
    for route in ROUTES:
        if route.dialect == dialect:
            with asking(house, route) as client:
                wander(house, client, paths, route)


def wander(house: House, client: httpx.Client, paths: dict[str, str], route: Route) -> None:
    for name in [part[1:-1] for part in route.path.split("/") if part.startswith("{")]:
        for text in PATHS if route.method != "OPTIONS" else PATHS[:2]:
            before, _, after = route.path.partition("{" + name + "}")
            where = filled(route._replace(path=before), paths) + text + filled(route._replace(path=after), paths)
            reply = client.request(route.method, where)
            judge(house, route, reply, text)
            # A file may be called anything that stays within its folder.
            harmless = route.method == "OPTIONS" or (name == "path" and ".." not in unquote(text).split("/"))
            # Crafty says of an account that is not there that it is deleted.
            harmless = harmless or route.label == "DELETE /api/v2/users/{user}"
            assert reply.status_code >= 400 or harmless, f"{route.label} with {text}: {reply.text}"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hostile_queries_are_refused_or_make_no_difference(house: House, paths: dict[str, str], dialect: str) -> None:
    for route in READS:
        if route.dialect == dialect:
            with asking(house, route) as client:
                for query in QUERIES:
                    judge(house, route, client.get(f"{filled(route, paths)}?{query}"), query[:80])


OF_CRAFTY = [route for route in ROUTES if route.label in ("GET /api/v2/servers", "POST /api/v2/servers/{server}/stdin")]
OF_SERVERFLEX = [route for route in ROUTES if route.dialect == "serverflex" and route.method in ("GET", "POST")]


@pytest.mark.parametrize(
    "route",
    [READS[0], READS[3], WITH_BODY[1], WITH_BODY[-1], *OF_CRAFTY, OF_SERVERFLEX[0], OF_SERVERFLEX[-1]],
    ids=lambda route: route.label,
)
def test_hostile_headers_change_nothing(house: House, paths: dict[str, str], route: Route) -> None:
    host, port = house.address
    own = [(b"Authorization", f"Bearer {house.key}".encode())]
    for headers in HEADERS:
        given = [*headers] if any(name == b"Authorization" for name, _ in headers) else [*own, *headers]
        lines = [f"{route.method} {filled(route, paths)} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 2".encode()]
        lines += [name + b": " + value for name, value in given]
        answer = house.say(b"\r\n".join([*lines, b"Connection: close", b"", b"{}"]))
        status = int(answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").split(b" ", 2)[1])
        assert status < 500 and b"Traceback" not in answer, f"{headers}: {answer[:500]!r}"
        assert given[0] == own[0] or status in (400, 401, 403), f"{headers}: {answer[:500]!r}"


METHODS = ("TRACE", "PROPFIND", "CONNECTING", "get", "LOCK", "PATCH", "DELETE", "PUT", "HEAD")


@pytest.mark.parametrize(
    "path",
    [
        *(f"{API}/status", f"{API}/servers", "/v1/account", "/v1/servers/", "/", "/nowhere"),
        *("/api/v2", "/api/v2/servers", "/api/v2/nowhere", "/ws"),
        *("/1.0", "/1.0/server", "/server", "/1.0/server/new", "/1.0/nowhere"),
    ],
)
def test_unknown_methods_are_refused(house: House, path: str) -> None:
    host, port = house.address
    for method in METHODS:
        ask_oddly(house, method, path, f"{host}:{port}")


def ask_oddly(house: House, method: str, path: str, host: str) -> None:
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {house.key}\r\nConnection: close\r\n\r\n"
    )
    status = int(house.say(request.encode()).split(b" ", 2)[1])
    assert status in (200, 400, 404, 405), status
    if method == "HEAD" and path in ("/", f"{API}/status"):
        assert status in (200, 405), status


PROTOCOL = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    "nothing": b"",
    "no version": b"GET /\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "absolute": b"GET http://elsewhere.example/ HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
    "authority": b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example:443\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET /api/innkeeper/v1/status HTTP/1.1\r\n\r\n",
    "dots": b"GET /api/innkeeper/v1/servers/../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": b"POST /api/innkeeper/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    b"Content-Length: 9\r\n\r\n{}",
    "length and chunks": b"POST /api/innkeeper/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/account HTTP/1.1\r\nHost: x\r\n\r\n",
    "negative length": b"POST /api/innkeeper/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "huge length": b"POST /api/innkeeper/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: "
    + b"9" * 40
    + b"\r\n\r\n{}",
    "more than came": b"POST /api/innkeeper/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{}",
    "bad chunk": b"POST /api/innkeeper/v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "huge chunk": b"POST /api/innkeeper/v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"ffffffffffffffffff\r\nabc",
    "split header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\nContent-Length : 0\r\n\r\n",
    "header without end": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 300_000,
    "address without end": b"GET /" + b"a" * 300_000,
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    "bytes in the address": b"GET /\xff\xfe\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "64 KB address": b"GET /v1/servers/" + b"a" * 64_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}


def test_broken_http_ends_the_connection_and_nothing_else(house: House) -> None:
    for name, said in PROTOCOL.items():
        answer = house.say(said, patience=0.3)
        assert not answer or answer.startswith(b"HTTP/1.1 "), f"{name}: {answer[:200]!r}"
        for part in answer.split(b"HTTP/1.1 ")[1:]:
            assert int(part[:3]) < 500, f"{name}: {answer[:500]!r}"
        assert b"root:" not in answer, name


def test_a_head_without_end_costs_no_memory(house: House) -> None:
    before = house.rss_mib
    for start in (b"GET / HTTP/1.1\r\nX: ", b"GET /", b"GET / HTTP/1.1\r\n"):
        with house.raw() as connection:
            try:
                for number in range(1000):
                    connection.sendall(b"a" * 65536 if start[-1:] != b"\n" else b"x%d: y\r\n" % number * 4000)
            except OSError:
                continue
            raise AssertionError("it reads heads for ever")
    assert house.rss_mib - before < 40


def test_a_flood_of_pipelined_requests_is_cut_off(house: House) -> None:
    before = house.rss_mib
    many = b"GET /api/innkeeper/v1/status HTTP/1.1\r\nHost: x\r\n\r\n" * 20_000
    with house.raw(5) as connection:
        try:
            for _ in range(40):
                connection.sendall(many)
        except OSError:
            pass  # cut off
    house.alive()
    assert house.rss_mib - before < 80


def test_a_body_in_chunks_without_end_is_refused_in_time(house: House) -> None:
    head = b"POST /api/innkeeper/v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    before = house.rss_mib
    with house.raw() as connection:
        connection.sendall(head)
        try:
            for _ in range(600):
                connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
        except OSError:
            pass  # cut off, or refused long ago
    assert house.rss_mib - before < 40


def test_a_wait_ends_when_the_client_leaves(house: House, victim: Game) -> None:
    with house.raw() as connection:
        request = (
            f"GET {API}/servers/{victim.id}?wait=60 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.key}\r\n\r\n"
        )
        connection.sendall(request.encode())
    until(lambda: len(house.process.net_connections()) < 50, "connections to be closed")


def test_everything_together_left_it_small(house: House) -> None:
    assert house.rss_mib < 400

"""The files API against a game that lays traps in its own folder, and against clients that break off."""

import os
from pathlib import Path

import httpx
import pytest

from tests.hostile.house import API, Game, House, until

PART = b"p" * 65536

OUTSIDE = (
    "..",
    "../",
    "../..",
    "/..",
    "../../../../../../etc/passwd",
    "a/../../..",
    "./../x",
    "..//..//etc",
    "inside/../../etc/passwd",
    "....//",
    "..\\..\\",
    "%2e%2e/%2e%2e",
    "../files_secret",
    "../journal",
    "../../../identity.json",
    "../../../../innkeeper.db",
)
ODD = ("", "/", ".", "//", "a" * 256, "/".join(["d"] * 200), "a\0b", "\ud800", "x" * 5000)
TRAPS = {
    "to-passwd": "/etc/passwd",
    "to-shadow": "/etc/shadow",
    "to-root": "/",
    "to-proc": "/proc/self",
    "to-environ": "/proc/self/environ",
    "to-parent": "..",
    "to-self": "to-self",
    "to-stdin": "/dev/stdin",
    "to-null": "/dev/null",
}


@pytest.fixture(scope="module")
def trapped(house: House, game: Game, victim: Game) -> Game:
    """The game, once it has laid its traps; one of them leads to another server's folder."""
    for name, target in TRAPS.items():
        game.done(f"link {target} {name}")
    game.done(f"link {victim.folder} to-neighbour")
    game.done(f"link {house.data}/innkeeper.db to-database")
    game.done("fifo pipe")
    (victim.folder / "secret.txt").write_text("the neighbour's secret")
    return game


def verbs(game: Game, path: str) -> list[tuple[str, str, dict[str, object]]]:
    """Return every way in which the API can be asked to touch `path`."""
    base = game.path
    return [
        ("GET", f"{base}/files", {"params": {"path": path}}),
        ("GET", f"{base}/files/content", {"params": {"path": path}}),
        ("PUT", f"{base}/files/content", {"params": {"path": path}, "content": b"overwritten"}),
        ("DELETE", f"{base}/files", {"params": {"path": path}}),
        ("POST", f"{base}/files/directory", {"json": {"path": path}}),
        ("POST", f"{base}/files/rename", {"json": {"source": path, "target": "moved-here"}}),
        ("POST", f"{base}/files/rename", {"json": {"source": "harmless.txt", "target": path}}),
    ]


def put(house: House, game: Game, path: str, content: bytes) -> None:
    reply = house.client.put(f"{game.path}/files/content", params={"path": path}, content=content)
    assert reply.status_code == 204, reply.text


def test_no_verb_reaches_outside_by_name(house: House, trapped: Game) -> None:
    put(house, trapped, "harmless.txt", b"harmless")
    for path in OUTSIDE:
        for method, where, more in verbs(trapped, path):
            reply = house.client.request(method, where, **more)
            assert reply.status_code < 500, f"{method} {where} {path}: {reply.text}"
            inside = "\\" in path or "%" in path or path == "....//"  # names like any other
            assert inside or reply.status_code >= 400, f"{method} {where} {path!r}: {reply.status_code} {reply.text}"


@pytest.mark.parametrize("trap", [*TRAPS, "to-neighbour", "to-database", "pipe"])
def test_no_verb_follows_a_trap_of_the_game(house: House, trapped: Game, victim: Game, trap: str) -> None:
    put(house, trapped, "harmless.txt", b"harmless")
    before = {path: path.stat().st_mtime_ns for path in (Path("/etc/passwd"), victim.folder / "secret.txt")}
    for below in ("", "/secret.txt", "/passwd", "/etc/passwd", "/environ"):
        path = trap + below
        reply = house.client.get(f"{trapped.path}/files/content", params={"path": path}, timeout=20)
        assert reply.status_code >= 400 and "root:x" not in reply.text and "neighbour's" not in reply.text, (
            f"{path}: {reply.text[:300]}"
        )
        reply = house.client.get(f"{trapped.path}/files", params={"path": path})
        assert 400 <= reply.status_code < 500, f"{path}: {reply.text[:300]}"
        if below:
            for method, where, more in verbs(trapped, path)[2:]:
                reply = house.client.request(method, where, **more)
                assert 400 <= reply.status_code < 500, f"{method} {path}: {reply.status_code} {reply.text}"
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert (victim.folder / "secret.txt").read_text() == "the neighbour's secret"


def test_deleting_and_replacing_a_link_touches_the_link_alone(house: House, trapped: Game, victim: Game) -> None:
    trapped.done(f"link {victim.folder} doomed")
    trapped.done(f"link {victim.folder}/secret.txt replaced")
    assert house.client.delete(f"{trapped.path}/files", params={"path": "doomed"}).status_code in (200, 204)
    house.client.put(f"{trapped.path}/files/content", params={"path": "replaced"}, content=b"overwritten")
    assert (victim.folder / "secret.txt").read_text() == "the neighbour's secret"


def test_a_folder_with_links_is_deleted_without_following_them(house: House, trapped: Game, victim: Game) -> None:
    for folder in ("tree", "tree/deep"):
        house.ask("POST", f"/servers/{trapped.id}/files/directory", json={"path": folder})
    trapped.done(f"link {victim.folder} tree/deep/out")
    trapped.done("link /etc tree/etc")
    assert house.client.delete(f"{trapped.path}/files", params={"path": "tree"}).status_code in (200, 204)
    assert (victim.folder / "secret.txt").exists() and Path("/etc/passwd").exists()
    assert not (trapped.folder / "tree").exists()


def test_odd_paths_are_refused_or_mean_the_folder(house: House, trapped: Game) -> None:
    for path in ODD:
        escaped = path.encode("utf-8", "surrogatepass")
        query = httpx.QueryParams()
        where = f"{trapped.path}/files/content?path=" + "".join(f"%{byte:02x}" for byte in escaped)
        reply = house.client.get(where, params=query or None)
        assert 400 <= reply.status_code < 500, f"{path[:40]!r}: {reply.status_code} {reply.text[:300]}"


def test_names_made_to_deceive_are_listed_and_can_be_deleted(house: House, trapped: Game) -> None:
    house.ask("POST", f"/servers/{trapped.id}/files/directory", json={"path": "odd"})
    names = [
        b"new\nline",
        b"\x1b[31mred",
        b"\xff\xfe",
        "right\u202eto-left".encode(),
        b"quote\"'`;$(id)",
        b"tab\there",
        "\u2028".encode(),
        b"<script>alert(1)<script>",
        b"-rf",
        b" ",
        b"~",
        b"con",
        b"a" * 255,
        b"\xff" * 255,
        b"\x01" * 255,
    ]
    for name in names:
        trapped.done(f"make {(b'odd/' + name).hex()}")
    listed, cursor = [], None
    while True:
        params = {"path": "odd", "limit": 4} | ({"cursor": cursor} if cursor else {})
        page = house.ask("GET", f"/servers/{trapped.id}/files", params=params)
        listed += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(listed) == len(names), sorted(os.listdir(os.fsencode(trapped.folder / "odd")))
    for entry in listed:
        reply = house.client.get(f"{trapped.path}/files/content", params={"path": entry["path"]})
        assert reply.content == b"x", entry
        assert "\n" not in reply.headers["content-disposition"] and "script" not in reply.headers["content-type"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert house.client.delete(f"{trapped.path}/files", params={"path": entry["path"]}).status_code in (200, 204)
    assert list((trapped.folder / "odd").iterdir()) == []


def unfinished(house: House, game: Game) -> list[str]:
    """Return files of the server's folder, however they are called, that hold what half an upload brought."""
    place = game.folder.parent
    return [str(path) for path in place.rglob("*") if path.is_file() and not path.is_symlink() and _begins(path)]


def _begins(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(PART)) == PART


def test_an_upload_that_breaks_off_leaves_nothing(house: House, game: Game) -> None:
    before = house.descriptors
    for target in ("files/content?path=half.bin", "archive?name=half.zip"):
        for how in ("Content-Length: 20000000", "Transfer-Encoding: chunked"):
            head = f"PUT {game.path}/{target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.key}\r\n{how}\r\n\r\n"
            with house.raw() as connection:
                connection.sendall(head.encode())
                for _ in range(40):
                    connection.sendall(b"10000\r\n" + PART + b"\r\n" if "chunked" in how else PART)
                until(
                    lambda: bool(unfinished(house, game)) or house.descriptors != before, "the upload to be under way"
                )
    until(lambda: not unfinished(house, game), "the halves to be gone", otherwise=lambda: str(unfinished(house, game)))
    until(lambda: house.descriptors == before, "descriptors to be closed", otherwise=lambda: str(house.descriptors))
    assert not (game.folder / "half.bin").exists()


def test_a_large_upload_and_download_do_not_grow_memory(house: House, game: Game) -> None:
    count = 200 * 16
    put(house, game, "warm.bin", PART)
    before, most = house.rss_mib, 0.0

    def content() -> object:
        nonlocal most
        for number in range(count):
            if number % 160 == 0:
                most = max(most, house.rss_mib)
            yield PART

    reply = house.client.put(f"{game.path}/files/content", params={"path": "large.bin"}, content=content())  # type: ignore[arg-type]
    assert reply.status_code == 204, reply.text
    size = 0
    with house.client.stream("GET", f"{game.path}/files/content", params={"path": "large.bin"}) as download:
        for part in download.iter_bytes():
            size += len(part)
    most = max(most, house.rss_mib)
    assert size == count * len(PART)
    assert most - before < 60, f"{before} → {most} MiB"
    house.client.delete(f"{game.path}/files", params={"path": "large.bin"})


def test_a_download_that_nobody_reads_is_not_read_ahead(house: House, game: Game) -> None:
    put(house, game, "large.bin", PART * 800)
    before = house.rss_mib
    request = (
        f"GET {game.path}/files/content?path=large.bin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.key}\r\n\r\n"
    )
    connections = [house.raw() for _ in range(10)]
    opened = [connection.__enter__() for connection in connections]
    try:
        for connection in opened:
            connection.sendall(request.encode())
            assert connection.recv(15).startswith(b"HTTP/1.1 200")
        house.alive()
        assert house.rss_mib - before < 40
    finally:
        for connection in connections:
            connection.__exit__(None, None, None)
    house.client.delete(f"{game.path}/files", params={"path": "large.bin"})


def test_archives_have_plain_names(house: House, game: Game) -> None:
    for name in ("../x.zip", "/etc/x.zip", "a/b.zip", "..", ".", "a\0b.zip", "\n", "n" * 256):
        reply = house.client.put(f"{game.path}/archive", params={"name": name}, content=b"PK")
        assert 400 <= reply.status_code < 500 or name == "\n", f"{name!r}: {reply.status_code} {reply.text}"


def test_one_servers_files_are_no_way_to_anothers(house: House, game: Game) -> None:
    made = house.ask("POST", "/accounts", json={"username": "stranger", "password": "a long password"})
    session = house.ask("POST", "/sessions", json={"username": "stranger", "password": "a long password"})
    with house.as_key(session["token"]) as stranger:
        for method, where, more in verbs(game, "harmless.txt"):
            reply = stranger.request(method, where, **more)
            assert reply.status_code == 404, f"{method} {where}: {reply.text}"
            assert reply.json()["error"]["code"] == "no_such_server"
        assert stranger.get(f"{API}/servers").json()["items"] == []
    house.ask("DELETE", f"/accounts/{made['id']}")

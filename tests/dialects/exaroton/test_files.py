"""Files through the dialect: bytes both ways as they are, odd names, hostile ones, and the one truth behind it all."""

import json
from collections.abc import AsyncIterator
from posixpath import dirname
from typing import Any
from urllib.parse import quote

import pytest

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.files.errors import FileNotFound
from innkeeper.core.servers.model import Server, ServerChanges
from innkeeper.testing.products import House
from tests.dialects.exaroton import fields
from tests.dialects.exaroton.served import Served

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
HOSTILE = [
    "../secret",
    "world/../../secret",
    "..",
    "world/..",
    "a/../b",
    "nul\0byte",
    "x" * 256,
    "/".join(["deep"] * 1000),
]


class Files:
    """Asks for files of the server `example`."""

    def __init__(self, served: Served, key: str | None = None) -> None:
        self._served = served
        self._key = key or served.key
        self.tree = served.house.gateway.trees.setdefault(served.example.server.uuid, {})

    async def ask(self, method: str, what: str, path: str, body: Any = None, **headers: str) -> Any:
        quoted = quote(path).replace("..", "%2E%2E")  # the client would resolve them by itself
        where = f"/v1/servers/{self._served.id}/files/{what}/{quoted}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        auth = {"Authorization": f"Bearer {self._key}"}
        return await self._served.ask(method, where, headers={**auth, **named}, body=body)

    async def put(self, path: str, body: Any = None, **headers: str) -> int:
        answer = await self.ask("PUT", "data", path, body, **headers)
        fields.check(answer.url.path, answer.status_code, answer.json())
        status: int = answer.status_code
        return status

    async def info(self, path: str) -> Any:
        answer = await self.ask("GET", "info", path)
        fields.check(answer.url.path, answer.status_code, answer.json())
        return answer.json()["data"]


@pytest.fixture
def files(served: Served) -> Files:
    return Files(served)


async def in_parts(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"plain words\n", "text/plain;charset=UTF-8"),
        (b"", "text/plain;charset=UTF-8"),
        (PNG, "image/png"),
        (b"\x89PNG\0", "application/octet-stream"),
        (bytes(range(256)) * 5000, "application/octet-stream"),
    ],
)
async def test_what_was_put_is_got_back_byte_for_byte(files: Files, content: bytes, kind: str) -> None:
    assert await files.put("file", content) == 200
    got = await files.ask("GET", "data", "file")
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, content, kind)
    assert got.headers["content-length"] == str(len(content))
    head = await files.ask("HEAD", "data", "file")
    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


async def test_no_content_is_run_by_a_browser(files: Files) -> None:
    await files.put("page.html", b"<script>alert(1)</script>")
    got = await files.ask("GET", "data", "page.html")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "application/octet-stream",
        "text/plain;charset=UTF-8",
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "no type at all",
        "inode/file",
    ],
)
async def test_a_body_is_stored_verbatim_whatever_type_it_says(files: Files, kind: str | None) -> None:
    headers = {"Content_Type": kind} if kind is not None else {}
    assert await files.put("file", b'{"not": "parsed"}\r\n--x\r\n', **headers) == 200
    assert files.tree["file"] == b'{"not": "parsed"}\r\n--x\r\n'


async def test_a_body_without_its_length_is_stored_whole(files: Files) -> None:
    assert await files.put("file", in_parts(b"one ", b"", b"two ", b"x" * 1_000_000)) == 200
    assert files.tree["file"] == b"one two " + b"x" * 1_000_000


@pytest.mark.parametrize("kind", ["inode/directory", "Inode/Directory; charset=utf-8"])
async def test_folders_are_made_with_those_above_and_made_again(files: Files, kind: str) -> None:
    for _ in range(2):
        assert await files.put("new dir/ü/deep", b"", Content_Type=kind) == 200
    assert files.tree == {"new dir": None, "new dir/ü": None, "new dir/ü/deep": None}
    assert await files.put("new dir/ü", b"", Content_Type=kind) == 200
    assert (await files.info("new dir/ü"))["isDirectory"] is True


async def test_a_file_is_written_into_folders_that_are_not_there_yet(served: Served, files: Files) -> None:
    gateway = served.house.gateway
    begin_upload = gateway.begin_upload

    async def begin(server: Server, path: str) -> str:
        """Begin as a node does: it makes no folder unasked."""
        parent = dirname(path)
        if parent and parent not in files.tree:
            raise FileNotFound
        return await begin_upload(server, path)

    gateway.begin_upload = begin  # type: ignore[method-assign]
    assert await files.put("new dir/deep/x", in_parts(b"a", b"b")) == 200
    assert files.tree["new dir/deep/x"] == b"ab"


@pytest.mark.parametrize(
    "name", ["a b", "ü", "#hash", "what?", "100%", "a+b", "a&b=c", "…", "%2e%2e", "name.", " lead", "'\""]
)
async def test_a_name_may_be_odd(files: Files, name: str) -> None:
    assert await files.put(f"dir/{name}", b"words") == 200
    assert files.tree == {"dir": None, f"dir/{name}": b"words"}
    assert (await files.ask("GET", "data", f"dir/{name}")).content == b"words"
    info = await files.info(f"dir/{name}")
    assert (info["path"], info["name"]) == (f"dir/{name}", name)
    assert (await files.ask("DELETE", "data", f"dir/{name}")).status_code == 200
    assert (await files.ask("GET", "info", f"dir/{name}")).status_code == 404


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize(
    ("method", "what"),
    [("GET", "info"), ("GET", "data"), ("PUT", "data"), ("DELETE", "data"), ("GET", "config"), ("POST", "config")],
)
async def test_a_hostile_path_is_refused_in_the_envelope(files: Files, method: str, what: str, path: str) -> None:
    answer = await files.ask(method, what, path, b"{}" if method in ("PUT", "POST") else None)
    assert answer.status_code in (400, 403, 404)
    fields.check("/v1", answer.status_code, answer.json())
    assert files.tree == {}


async def test_what_is_what_in_a_tree(files: Files) -> None:
    files.tree.update(
        {
            "logs": None,
            "logs/latest.log": b"words",
            "logs/more": None,
            "logs/more/anything": b"words",
            "run.log": b"words",
            "old.log.gz": b"\x1f\x8b\0",
            "catalogs": None,
            "catalogs/x": b"words",
            "server.properties": b"a=b\n",
            "whitelist.json": b"[]",
            "level.dat": b"\0",
        }
    )
    found: dict[str, set[str]] = {}

    def walk(file: dict[str, Any]) -> None:
        found[file["path"]] = {name for name, value in file.items() if value is True}
        for child in file["children"] or ():
            walk(child)

    walk(await files.info(""))
    both = {"isReadable", "isWritable"}
    assert found == {
        "": {"isDirectory"},
        "logs": {"isDirectory"},
        "logs/latest.log": {*both, "isTextFile", "isLog"},
        "logs/more": {"isDirectory"},
        "logs/more/anything": {*both, "isTextFile", "isLog"},
        "run.log": {*both, "isTextFile", "isLog"},
        "old.log.gz": {*both, "isLog"},
        "catalogs": {"isDirectory"},
        "catalogs/x": {*both, "isTextFile"},
        "server.properties": {*both, "isTextFile", "isConfigFile"},
        "whitelist.json": {*both, "isTextFile"},
        "level.dat": both,
    }


async def test_who_may_only_read_is_told_so(served: Served, files: Files) -> None:
    files.tree["x"] = b"words"
    guest = await served.house.account("guest")
    await served.house.share(served.example, guest, ServerPermission.VIEW, ServerPermission.FILES_READ)
    theirs = Files(served, await served.house.key(guest))
    info = await theirs.info("x")
    assert (info["isReadable"], info["isWritable"]) == (True, False)
    assert await theirs.put("x", b"other") == 403
    assert (await theirs.ask("DELETE", "data", "x")).status_code == 403
    assert files.tree == {"x": b"words"}


async def test_a_suspended_servers_files_are_closed(served: Served, files: Files) -> None:
    files.tree["x"] = b"words"
    house = served.house
    guest = await house.account("guest")
    await house.share(served.example, guest, ServerPermission.VIEW, ServerPermission.FILES_READ)
    await house.product.servers.suspend(house.actor(house.root), house.now(served.example), "unpaid")
    answer = await Files(served, await house.key(guest)).ask("GET", "data", "x")
    assert (answer.status_code, answer.json()["error"]) == (400, "The server is suspended.")


async def test_a_node_that_is_away_is_a_fault_of_ours(served: Served, files: Files) -> None:
    served.house.gateway.offline = True
    for method, what in (("GET", "info"), ("GET", "data"), ("PUT", "data"), ("DELETE", "data")):
        answer = await files.ask(method, what, "x")
        assert answer.status_code == 500
        fields.check("/v1", 500, answer.json())


# -- one truth ---------------------------------------------------------------------------------------------------------


async def test_the_option_of_the_documentation_is_as_it_is_there(files: Files) -> None:
    files.tree["server.properties"] = b"gamemode=survival\n"
    answer = (await files.ask("GET", "config", "server.properties")).json()
    fields.check("/v1/servers/x/files/config/server.properties", 200, answer)
    [gamemode] = [option for option in answer["data"] if option["key"] == "gamemode"]
    assert {**gamemode, "label": gamemode["label"].capitalize()} == {
        "key": "gamemode",
        "value": "survival",
        "label": "Gamemode",
        "type": "select",
        "options": ["survival", "creative", "adventure", "spectator"],
    }


async def test_an_option_a_file_and_a_server_say_the_same(served: Served, files: Files) -> None:
    files.tree["server.properties"] = b"# by hand\nmotd=Hello\n"
    changed = await files.ask("POST", "config", "server.properties", json.dumps({"motd": "By options"}).encode())
    assert changed.status_code == 200
    assert b"# by hand\nmotd=By options\n" in (await files.ask("GET", "data", "server.properties")).content
    await served.ask(
        "POST",
        f"/v1/servers/{served.id}/options/motd",
        headers={"Authorization": f"Bearer {served.key}"},
        body=b'{"motd": "By the route"}',
    )
    assert b"motd=By the route\n" in (await files.ask("GET", "data", "server.properties")).content
    await files.put("server.properties", b"motd=By hand\n")
    assert (await served.get(f"/servers/{served.id}/options/motd")).json()["data"] == {"motd": "By hand"}
    assert (await served.get(f"/servers/{served.id}")).json()["data"]["motd"] == "By hand"


async def test_a_player_list_and_its_file_are_one(served: Served, files: Files) -> None:
    where = f"/v1/servers/{served.id}/playerlists/whitelist"
    auth = {"Authorization": f"Bearer {served.key}"}
    await served.ask("PUT", where, headers=auth, body=b'{"entries": ["Alice", "Bob"]}')
    held = json.loads((await files.ask("GET", "data", "whitelist.json")).content)
    assert [entry["name"] for entry in held] == ["Alice", "Bob"]
    await files.put("whitelist.json", json.dumps(held[1:]).encode())
    assert (await served.ask("GET", where, headers=auth)).json()["data"] == ["Bob"]


# -- options of servers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mib", "shown"), [(192, 1), (1024, 1), (1025, 2), (2048, 2), (16_384, 16), (100_000, 98)])
async def test_memory_is_shown_in_whole_gigabytes_rounded_up(served: Served, mib: int, shown: int) -> None:
    house = served.house
    limits = type(served.example.server.limits)(memory_mib=mib, cpu_percent=150)
    await house.product.servers.change(house.actor(house.root), served.example, ServerChanges(limits=limits))
    assert (await served.get(f"/servers/{served.id}/options/ram")).json()["data"] == {"ram": shown}


async def test_changed_memory_leaves_other_limits_alone(served: Served) -> None:
    house = served.house
    limits = type(served.example.server.limits)(memory_mib=512, cpu_percent=150, disk_mib=9)
    await house.product.servers.change(house.actor(house.root), served.example, ServerChanges(limits=limits))
    where, auth = f"/v1/servers/{served.id}/options/ram", {"Authorization": f"Bearer {served.key}"}
    await served.ask("POST", where, headers=auth, body=b'{"ram": 3}')
    now = house.now(served.example).server.limits
    assert (now.memory_mib, now.cpu_percent, now.disk_mib) == (3072, 150, 9)


async def test_a_game_without_a_message_of_the_day_says_so(served: Served) -> None:
    other = await served.house.server(name="other")
    where, auth = (
        f"/v1/servers/{served.ids.of_server(other.server)}/options/motd",
        {"Authorization": f"Bearer {served.key}"},
    )
    for method in ("GET", "POST"):
        answer = await served.ask(method, where, headers=auth, body=b'{"motd": "x"}')
        assert answer.status_code == 400
        assert answer.json()["error"] == "Custom has no message of the day."


async def test_ids_of_one_kind_are_no_ids_of_another(served: Served) -> None:
    house: House = served.house
    ids = {served.ids.of_server(served.example.server), served.ids.of_account(1), served.ids.of_pool(1)}
    assert len(ids) == 3
    account = served.ids.of_account(house.root.id)
    assert (await served.get(f"/servers/{account}")).status_code == 404
    assert (await served.get(f"/billing/pools/{served.id}")).status_code == 404

"""Logs and files of servers through Crafty's routes: the forms of lines, and what can be done with files."""

import io
import json
import zipfile
from typing import Any

import msgspec
import pytest

from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import LastExit, Live
from tests.dialects.crafty.served import Served
from tests.dialects.crafty.test_server_routes import RAW, make

# -- logs -------------------------------------------------------------------------------------------------------------

LINE = '[17:21:01] [Server thread/INFO]: For \x1b[31mhelp\x1b[0m, type "help" <b>'


@pytest.mark.parametrize(
    ("query", "due"),
    [
        ("", "[17:21:01] [Server thread/INFO]: For help, type &quot;help&quot; &lt;b&gt;"),
        ("?raw=true", LINE),
        ("?raw=1", "[17:21:01] [Server thread/INFO]: For help, type &quot;help&quot; &lt;b&gt;"),
        (
            "?colors=true",
            '<span class="mc-log-info"><span class="mc-log-time">[17:21:01]</span> [Server thread/INFO]</span>: '
            'For <span class="mc-log-keyword">help</span>, type &quot;<span class="mc-log-keyword">help</span>&quot; '
            "&lt;b&gt;",
        ),
    ],
)
async def test_lines_of_the_console_are_told_in_four_forms(served: Served, query: str, due: str) -> None:
    record = served.example
    served.house.gateway.say(record.server.uuid, LINE)
    await served.data("PATCH", "/crafty/config", json={"keywords": ["help"]})
    assert await served.data("GET", f"/servers/{record.server.id}/logs{query}") == [due]


async def test_the_console_is_told_of_the_run_under_way_or_else_of_the_last_one(served: Served) -> None:
    house, server = served.house, served.example.server
    house.gateway.say(server.uuid, "long ago")
    live = msgspec.structs.replace(house.gateway.live(State.RUNNING), started_at=house.clock.now())
    await house.gateway.see(server.uuid, live)
    house.gateway.say(server.uuid, "now")
    logs = f"/servers/{server.id}/logs"
    assert await served.data("GET", logs) == ["now"]
    ended = LastExit(
        code=3, signal=None, started_at=live.started_at, at=house.clock.now(), clean=False, reason="ended with code 3"
    )
    await house.gateway.see(server.uuid, Live(state=State.CRASHED, last_exit=ended))
    assert await served.data("GET", logs) == ["now"]


async def test_a_page_of_lines_is_html_that_does_nothing(served: Served) -> None:
    record = served.example
    served.house.gateway.say(record.server.uuid, "<script>", "two")
    for query in ("html=true", "html=true&raw=true"):
        reply = await served.ask("GET", f"/servers/{record.server.id}/logs?{query}", token=await served.token("root"))
        assert reply.text == "&lt;script&gt;<br />two<br />"
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_the_games_own_log_is_read_from_its_end(served: Served) -> None:
    server_id = await make(served, RAW)
    server = served.house.product.directory.get(server_id).server
    tail = f"/servers/{server_id}/logs?file=true"
    path = f"/innkeeper/servers/{server.uuid}/files/logs/latest.log"
    assert await served.data("GET", tail) == [f"Unable to find file to tail: {path}"]
    lines = [f"line {number}" for number in range(5000)]
    served.house.gateway.trees[server.uuid] = {"logs": None, "logs/latest.log": "\n".join(lines).encode()}
    kept = served.house.product.house.get().log_lines
    assert await served.data("GET", tail) == lines[-kept:]
    custom = f"/servers/{served.example.server.id}/logs?file=true"
    folder = f"/innkeeper/servers/{served.example.server.uuid}/files"
    assert await served.data("GET", custom) == [f"Unable to find file to tail: {folder}"]


# -- files ------------------------------------------------------------------------------------------------------------


async def files(served: Served, method: str, body: dict[str, Any], below: str = "") -> Any:
    path = f"/servers/{served.example.server.id}/files{below}"
    reply = await served.ask(method, path, token=await served.token("root"), content=json.dumps(body).encode())
    return reply.json() if reply.status_code == 200 else (reply.status_code, reply.json()["error"])


async def test_files_are_made_written_read_renamed_and_deleted(served: Served) -> None:
    root = f"/innkeeper/servers/{served.example.server.uuid}/files"
    ok = {"status": "ok"}
    assert await files(served, "PUT", {"parent": root, "name": "Logs", "directory": True}) == ok
    assert await files(served, "PUT", {"parent": root, "name": "a&b.txt", "directory": False}) == ok
    assert await files(served, "PUT", {"parent": "Logs", "name": "c", "directory": False}, "/create") == ok
    assert await files(served, "PATCH", {"path": f"{root}/a&b.txt", "contents": "hello <b>"}) == ok
    assert await files(served, "POST", {"page": "files", "path": root}) == ok | {
        "data": {
            "root_path": {"path": root, "top": True},
            "Logs": {"path": f"{root}/Logs", "dir": True, "excluded": False},
            "a&amp;b.txt": {"path": f"{root}/a&b.txt", "dir": False, "excluded": False},
        }
    }
    assert await files(served, "POST", {"path": f"{root}/a&b.txt"}) == ok | {"data": "hello <b>"}
    assert await files(served, "PATCH", {"path": f"{root}/a&b.txt", "new_name": "b.txt"}, "/create") == ok
    below = await files(served, "POST", {"path": f"{root}/Logs"})
    assert below["data"]["root_path"] == {"path": f"{root}/Logs", "top": False}
    assert below["data"]["c"]["path"] == f"{root}/Logs/c"
    assert await files(served, "DELETE", {"filename": f"{root}/b.txt"}) == ok
    assert await files(served, "POST", {"path": f"{root}/b.txt"}) == (400, "FILE_DOES_NOT_EXIST")


async def test_a_file_called_as_the_listing_calls_its_folder_hides_nothing(served: Served) -> None:
    root = f"/innkeeper/servers/{served.example.server.uuid}/files"
    for name in ("root_path", "root&#95;path"):
        assert await files(served, "PUT", {"parent": root, "name": name, "directory": False}) == {"status": "ok"}
    assert (await files(served, "POST", {"path": root}))["data"] == {
        "root_path": {"path": root, "top": True},
        "root&#95;path": {"path": f"{root}/root_path", "dir": False, "excluded": False},
        "root&amp;#95;path": {"path": f"{root}/root&#95;path", "dir": False, "excluded": False},
    }


async def test_an_archive_is_unpacked_where_it_lies(served: Served) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("world/level.dat", "level")
    served.house.gateway.trees[served.example.server.uuid] = {"in": None, "in/w.zip": packed.getvalue(), "no.zip": b"x"}
    assert await files(served, "POST", {"folder": "in/w.zip"}, "/zip") == {"status": "ok"}
    assert (await files(served, "POST", {"path": "in/world/level.dat"}))["data"] == "level"
    assert await files(served, "POST", {"folder": "no.zip"}, "/zip") == (400, "ARCHIVE_IS_UNUSABLE")
    assert await files(served, "POST", {"folder": "gone.zip"}, "/zip") == (400, "FILE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    ("method", "body", "below", "error"),
    [
        ("POST", {"path": "/etc/passwd"}, "", "TRAVERSAL DETECTED"),
        ("POST", {"path": "../other"}, "", "TRAVERSAL DETECTED"),
        ("POST", {"path": "{root}/../../x"}, "", "TRAVERSAL DETECTED"),
        ("POST", {"path": "{root}evil"}, "", "TRAVERSAL DETECTED"),
        ("PATCH", {"path": "missing", "contents": ""}, "", "FILE_DOES_NOT_EXIST"),
        ("PATCH", {"path": "kept", "new_name": "../up"}, "/create", "TRAVERSAL DETECTED"),
        ("PUT", {"parent": "", "name": "a/b", "directory": True}, "", "TRAVERSAL DETECTED"),
        ("PUT", {"parent": "{root}", "name": "kept", "directory": False}, "", "FILE EXISTS"),
        ("PUT", {"parent": "{root}", "name": "dir", "directory": True}, "", "FILE EXISTS"),
        ("DELETE", {"filename": "{root}"}, "", "TRAVERSAL DETECTED"),
        ("DELETE", {"filename": "{root}/nope.txt"}, "", "FILE_DOES_NOT_EXIST"),
        ("POST", {"path": "binary"}, "", "DECODE_ERROR"),
        ("POST", {}, "", "INVALID_JSON_SCHEMA"),
    ],
)
async def test_what_cannot_be_done_with_files_has_a_name(
    served: Served, method: str, body: dict[str, Any], below: str, error: str
) -> None:
    uuid = served.example.server.uuid
    served.house.gateway.trees[uuid] = {"kept": b"k", "dir": None, "binary": b"\xff\xfe"}
    root = f"/innkeeper/servers/{uuid}/files"
    asked = {name: value.replace("{root}", root) if isinstance(value, str) else value for name, value in body.items()}
    assert await files(served, method, asked, below) == (400, error)
    assert served.house.gateway.trees[uuid] == {"kept": b"k", "dir": None, "binary": b"\xff\xfe"}

"""Every route asked for by curl, in the style of the documentation's commands."""

import asyncio
import json
import shutil
from typing import Any

import pytest

from tests.dialects.crafty.served import Served, host_told
from tests.dialects.crafty.standing import has_a_backup, has_files, there_are_imports
from tests.dialects.crafty.test_transcripts import bobby

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")


class Curl:
    """A user's shell, with the variable `token` in it."""

    def __init__(self, served: Served, names: dict[str, str]) -> None:
        self._served = served
        self.names = names

    async def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200, who: str = "root") -> Any:
        """Return the JSON of an answer, which must have a status."""
        command = ["curl", "-sS", "--noproxy", "*", "-X", method, "-w", "\n%{http_code}"]
        if who:
            command += ["-H", f"Authorization: Bearer {self.names[f'{who}_token']}"]
        if body is not None:
            command += ["-d", json.dumps(body)]  # of the type that curl says by itself
        process = await asyncio.create_subprocess_exec(
            *command, f"{str(self._served.client.base_url).rstrip('/')}{path}", stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await asyncio.wait_for(process.communicate(), 30)
        said, _, code = printed.decode().rpartition("\n")
        assert int(code) == status, (method, path, code, said)
        return json.loads(said).get("data")


@pytest.fixture
async def curl(served: Served) -> Curl:
    return Curl(served, await bobby(served))


@pytest.mark.proves(
    "crafty GET /",
    "crafty POST /auth/login",
    "crafty POST /auth/invalidate_tokens",
    "crafty GET /jsonschema",
    "crafty GET /jsonschema/{name}",
    by=["curl"],
)
async def test_curl_comes_in_and_leaves(curl: Curl) -> None:
    assert (await curl("GET", "/", who=""))["version"] == "4.2.3"
    told = await curl("POST", "/auth/login", {"username": "bobby", "password": "password1"}, who="")
    assert told["user_id"] == curl.names["bobby"]
    curl.names["new_token"] = told["token"]
    assert len(await curl("GET", "/jsonschema", who="new")) == 8
    assert (await curl("GET", "/jsonschema/login", who="new"))["type"] == "object"
    await curl("POST", "/auth/invalidate_tokens", who="new")
    await curl("GET", "/users/@me", who="new", status=403)
    await curl("GET", "/users/@me", who="bobby", status=403)


@pytest.mark.proves(
    "crafty GET /users",
    "crafty POST /users",
    "crafty GET /users/{user}",
    "crafty PATCH /users/{user}",
    "crafty DELETE /users/{user}",
    "crafty GET /users/{user}/permissions",
    "crafty GET /users/{user}/pfp",
    "crafty GET /users/{user}/public",
    by=["curl"],
)
async def test_curl_makes_changes_and_deletes_users(curl: Curl) -> None:
    body = {"username": "test", "password": "testtest", "email": "t@x.y", "lang": "fi_FI", "superuser": True}
    user = (await curl("POST", "/users", body, status=201))["user_id"]
    assert await curl("GET", "/users?ids=true") == [1, int(curl.names["bobby"]), int(user)]
    assert (await curl("GET", "/users"))[-1]["username"] == "test"
    await curl("PATCH", f"/users/{user}", {"username": "johnsmith", "roles": [int(curl.names["role"])]})
    shown = await curl("GET", f"/users/{user}")
    assert (shown["username"], shown["lang"], [role["role_name"] for role in shown["roles"]]) == (
        "johnsmith",
        "fi_FI",
        ["mods"],
    )
    await curl("PATCH", f"/users/{user}", {"superuser": False, "roles": []})
    assert (await curl("GET", f"/users/{user}/permissions"))["permissions"] == "000"
    assert (await curl("GET", f"/users/{user}/pfp", who="bobby")).startswith("/")
    assert (await curl("GET", f"/users/{user}/public", who="bobby"))["roles"] == []
    await curl("DELETE", f"/users/{user}")
    await curl("GET", f"/users/{user}", status=404)


@pytest.mark.proves(
    "crafty GET /users/{user}/key",
    "crafty PATCH /users/{user}/key",
    "crafty GET /users/{user}/key/{key}",
    "crafty DELETE /users/{user}/key/{key}",
    by=["curl"],
)
async def test_curl_makes_uses_and_ends_a_key(curl: Curl) -> None:
    mask = {"server_permissions_mask": "10000000", "crafty_permissions_mask": "000", "superuser": False}
    made = await curl("PATCH", "/users/@me/key", {"name": "k1x"} | mask, who="bobby")
    assert [key["id"] for key in await curl("GET", "/users/@me/key", who="bobby")][-1] == made["id"]
    curl.names["key_token"] = await curl("GET", f"/users/@me/key/{made['id']}", who="bobby")
    assert (await curl("GET", "/users/@me", who="key"))["username"] == "bobby"
    assert (await curl("DELETE", f"/users/@me/key/{made['id']}", who="bobby")) == {"id": str(made["id"])}
    await curl("GET", "/users/@me", who="key", status=403)


@pytest.mark.proves(
    "crafty GET /roles",
    "crafty POST /roles",
    "crafty GET /roles/{role}",
    "crafty PATCH /roles/{role}",
    "crafty DELETE /roles/{role}",
    "crafty GET /roles/{role}/servers",
    "crafty GET /roles/{role}/users",
    by=["curl"],
)
async def test_curl_makes_changes_and_deletes_roles(curl: Curl) -> None:
    servers = [{"server_id": int(curl.names["server"]), "permissions": "10101101"}]
    role = (await curl("POST", "/roles", {"name": "test 1234", "servers": servers}))["role_id"]
    assert role in await curl("GET", "/roles?ids=true")
    assert await curl("GET", f"/roles/{role}/servers") == servers
    await curl("PATCH", f"/roles/{role}", {"name": "renamed", "servers": []})
    assert (await curl("GET", f"/roles/{role}"))["role_name"] == "renamed"
    assert await curl("GET", f"/roles/{role}/servers?ids=true") == []
    assert await curl("GET", f"/roles/{role}/users") == []
    await curl("DELETE", f"/roles/{role}")
    await curl("GET", f"/roles/{role}", status=404)


@pytest.mark.proves(
    "crafty GET /crafty/config",
    "crafty PATCH /crafty/config",
    "crafty GET /crafty/config/customize",
    "crafty PATCH /crafty/config/customize",
    "crafty DELETE /crafty/config/customize",
    "crafty PATCH /crafty/config/servers_dir",
    "crafty GET /crafty/stats",
    "crafty GET /crafty/logs/audit",
    "crafty GET /crafty/announcements",
    "crafty POST /crafty/announcements",
    "crafty GET /crafty/JarCache",
    "crafty GET /crafty/resetPass",
    by=["curl"],
)
async def test_curl_looks_after_the_house(served: Served, curl: Curl) -> None:
    await curl("PATCH", "/crafty/config", {"keywords": ["help", "chunk", "joined"]})
    assert (await curl("GET", "/crafty/config"))["keywords"] == ["help", "chunk", "joined"]
    assert await curl("GET", "/crafty/config/customize") == []
    for method, path in (("PATCH", "customize"), ("DELETE", "customize"), ("PATCH", "servers_dir")):
        await curl(method, f"/crafty/config/{path}", {"new_dir": "/srv"}, status=400)
    await host_told(served)
    assert (await curl("GET", "/crafty/stats", who="bobby"))["mem_total"] == "16.0GB"
    assert (await curl("GET", "/crafty/logs/audit"))[-1]["log_msg"].startswith("house.changed")
    assert await curl("GET", "/crafty/announcements", who="bobby") == []
    await curl("POST", "/crafty/announcements", {"id": "1"}, who="bobby")
    assert await curl("GET", "/crafty/JarCache") is None
    await curl("GET", "/crafty/resetPass", who="", status=400)


@pytest.mark.proves(
    "crafty POST /servers",
    "crafty GET /servers/status",
    "crafty GET /servers/{server}",
    "crafty PATCH /servers/{server}",
    "crafty DELETE /servers/{server}",
    "crafty GET /servers/{server}/history",
    by=["curl"],
)
async def test_curl_makes_changes_and_deletes_a_server(curl: Curl) -> None:
    raw = {"create_type": "raw_exec", "raw_exec_create_data": {"command": "python3 -u game.py"}}
    made = await curl(
        "POST",
        "/servers",
        {
            "name": "S one",
            "monitoring_type": "none",
            "create_type": "custom",
            "custom_create_data": raw
            | {"working_directory": "", "executable_update": {"enabled": False, "file": "", "url": ""}},
        },
        status=201,
    )
    server = f"/servers/{made['new_server_id']}"
    assert (await curl("GET", server))["server_uuid"] == made["new_server_uuid"]
    await curl("PATCH", server, {"server_name": "api test server", "show_status": True})
    assert (await curl("GET", server))["server_name"] == "api test server"
    assert made["new_server_id"] in {str(one["id"]) for one in await curl("GET", "/servers/status", who="")}
    assert await curl("GET", f"{server}/history") == []
    await curl("DELETE", f"{server}?files=true")
    await curl("GET", server, status=400)


@pytest.mark.proves(
    "crafty GET /servers/{server}/tasks",
    "crafty POST /servers/{server}/tasks",
    "crafty GET /servers/{server}/tasks/{task}",
    "crafty PATCH /servers/{server}/tasks/{task}",
    "crafty DELETE /servers/{server}/tasks/{task}",
    "crafty GET /servers/{server}/tasks/{task}/children",
    by=["curl"],
)
async def test_curl_makes_changes_and_deletes_a_task(curl: Curl) -> None:
    tasks = f"/servers/{curl.names['server']}/tasks"
    body = {"name": "Test 1234", "action": "custom_command", "interval": 1, "interval_type": "minutes"}
    task = (await curl("POST", f"{tasks}/", body | {"command": "say hello world"}))["schedule_id"]
    await curl("GET", tasks)
    await curl("GET", f"{tasks}/{task}")
    await curl("GET", f"{tasks}/{task}/children")
    await curl("PATCH", f"{tasks}/{task}", {"name": "Test 5678", "enabled": False})
    await curl("DELETE", f"{tasks}/{task}")
    await curl("GET", f"{tasks}/{task}", status=400)


@pytest.mark.proves(
    "crafty POST /servers/{server}/webhook",
    "crafty PATCH /servers/{server}/webhook/{webhook}",
    "crafty POST /servers/{server}/webhook/{webhook}",
    "crafty DELETE /servers/{server}/webhook/{webhook}",
    by=["curl"],
)
async def test_curl_makes_tries_changes_and_deletes_a_webhook(curl: Curl) -> None:
    webhooks = f"/servers/{curl.names['server']}/webhook"
    body = {"webhook_type": "Discord", "name": "mine", "url": "https://webhook.example.com", "bot_name": "Crafty BOT"}
    body |= {"trigger": ["server_start"], "body": "Server Has Started", "enabled": True}
    webhook = (await curl("POST", f"{webhooks}/", body))["webhook_id"]
    await curl("PATCH", f"{webhooks}/{webhook}/", {"webhook_type": "Slack"})
    assert (await curl("GET", f"{webhooks}/{webhook}"))["webhook_type"] == "Slack"
    await curl("POST", f"{webhooks}/{webhook}/")
    await curl("DELETE", f"{webhooks}/{webhook}")
    await curl("GET", f"{webhooks}/{webhook}", status=400)


@pytest.mark.proves(
    "crafty GET /servers/{server}/backups",
    "crafty PATCH /servers/{server}/backups",
    "crafty GET /servers/{server}/backups/backup",
    "crafty POST /servers/{server}/backups/backup",
    "crafty DELETE /servers/{server}/backups/backup",
    by=["curl"],
)
async def test_curl_restores_and_deletes_a_backup(served: Served, curl: Curl) -> None:
    backups = f"/servers/{curl.names['server']}/backups"
    await has_a_backup(served)
    await curl("PATCH", backups, {"max_backups": 3, "compress": True})
    await curl("GET", backups)
    await curl("GET", f"{backups}/backup")
    await curl("POST", f"{backups}/backup", {"filename": "2026-11-22_07-00-00_1.zip"})
    await curl("POST", f"{backups}/backup", {"filename": "2026-11-22_07-00-00_9.zip"}, status=400)
    await curl("DELETE", f"{backups}/backup", {"filename": "2026-11-22_07-00-00_1.zip"})


@pytest.mark.proves(
    "crafty POST /servers/{server}/files",
    "crafty PATCH /servers/{server}/files",
    "crafty PUT /servers/{server}/files",
    "crafty DELETE /servers/{server}/files",
    "crafty PATCH /servers/{server}/files/create",
    "crafty PUT /servers/{server}/files/create",
    "crafty POST /servers/{server}/files/zip",
    "crafty POST /import/file/unzip",
    by=["curl"],
)
async def test_curl_reads_writes_moves_unpacks_and_deletes_files(served: Served, curl: Curl) -> None:
    files = f"/servers/{curl.names['server']}/files"
    await has_files(served)
    await curl("PATCH", files, {"path": "a.txt", "contents": "hello"})
    assert await curl("POST", files, {"page": "files", "path": "a.txt"}) == "hello"
    await curl("PUT", files, {"parent": "", "name": "b.txt", "directory": False})
    await curl("PUT", f"{files}/create", {"parent": "logs", "name": "c.txt", "directory": False})
    await curl("PATCH", f"{files}/create", {"path": "a.txt", "new_name": "moved.txt"})
    await curl("POST", f"{files}/zip", {"folder": "world.zip"})
    await curl("DELETE", files, {"filename": "moved.txt"})
    assert "moved.txt" not in await curl("POST", files, {"page": "files", "path": ""})
    await there_are_imports(served)
    listed = await curl("POST", "/import/file/unzip", {"page": "import", "folder": "/srv/import/old.zip"})
    assert listed["world"] == {"path": "/srv/import/old.zip/world", "dir": True}

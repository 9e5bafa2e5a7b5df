"""Servers through Crafty's routes: found, made, changed, told what to do, deleted."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import Live, OnlinePlayer, Usage
from innkeeper.testing.products import House
from tests.dialects.crafty.served import Served

RAW = {
    "name": "Raw",
    "monitoring_type": "minecraft_java",
    "minecraft_java_monitoring_data": {"host": "127.0.0.1", "port": 25601},
    "create_type": "custom",
    "custom_create_data": {"create_type": "raw_exec", "raw_exec_create_data": {"command": "python3 -u game.py"}},
    "stop_command": "end",
}


def imported(**changes: Any) -> dict[str, Any]:
    data = {
        "existing_server_path": "/srv/import/old",
        "jarfile": "paper.jar",
        "mem_min": 1,
        "mem_max": 2,
        "server_properties_port": 25602,
    }
    return {
        "name": "Old world",
        "monitoring_type": "minecraft_java",
        "minecraft_java_monitoring_data": {"host": "127.0.0.1", "port": 25565},
        "create_type": "minecraft_java",
        "minecraft_java_create_data": {"create_type": "import_server", "import_server_create_data": data | changes},
    }


async def make(served: Served, body: dict[str, Any]) -> int:
    """Make a server, have it installed, and return its id."""
    made = await served.data("POST", "/servers", json=body)
    await served.house.settle()
    assert isinstance(made["new_server_id"], str)
    assert made["new_server_uuid"] == str(served.house.product.directory.get(int(made["new_server_id"])).server.uuid)
    return int(made["new_server_id"])


async def running(served: Served, server_id: int, *players: str, **usage: Any) -> None:
    """Have a server seen running, with players."""
    house, record = served.house, served.house.product.directory.get(server_id)
    now = house.clock.now()
    seen = [OnlinePlayer(name=name, since=now) for name in players]
    live = msgspec.structs.replace(house.gateway.live(State.RUNNING), players=tuple(seen))
    await house.gateway.see(record.server.uuid, live)
    if usage:
        live = house.product.directory.get(server_id).live
        used = Usage(at=now, cpu_percent=64.0, memory_bytes=9017753, disk_bytes=111206, players=len(seen))
        house.product.directory.put_live(server_id, msgspec.structs.replace(live, usage=used))


# -- shown ------------------------------------------------------------------------------------------------------------


async def test_a_server_is_shown_as_it_is(served: Served) -> None:
    server_id = await make(served, RAW)
    uuid = served.house.product.directory.get(server_id).server.uuid
    shown = await served.data("GET", f"/servers/{server_id}")
    created = shown.pop("created")
    assert len(created) == len("2026-11-21T17:17:23.507351")
    assert shown == {
        "server_id": server_id,
        "server_uuid": str(uuid),
        "server_name": "Raw",
        "path": f"/innkeeper/servers/{uuid}/files",
        "backup_path": "/innkeeper/backups",
        "executable": "python3",
        "log_path": f"/innkeeper/servers/{uuid}/files/logs/latest.log",
        "execution_command": "python3 -u game.py",
        "auto_start": False,
        "auto_start_delay": 10,
        "crash_detection": False,
        "stop_command": "end",
        "executable_update_url": "",
        "server_ip": "127.0.0.1",
        "server_port": 25601,
        "logs_delete_after": 0,
        "type": "minecraft-java",
        "show_status": True,
        "created_by": served.house.root.id,
        "shutdown_timeout": 60,
        "ignored_exits": "0",
        "count_players": True,
    }
    assert await served.data("GET", f"/servers/{uuid}/") == shown | {"created": created}
    public = await served.data("GET", f"/servers/{server_id}/public")
    assert public == {
        "server_id": server_id,
        "created": created,
        "server_name": "Raw",
        "type": "minecraft-java",
    }
    assert server_id in [one["server_id"] for one in await served.data("GET", "/servers")]


async def test_statistics_have_the_originals_types_while_nothing_runs(served: Served) -> None:
    server_id = await make(served, RAW)
    stats = await served.data("GET", f"/servers/{server_id}/stats")
    assert stats["server_id"]["server_id"] == server_id
    assert {name: stats[name] for name in stats if name not in ("stats_id", "created", "server_id")} == {
        "started": "False",
        "running": False,
        "cpu": 0.0,
        "mem": 0.0,
        "mem_percent": 0.0,
        "world_name": "Raw",
        "world_size": "0.0B",
        "server_port": 25601,
        "int_ping_results": "False",
        "online": 0,
        "max": 0,
        "players": "False",
        "desc": "False",
        "icon": None,
        "version": "False",
        "updating": False,
        "waiting_start": False,
        "first_run": True,
        "crashed": False,
        "importing": False,
        "downloading": False,
    }


async def test_statistics_of_a_running_server_are_texts_and_numbers_as_the_original_mixes_them(served: Served) -> None:
    server_id = await make(served, RAW)
    await running(served, server_id, "Alice", "O'Bob", used=True)
    stats = await served.data("GET", f"/servers/{server_id}/stats")
    assert (stats["running"], stats["mem"], stats["world_size"]) == (True, "8.6MB", "108.6KB")
    assert stats["cpu"] == 1.0, "of the host's 64 cores"
    assert stats["players"] == "['Alice', \"O'Bob\"]"
    assert (stats["int_ping_results"], stats["online"], stats["max"]) == ("True", 2, 20)
    assert stats["desc"] == "A Minecraft Server"
    assert stats["first_run"] is False
    assert len(stats["started"]) == len("2026-11-21 17:21:01")


@pytest.mark.parametrize(("restarts", "crashes", "waits"), [(True, 1, True), (True, 6, False), (False, 1, False)])
async def test_a_crashed_server_waits_only_for_a_start_that_will_come(
    served: Served, restarts: bool, crashes: int, waits: bool
) -> None:
    server_id = await make(served, RAW)
    await served.data("PATCH", f"/servers/{server_id}", json={"crash_detection": restarts})
    await served.data("POST", f"/servers/{server_id}/action/start_server")
    await served.house.settle()
    uuid = served.house.product.directory.get(server_id).server.uuid
    await served.house.gateway.see(uuid, Live(state=State.CRASHED, crashes=crashes))
    stats = await served.data("GET", f"/servers/{server_id}/stats")
    assert (stats["crashed"], stats["waiting_start"]) == (True, waits)


async def test_history_has_a_row_for_each_sample_of_the_last_hour(served: Served) -> None:
    server_id = await make(served, RAW)
    now = served.house.clock.now()
    kept = [
        Usage(at=now - timedelta(minutes=minutes), cpu_percent=32.0, memory_bytes=1 << 20, disk_bytes=1024, players=3)
        for minutes in (90, 10, 5)
    ]
    async with served.house.database.works() as work:
        await work.metrics.add([(server_id, usage) for usage in kept])
    rows = await served.data("GET", f"/servers/{server_id}/history")
    assert [row["online"] for row in rows] == [3, 3]
    assert [row["stats_id"] for row in rows] == [int(usage.at.timestamp()) for usage in kept[1:]]
    assert rows[0]["mem"] == "1.0MB"
    assert set(rows[0]) == set(await served.data("GET", f"/servers/{server_id}/stats"))
    assert (await served.data("GET", f"/servers/{server_id}/stats"))["world_size"] == "1.0KB", "as measured last"


async def test_everybody_sees_the_status_of_servers_that_show_it_and_of_no_other(served: Served) -> None:
    server_id = await make(served, RAW)
    await running(served, server_id, "Alice")
    reply = await served.ask("GET", "/servers/status")
    assert reply.json() == {
        "status": "ok",
        "data": [
            {
                "id": server_id,
                "world_name": "Raw",
                "running": True,
                "online": 1,
                "max": 20,
                "version": "False",
                "desc": "A Minecraft Server",
                "icon": None,
            }
        ],
    }
    await served.data("PATCH", f"/servers/{server_id}", json={"show_status": False})
    assert (await served.ask("GET", "/servers/status/")).json() == {"status": "ok", "data": []}


async def test_who_has_access_is_told_by_id(served: Served) -> None:
    await served.with_role("helper", "10000000")
    await served.with_role("stranger", "00000000")
    found = await served.data("GET", f"/servers/{served.example.server.id}/users")
    assert found == [served.house.root.id, served.account("helper").id]


# -- made -------------------------------------------------------------------------------------------------------------


async def test_a_server_is_brought_along_from_a_folder(served: Served) -> None:
    server = served.house.product.directory.get(await make(served, imported())).server
    assert (server.package, server.runtime, server.port) == ("minecraft", "imported", 25602)
    assert server.limits.memory_mib == 2048
    desired = served.house.gateway.desired[server.uuid]
    assert desired.blueprint.install == [{"key": "import-folder", "uses": "folder", "path": "/srv/import/old"}]
    assert desired.blueprint.argv[-3:] == ["-jar", "paper.jar", "nogui"]


async def test_a_server_is_brought_along_in_an_archive_of_which_one_folder_counts(served: Served) -> None:
    body = imported()
    data = {"zip_path": "/srv/import/old.zip", "zip_root": "old/world", "jarfile": "a.jar"}
    data |= {"mem_min": 0.5, "mem_max": 1.5, "server_properties_port": 0, "agree_to_eula": True}
    body["minecraft_java_monitoring_data"]["port"] = 25603
    body["minecraft_java_create_data"] = {"create_type": "import_zip", "import_zip_create_data": data}
    server = served.house.product.directory.get(await make(served, body)).server
    [step] = served.house.gateway.desired[server.uuid].blueprint.install
    assert (step["path"], step["root"]) == ("/srv/import/old.zip", "old/world")
    assert (server.limits.memory_mib, server.port, server.properties["eula"]) == (1536, 25603, True)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ("", ""),
        (".", "."),
        ("/", "."),
        ("/srv/import/old.zip", "."),
        ("/srv/import/old.zip/", "."),
        ("/srv/import/old.zip/old/world/", "old/world"),
        ("/old/world", "old/world"),
        ("/srv/import/old.zip2", "srv/import/old.zip2"),
    ],
)
async def test_the_folder_of_an_archive_is_named_as_it_is_shown_or_from_the_archive_on(
    served: Served, said: str, counts: str
) -> None:
    body = raw(create_type="import_zip")
    body["custom_create_data"]["import_zip_create_data"] = {
        "zip_path": "/srv/import/old.zip",
        "zip_root": said,
        "command": "./run",
    }
    server = served.house.product.directory.get(await make(served, body)).server
    [step] = served.house.gateway.desired[server.uuid].blueprint.install
    assert (step["path"], step["root"]) == ("/srv/import/old.zip", counts)


@pytest.mark.parametrize(
    ("made", "argv"),
    [
        ({"command": "env LD_LIBRARY_PATH=. ./bedrock_server"}, ["env", "LD_LIBRARY_PATH=.", "./bedrock_server"]),
        ({"executable": "server"}, ["/lib64/ld-linux-x86-64.so.2", "{server}/server"]),
    ],
)
async def test_a_bedrock_server_is_brought_along(served: Served, made: dict[str, str], argv: list[str]) -> None:
    server_id = await make(
        served,
        {
            "name": "api doc bedrock server",
            "monitoring_type": "minecraft_bedrock",
            "minecraft_bedrock_monitoring_data": {"host": "127.0.0.1", "port": 19132},
            "create_type": "minecraft_bedrock",
            "minecraft_bedrock_create_data": {
                "create_type": "import_server",
                "import_server_create_data": {"existing_server_path": "/var/opt/server"} | made,
            },
        },
    )
    record = served.house.product.directory.get(server_id)
    assert served.house.gateway.desired[record.server.uuid].blueprint.argv == argv
    assert (record.server.port, record.server.protocol) == (19132, "udp")
    assert (await served.data("GET", f"/servers/{server_id}"))["type"] == "minecraft-bedrock"


async def test_what_nobody_watches_is_a_program_of_ones_own(served: Served) -> None:
    body = RAW | {"monitoring_type": "none"}
    server = served.house.product.directory.get(await make(served, body)).server
    assert (server.package, server.properties["ready-when"]) == ("custom", "output")
    assert served.house.gateway.desired[server.uuid].blueprint.stop.command == "end"


async def test_roles_that_are_named_get_everything_on_a_new_server(served: Served) -> None:
    token = await served.with_role("helper", "10000000")
    [role] = served.house.product.authority.roles.values()
    server_id = await make(served, RAW | {"roles": [role.id]})
    assert (await served.ask("GET", f"/servers/{server_id}/logs", token=token)).status_code == 200
    mask = {one["server_id"]: one["permissions"] for one in await served.data("GET", f"/roles/{role.id}/servers")}
    assert mask == {served.example.server.id: "10000000", server_id: "11111111"}


def raw(**changes: Any) -> dict[str, Any]:
    return RAW | {"custom_create_data": RAW["custom_create_data"] | changes}  # type: ignore[operator]


def jar(**changes: Any) -> dict[str, Any]:
    data = {"type": "Paper", "version": "1.18.2", "mem_min": 1, "mem_max": 2, "server_properties_port": 25565}
    made = {"create_type": "download_jar", "download_jar_create_data": data | changes}
    return imported() | {"minecraft_java_create_data": made}


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (RAW | {"minecraft_java_monitoring_data": {"host": "a", "port": 70000}}, 405, "DATA CONSTRAINT FAILED"),
        (RAW | {"minecraft_java_monitoring_data": {"host": "a", "port": 0}}, 405, "DATA CONSTRAINT FAILED"),
        (imported(server_properties_port=65536), 405, "DATA CONSTRAINT FAILED"),
        (imported(mem_min=3), 405, "DATA CONSTRAINT FAILED"),
        (imported(mem_max=0), 400, "INVALID_JSON_SCHEMA"),
        (RAW | {"name": "R"}, 400, "INVALID_JSON_SCHEMA"),
        (RAW | {"create_type": "none"}, 400, "INVALID_JSON_SCHEMA"),
        ({}, 400, "INVALID_JSON_SCHEMA"),
        (jar(type="Bukkit"), 400, "UNKNOWN_SERVER_TYPE"),
        (raw(working_directory="/srv"), 400, "HAS_NO_MEANING"),
        (raw(executable_update={"enabled": True, "file": "a", "url": "http://a"}), 400, "HAS_NO_MEANING"),
        (RAW | {"log_location": "/var/log/syslog"}, 400, "HAS_NO_MEANING"),
        (RAW | {"roles": [99]}, 404, "ROLE_NOT_FOUND"),
        (imported(jarfile="-version"), 400, "PROPERTY_IS_INVALID"),
    ],
)
async def test_a_server_that_cannot_be_is_refused_and_not_made(
    served: Served, body: dict[str, Any], status: int, error: str
) -> None:
    before = len(served.house.product.directory._records)
    reply = await served.ask("POST", "/servers", token=await served.token("root"), json=body)
    assert (reply.status_code, reply.json()["error"]) == (status, error), reply.text
    assert len(served.house.product.directory._records) == before


# -- changed ----------------------------------------------------------------------------------------------------------


async def test_everything_that_can_be_changed_is_and_is_shown_so(served: Served) -> None:
    server_id = await make(served, RAW)
    changes = {
        "server_name": "renamed",
        "auto_start": True,
        "auto_start_delay": 20,
        "crash_detection": True,
        "stop_command": "halt",
        "shutdown_timeout": 30,
        "ignored_exits": "0, 3",
        "show_status": False,
        "server_port": 25699,
        "execution_command": "python3 other.py",
    }
    await served.data("PATCH", f"/servers/{server_id}", json=changes)
    shown = await served.data("GET", f"/servers/{server_id}")
    assert {name: shown[name] for name in changes} == changes | {"ignored_exits": "0,3"}
    blueprint = served.house.gateway.desired[served.house.product.directory.get(server_id).server.uuid].blueprint
    assert (blueprint.stop.command, blueprint.stop.timeout_s, blueprint.stop.clean_exit) == ("halt", 30, (0, 3))
    assert blueprint.argv == ["python3", "other.py"]


async def test_what_is_sent_back_as_it_was_shown_is_no_change_that_has_no_meaning(served: Served) -> None:
    server_id = await make(served, RAW)
    shown = await served.data("GET", f"/servers/{server_id}")
    names = ("backup_path", "log_path", "executable_update_url", "server_ip", "logs_delete_after", "count_players")
    same = {name: shown[name] for name in (*names, "execution_command", "executable", "ignored_exits")}
    await served.data("PATCH", f"/servers/{server_id}", json=same)
    assert await served.data("GET", f"/servers/{server_id}") == shown


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"backup_path": "/elsewhere"}, 400, "HAS_NO_MEANING"),
        ({"log_path": "/var/log/syslog"}, 400, "HAS_NO_MEANING"),
        ({"executable_update_url": "http://a"}, 400, "HAS_NO_MEANING"),
        ({"server_ip": "10.0.0.1"}, 400, "HAS_NO_MEANING"),
        ({"logs_delete_after": 7}, 400, "HAS_NO_MEANING"),
        ({"count_players": False}, 400, "HAS_NO_MEANING"),
        ({"executable": "other.jar"}, 400, "HAS_NO_MEANING"),
        ({"java_selection": "/usr/lib/jvm/java-7-openjdk/bin/java"}, 400, "INVALID EXECUTION COMMAND"),
        ({"server_port": 65536}, 405, "DATA CONSTRAINT FAILED"),
        ({"shutdown_timeout": 10**6}, 400, "LIMIT_IS_INVALID"),
        ({"stop_command": "a\nb"}, 400, "COMMAND_IS_INVALID"),
        ({"ignored_exits": "all"}, 400, "INVALID_JSON_SCHEMA"),
        ({"bogus": 1}, 400, "INVALID_JSON_SCHEMA"),
        ({}, 400, "INVALID_JSON_SCHEMA"),
    ],
)
async def test_a_change_that_cannot_be_is_refused_by_name(
    served: Served, change: dict[str, Any], status: int, error: str
) -> None:
    server_id = await make(served, RAW)
    before = await served.data("GET", f"/servers/{server_id}")
    reply = await served.ask("PATCH", f"/servers/{server_id}", token=await served.token("root"), json=change)
    assert (reply.status_code, reply.json()["error"]) == (status, error), reply.text
    assert await served.data("GET", f"/servers/{server_id}") == before


@pytest.mark.parametrize(
    ("selection", "major"),
    [("", ""), ("java", ""), ("17", "17"), ("/usr/lib/jvm/java-21-openjdk-amd64/bin/java", "21")],
)
async def test_the_java_of_a_server_that_was_brought_along_is_chosen(
    served: Served, selection: str, major: str
) -> None:
    server_id = await make(served, imported())
    await served.data("PATCH", f"/servers/{server_id}", json={"java_selection": selection, "executable": "b.jar"})
    server = served.house.product.directory.get(server_id).server
    assert served.house.gateway.desired[server.uuid].blueprint.java == (int(major) if major else None)
    assert (await served.data("GET", f"/servers/{server_id}"))["executable"] == "b.jar"


async def test_whoever_has_the_bit_config_changes_less_than_a_superuser(served: Served) -> None:
    token = await served.with_role("helper", "00000010")
    path = f"/servers/{served.example.server.id}"
    assert (await served.ask("PATCH", path, token=token, json={"server_name": "ours"})).status_code == 200
    reply = await served.ask("PATCH", path, token=token, json={"execution_command": "sh"})
    assert (reply.status_code, reply.json()["error"]) == (400, "INVALID_JSON_SCHEMA")


# -- deleted ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", ["", "?files=true"])
async def test_a_deleted_server_is_there_no_more(served: Served, files: str) -> None:
    server_id = await make(served, RAW)
    await served.data("DELETE", f"/servers/{server_id}{files}")
    await served.house.settle()
    reply = await served.ask("GET", f"/servers/{server_id}", token=await served.token("root"))
    assert (reply.status_code, reply.json()) == (400, {"status": "error", "error": "NOT_AUTHORIZED"})


# -- told what to do --------------------------------------------------------------------------------------------------


def state(house: House, server_id: int) -> State:
    return house.product.directory.get(server_id).live.state


async def test_power_is_done_and_what_is_so_already_is_no_fault(served: Served) -> None:
    server_id = await make(served, RAW)
    for action, due in [
        ("stop_server", State.STOPPED),
        ("start_server", State.RUNNING),
        ("start_server", State.RUNNING),
        ("restart_server", State.RUNNING),
        ("kill_server", State.STOPPED),
        ("kill_server", State.STOPPED),
        ("restart_server", State.RUNNING),
        ("stop_server", State.STOPPED),
    ]:
        await served.data("POST", f"/servers/{server_id}/action/{action}")
        await served.house.settle()
        assert state(served.house, server_id) is due, action


async def test_a_name_that_is_no_action_is_not_typed_on_the_console(served: Served) -> None:
    server_id = await make(served, RAW)
    await running(served, server_id)
    reply = await served.ask("POST", f"/servers/{server_id}/action/say", token=await served.token("root"))
    assert (reply.status_code, reply.json()["error"]) == (400, "UNKNOWN_ACTION")
    uuid = served.house.product.directory.get(server_id).server.uuid
    assert served.house.gateway.console(uuid).typed == []


async def test_the_licence_is_agreed_to_by_an_action(served: Served) -> None:
    server_id = await make(served, imported())
    await served.data("POST", f"/servers/{server_id}/action/eula")
    server = served.house.product.directory.get(server_id).server
    assert served.house.gateway.configs[server.uuid]["eula.txt"]["eula"] is True
    path = f"/servers/{served.example.server.id}/action/eula"
    reply = await served.ask("POST", path, token=await served.token("root"))
    assert (reply.status_code, reply.json()["error"]) == (400, "HAS_NO_MEANING")


async def test_a_program_that_was_brought_along_is_not_laid_over_its_world_once_more(served: Served) -> None:
    server_id = await make(served, imported())
    path = f"/servers/{server_id}/action/update_executable"
    reply = await served.ask("POST", path, token=await served.token("root"))
    assert (reply.status_code, reply.json()["error"]) == (400, "HAS_NO_MEANING")
    await served.data("POST", f"/servers/{served.example.server.id}/action/update_executable")


async def test_lines_are_typed_one_after_the_other(served: Served) -> None:
    server_id = await make(served, RAW)
    await running(served, server_id)
    await served.data("POST", f"/servers/{server_id}/stdin", content=b"say one\r\n\nsay two")
    uuid = served.house.product.directory.get(server_id).server.uuid
    assert served.house.gateway.console(uuid).typed == ["say one", "say two"]


async def test_nothing_is_typed_where_nothing_runs(served: Served) -> None:
    path, token = f"/servers/{served.example.server.id}/stdin", await served.token("root")
    reply = await served.ask("POST", path, token=token, content=b"list")
    assert (reply.status_code, reply.json()) == (200, {"status": "error", "error": "SERVER_NOT_RUNNING"})
    for content in (b"", b"\n\n", b"\xff", b"say \x07"):
        reply = await served.ask("POST", path, token=token, content=content)
        assert (reply.status_code, reply.json()["error"]) == (400, "COMMAND_IS_INVALID"), content

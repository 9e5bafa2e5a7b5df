"""Commands against the real API: what they do, print and end with."""

import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from innkeeper.core.servers.lifecycle import State
from innkeeper.testing.products import PASSWORD
from tests.unit.cli.conftest import Inn


async def test_servers_are_listed_in_plain_columns_without_a_terminal(inn: Inn) -> None:
    await inn.house.server(name="camp", start=True)
    ran = await inn.run("servers", "ls")
    assert ran.code == 0, ran.err
    head, row = ran.out.splitlines()
    assert head.split()[:3] == ["NAME", "STATE", "PLAYERS"]
    assert row.split()[:2] == ["camp", "running"]


async def test_an_empty_list_says_so_beside_the_result(inn: Inn) -> None:
    ran = await inn.run("servers", "ls")
    assert (ran.code, ran.out, ran.err) == (0, "", "There is no server.\n")
    assert (await inn.run("servers", "ls", "--json")).document == []


async def test_json_is_one_document_and_nothing_else(inn: Inn) -> None:
    server = (await inn.house.server(name="camp")).server
    ran = await inn.run("servers", "show", "camp", "--json")
    assert ran.err == ""
    assert json.loads(ran.out)["id"] == str(server.uuid)


async def test_a_server_is_named_by_name_id_or_the_beginning_of_its_id(inn: Inn) -> None:
    server = (await inn.house.server(name="camp")).server
    for name in ("camp", str(server.uuid), server.uuid.hex, str(server.uuid)[:20]):
        assert (await inn.run("servers", "show", name)).code == 0


async def test_a_wrong_name_is_one_plain_sentence(inn: Inn) -> None:
    ran = await inn.run("servers", "start", "nope")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "innkeeper: There is no server 'nope' that you may see.\n"


async def test_errors_are_the_apis_own_object_with_json(inn: Inn) -> None:
    await inn.house.server(name="camp", start=True)
    ran = await inn.run("servers", "start", "camp", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.error["code"] == "server_is_not_stopped"
    assert ran.error["kind"] == "conflict"


async def test_power_verbs_wait_for_their_end(inn: Inn) -> None:
    record = await inn.house.server(name="camp")
    assert (await inn.run("servers", "start", "camp")).out.startswith("camp is running")
    assert inn.house.now(record).live.state is State.RUNNING
    assert (await inn.run("servers", "restart", "camp")).code == 0
    assert (await inn.run("servers", "stop", "camp")).out == "camp is stopped.\n"
    assert (await inn.run("servers", "kill", "camp")).code == 1


async def test_no_wait_returns_at_once_with_the_operation(inn: Inn) -> None:
    record = await inn.house.server(name="camp")
    inn.house.gateway.obeys = False
    ran = await inn.run("servers", "start", "camp", "--no-wait", "--json")
    operation = json.loads(ran.out)["operation"]
    assert (operation["verb"], operation["state"]) == ("start", "created")
    await inn.house.gateway.carry_out(record.server.uuid)
    waited = await inn.run("operations", "wait", operation["id"], "--json")
    assert json.loads(waited.out)["state"] == "done"


async def test_a_failed_operation_ends_with_status_1_and_its_reason(inn: Inn) -> None:
    record = await inn.house.server(name="camp")
    inn.house.gateway.obeys = False
    made = json.loads((await inn.run("servers", "start", "camp", "--no-wait", "--json")).out)["operation"]
    await inn.house.gateway.carry_out(record.server.uuid, fail="the port is taken by somebody")
    ran = await inn.run("operations", "wait", made["id"])
    assert ran.code == 1
    assert "the port is taken by somebody" in ran.err


async def test_a_server_is_made_set_and_deleted(inn: Inn) -> None:
    ran = await inn.run(
        "servers",
        "create",
        "camp",
        "--package",
        "minecraft",
        "-p",
        "max-players=7",
        "-p",
        "white-list=yes",
        "--memory",
        "700",
        "--port",
        "25570",
        "--node",
        "near",
        "--start",
    )
    assert ran.code == 0, ran.err
    assert "camp is running at play.example.com:25570." in ran.out
    shown = json.loads((await inn.run("servers", "show", "camp", "--json")).out)
    assert shown["properties"]["max-players"] == 7
    assert shown["properties"]["white-list"] is True
    changed = await inn.run("servers", "set", "camp", "--cpu", "150", "--name", "fort", "--no-autostart", "--json")
    assert json.loads(changed.out)["limits"] == {"memory_mib": 700, "cpu_percent": 150, "disk_mib": None}
    assert (await inn.run("servers", "delete", "fort")).code == 2
    assert (await inn.run("servers", "delete", "fort", "--yes")).out == "fort is deleted.\n"
    assert (await inn.run("servers", "ls", "--json")).document == []


async def test_how_a_server_is_handled_is_changed_part_by_part(inn: Inn) -> None:
    await inn.run("servers", "create", "camp", "-p", "eula=yes")

    async def handling(*options: str) -> dict[str, Any]:
        ran = await inn.run("servers", "set", "camp", *options, "--json")
        assert ran.code == 0, ran.err
        found: dict[str, Any] = json.loads(ran.out)["handling"]
        return found

    said = await handling("--stop-command", "end", "--stop-timeout", "300", "--clean-exits", "0, -15")
    assert (said["stop_command"], said["stop_timeout_s"], said["clean_exits"]) == ("end", 300, [0, -15])
    said = await handling("--autostart-delay", "30", "--show-status")
    assert (said["autostart_delay_s"], said["show_status"], said["stop_command"]) == (30, True, "end")
    shown = (await inn.run("servers", "show", "camp")).out
    assert "by 'end'; killed after 300 s; no crash: 0, -15" in shown and "yes, 30 s later" in shown
    said = await handling("--stop-command", "", "--stop-timeout", "-1", "--clean-exits", "", "--hide-status")
    assert [said[name] for name in ("stop_command", "stop_timeout_s", "clean_exits")] == [None] * 3
    assert (said["autostart_delay_s"], said["show_status"]) == (30, False)
    assert (await inn.run("servers", "set", "camp", "--clean-exits", "none")).code == 2


async def test_a_wrong_property_is_refused_in_the_apis_words(inn: Inn) -> None:
    ran = await inn.run("servers", "create", "camp", "-p", "max-players=many")
    assert ran.code == 1
    assert "max-players" in ran.err
    assert (await inn.run("servers", "create", "camp", "-p", "nonsense")).err.startswith("innkeeper: 'nonsense' is not")


async def test_a_folder_is_packed_and_installed(inn: Inn, tmp_path: Path) -> None:
    source = tmp_path / "game"
    (source / "sub").mkdir(parents=True)
    (source / "start.sh").write_text("#!/bin/sh\n")
    (source / "start.sh").chmod(0o755)
    ran = await inn.run(
        "servers", "create", "toy", "--package", "custom", "--command", "./start.sh", "--from", str(source)
    )
    assert ran.code == 0, ran.err
    record = next(iter(inn.house.product.directory.present()))
    assert record.server.properties["archive"] == "game.tar.gz"
    (tmp_path / "back.tar.gz").write_bytes(inn.house.gateway.archives[record.server.uuid, "game.tar.gz"])
    with tarfile.open(tmp_path / "back.tar.gz") as archive:
        assert archive.getmember("game/start.sh").mode & stat.S_IXUSR
        assert archive.getmember("game/sub").isdir()


async def test_what_is_no_archive_is_refused_before_a_server_is_made(inn: Inn, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    for source in (str(tmp_path / "text"), str(tmp_path / "none")):
        assert (await inn.run("servers", "create", "toy", "--package", "custom", "--from", source)).code == 1
    assert (await inn.run("servers", "ls", "--json")).document == []


async def test_files_go_there_and_back_unchanged(inn: Inn, tmp_path: Path) -> None:
    await inn.house.server(name="camp")
    content = bytes(range(256)) * 5000
    (tmp_path / "world.dat").write_bytes(content)
    assert (await inn.run("files", "mkdir", "camp", "saves")).code == 0
    assert (await inn.run("files", "put", "camp", str(tmp_path / "world.dat"), "saves/")).code == 0
    assert (await inn.run("files", "mv", "camp", "saves/world.dat", "saves/one.dat")).code == 0
    listed = json.loads((await inn.run("files", "ls", "camp", "saves", "--json")).out)
    assert [(entry["name"], entry["size"]) for entry in listed] == [("one.dat", len(content))]
    assert (await inn.run("files", "get", "camp", "saves/one.dat", str(tmp_path / "back"))).code == 0
    assert (tmp_path / "back").read_bytes() == content
    assert (await inn.run("files", "rm", "camp", "saves", "-y")).code == 0
    assert (await inn.run("files", "get", "camp", "saves/one.dat", str(tmp_path / "back2"))).code == 1
    assert sorted(path.name for path in tmp_path.iterdir() if "back" in path.name) == ["back"]


async def test_a_folder_is_put_file_by_file_without_its_links(inn: Inn, tmp_path: Path) -> None:
    record = await inn.house.server(name="camp")
    (tmp_path / "plugins" / "deep").mkdir(parents=True)
    (tmp_path / "plugins" / "deep" / "a.jar").write_bytes(b"a")
    (tmp_path / "plugins" / "secret").symlink_to("/etc/passwd")
    ran = await inn.run("files", "put", "camp", str(tmp_path / "plugins"))
    assert ran.code == 0, ran.err
    assert "secret" in ran.err
    assert inn.house.gateway.trees[record.server.uuid] == {
        "plugins": None,
        "plugins/deep": None,
        "plugins/deep/a.jar": b"a",
    }


async def test_standard_input_and_output_are_files_too(inn: Inn) -> None:
    await inn.house.server(name="camp")
    assert (await inn.run("files", "put", "camp", "-", "motd.txt", typed="hello\n")).code == 0
    assert (await inn.run("files", "get", "camp", "motd.txt", "-")).out == "hello\n"


async def test_a_server_is_shared_and_taken_back(inn: Inn) -> None:
    await inn.house.server(name="camp")
    guest = await inn.house.account("guest")
    key = await inn.house.key(guest)
    assert (await inn.run("servers", "ls", "--json", INNKEEPER_KEY=key)).document == []
    assert (await inn.run("servers", "share", "camp", "guest", "--preset", "view")).code == 0
    assert "camp" in (await inn.run("servers", "ls", INNKEEPER_KEY=key)).out
    assert "permission" in (await inn.run("servers", "start", "camp", INNKEEPER_KEY=key)).err
    assert "guest" in (await inn.run("servers", "grants", "camp")).out
    assert (await inn.run("servers", "unshare", "camp", "guest")).code == 0
    assert (await inn.run("servers", "ls", "--json", INNKEEPER_KEY=key)).document == []


async def test_commands_logs_and_search(inn: Inn) -> None:
    record = await inn.house.server(name="camp", start=True)
    inn.house.gateway.say(record.server.uuid, "one", "\x1b[31mtwo\x1b[0m \x1b]0;owned\x07", "three")
    assert (await inn.run("servers", "logs", "camp", "-n", "2")).out == "two \nthree\n"
    assert json.loads((await inn.run("servers", "logs", "camp", "--json")).out)[0]["text"] == "one"
    assert (await inn.run("servers", "search", "camp", "TWO")).out.endswith("two \n")
    assert (await inn.run("servers", "search", "camp", "four")).code == 1
    assert (await inn.run("servers", "search", "camp", "two", "--since", "1h", "--json")).code == 0
    assert (await inn.run("servers", "search", "camp", "two", "--since", "sometime")).code == 1
    assert (await inn.run("servers", "command", "camp", "say", "hi", "there")).code == 0
    assert inn.house.gateway.console(record.server.uuid).typed == ["say hi there"]


async def test_hostile_text_of_an_api_is_harmless_in_json_and_tables(inn: Inn) -> None:
    await inn.house.server(name="camp", description="\x9b2Jgone")
    for words in (("servers", "show", "camp"), ("servers", "show", "camp", "--json")):
        ran = await inn.run(*words)
        assert ran.code == 0
        assert "\x9b" not in ran.out


async def test_signing_in_keeps_a_key_of_its_own_and_signing_out_ends_it(inn: Inn, tmp_path: Path) -> None:
    guest = await inn.house.account("guest")
    nothing = {"INNKEEPER_URL": "", "INNKEEPER_KEY": ""}
    ran = await inn.run("login", inn.url, "--username", "guest", typed=PASSWORD + "\n", **nothing)
    assert ran.code == 0, ran.err
    assert PASSWORD not in ran.out + ran.err
    file = tmp_path / "config" / "innkeeper" / "client.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    shown = json.loads((await inn.run("whoami", "--json", **nothing)).out)
    assert (shown["account"]["username"], shown["profile"], shown["kind"]) == ("guest", "default", "key")
    assert [key.kind for key in inn.house.product.authority.keys.values() if key.account_id == guest.id] == ["key"]
    assert (await inn.run("logout", **nothing)).code == 0
    assert not [key for key in inn.house.product.authority.keys.values() if key.account_id == guest.id]
    assert (await inn.run("whoami", **nothing, INNKEEPER_DATA=str(tmp_path / "none"))).code == 1


async def test_a_key_can_be_signed_in_with_and_is_checked_first(inn: Inn, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(inn.key)
    nothing = {"INNKEEPER_URL": "", "INNKEEPER_KEY": ""}
    assert (await inn.run("login", inn.url, "--key", "ink_wrong", **nothing)).code == 1
    ran = await inn.run("login", inn.url, "--key-file", str(tmp_path / "key"), "--profile", "work", **nothing)
    assert ran.code == 0, ran.err
    assert "root" in (await inn.run("whoami", **nothing)).out
    assert (await inn.run("logout", "--profile", "work", **nothing)).code == 0
    assert (await inn.run("servers", "ls")).code == 0, "a key that was not made by signing in goes on"


async def test_a_wrong_password_is_refused(inn: Inn) -> None:
    ran = await inn.run("login", inn.url, "-u", "root", typed="wrong\n")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1


async def test_without_a_key_one_is_told_how_to_get_one(inn: Inn) -> None:
    ran = await inn.run("servers", "ls", INNKEEPER_KEY="")
    assert ran.code == 1
    assert f"innkeeper login {inn.url}" in ran.err
    assert (await inn.run("status", INNKEEPER_KEY="")).code == 0


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
async def test_nobody_there_is_one_plain_sentence(inn: Inn, address: str) -> None:
    ran = await inn.run("servers", "ls", "--url", address)
    assert ran.code == 1
    assert ran.err == f"innkeeper: No Innkeeper answers at {address}: the connection was refused.\n"


async def test_https_to_a_plain_port_is_said_so(inn: Inn) -> None:
    ran = await inn.run("servers", "ls", "--url", inn.url.replace("http:", "https:"))
    assert ran.code == 1
    assert "No secure connection" in ran.err
    assert len(ran.err.splitlines()) == 1


async def test_a_wrong_option_ends_with_status_2(inn: Inn) -> None:
    assert (await inn.run("servers", "ls", "--nonsense")).code == 2
    assert (await inn.run("servers", "set", "x")).code in (1, 2)


async def test_accounts_keys_and_roles(inn: Inn, tmp_path: Path) -> None:
    made = json.loads((await inn.run("accounts", "create", "guest", "--json")).out)
    (tmp_path / "password").write_text(made["password"])
    signed_in = await inn.run("login", inn.url, "-u", "guest", "--password-file", str(tmp_path / "password"))
    assert signed_in.code == 0, signed_in.err
    assert "guest" in (await inn.run("accounts", "ls")).out
    assert (await inn.run("accounts", "set", "guest", "--disabled")).code == 0
    assert "disabled" in (await inn.run("accounts", "ls")).out
    made_key = await inn.run("keys", "create", "ci", "--permission", "server.view", "--days", "3")
    assert made_key.out.startswith("ink_")
    assert "ci" in (await inn.run("keys", "ls")).out
    assert (await inn.run("keys", "revoke", "ci")).code == 0
    assert (await inn.run("servers", "ls", "--key", made_key.out.strip())).code == 1
    await inn.house.server(name="camp")
    role = await inn.run("roles", "create", "crew", "--server", "camp=server.view,power.start", "--member", "guest")
    assert role.code == 0, role.err
    shown = await inn.run("roles", "show", "crew")
    assert "power.start, server.view" in shown.out
    changes = ("--permission", "server.view", "--server", "none", "--member", "none", "--manager", "root")
    assert (await inn.run("roles", "set", "crew", *changes)).code == 0
    now = json.loads((await inn.run("roles", "show", "crew", "--json")).out)
    assert (now["servers"], now["members"], now["manager"]["username"]) == ([], [], "root")
    assert (await inn.run("roles", "set", "crew", "--all-servers")).code == 0
    assert "every" in (await inn.run("roles", "ls")).out
    assert (await inn.run("roles", "delete", "crew", "-y")).code == 0
    assert (await inn.run("accounts", "delete", "guest", "-y")).code == 0


async def test_the_installation_shows_itself(inn: Inn) -> None:
    assert "custom" in (await inn.run("packages", "ls")).out
    shown = (await inn.run("packages", "show", "minecraft")).out
    assert "max-players" in shown
    assert shown.count("512 MiB, at least 192 MiB") == 1
    assert "needs java; 2048 MiB, at least 768 MiB" in shown
    assert (await inn.run("packages", "show", "../nodes")).code == 1
    assert "near" in (await inn.run("nodes", "ls")).out
    assert (await inn.run("nodes", "show", "near")).code == 0
    assert (await inn.run("nodes", "token")).out.strip()
    assert (await inn.run("activity")).code == 0
    assert "server.view" in (await inn.run("roles", "permissions")).out


async def test_lists_longer_than_a_page_come_whole(inn: Inn) -> None:
    record = await inn.house.server(name="camp")
    inn.house.gateway.trees[record.server.uuid] = {f"f{number:04}": b"" for number in range(1203)}
    listed = json.loads((await inn.run("files", "ls", "camp", "--json")).out)
    assert [entry["name"] for entry in listed] == [f"f{number:04}" for number in range(1203)]


async def test_the_data_folder_of_this_host_is_enough(inn: Inn, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(inn.url + "\n")
    (tmp_path / "first-key").write_text(inn.key + "\n")
    ran = await inn.run("whoami", "--data", str(tmp_path), INNKEEPER_URL="", INNKEEPER_KEY="")
    assert ran.code == 0, ran.err
    assert "root" in ran.out

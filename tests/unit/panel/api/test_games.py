"""What concerns a server's game over the API: player lists, config options, log sharing, idle stops, management."""

from innkeeper.testing.products import House
from tests.unit.panel.api.conftest import Asking, Client


async def test_player_lists_are_named_changed_and_kept_in_their_files(house: House, root: Client) -> None:
    record = await house.server(package="minecraft")
    base = f"/servers/{record.server.uuid}/player-lists"
    names = (await root("GET", base)).json()["items"]
    assert {"whitelist", "ops", "banned-players", "banned-ips"} <= set(names)
    changed = await root("PATCH", f"{base}/whitelist", json={"add": ["Alice", "Bob"]})
    assert [entry["name"] for entry in changed.json()["items"]] == ["Alice", "Bob"]
    changed = await root("PATCH", f"{base}/whitelist", json={"remove": ["alice"], "add": ["Carol"]})
    assert [entry["name"] for entry in changed.json()["items"]] == ["Bob", "Carol"]
    assert [entry["name"] for entry in (await root("GET", f"{base}/whitelist")).json()["items"]] == ["Bob", "Carol"]


async def test_an_unknown_list_and_an_impossible_name_are_refused(house: House, root: Client) -> None:
    record = await house.server(package="minecraft")
    base = f"/servers/{record.server.uuid}/player-lists"
    assert (await root("GET", f"{base}/friends")).status_code == 404
    refused = await root("PATCH", f"{base}/ops", json={"add": ["two words"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "player_name_is_invalid")


async def test_reading_a_list_gives_no_right_to_change_it(house: House, ask: Asking, root: Client) -> None:
    bob = await house.account("bob")
    record = await house.server(package="minecraft")
    grant = {"permissions": ["server.view", "players.read"]}
    await root("PUT", f"/servers/{record.server.uuid}/grants/{bob.uuid}", json=grant)
    his = await ask.by(bob)
    path = f"/servers/{record.server.uuid}/player-lists/ops"
    assert (await his("GET", path)).status_code == 200
    assert (await his("PATCH", path, json={"add": ["Bob"]})).status_code == 403


async def test_options_of_a_config_file_are_shown_and_set_together_or_not_at_all(house: House, root: Client) -> None:
    record = await house.server(package="minecraft")
    path = f"/servers/{record.server.uuid}"
    content = b"# mine\nmotd=Hi\nmax-players=20\ngamemode=survival\n"
    await root("PUT", f"{path}/files/content", params={"path": "server.properties"}, content=content)
    options = (await root("GET", f"{path}/config", params={"path": "server.properties"})).json()["items"]
    gamemode = next(option for option in options if option["key"] == "gamemode")
    assert (gamemode["label"], gamemode["type"], gamemode["value"]) == ("Gamemode", "select", "survival")
    bad = {"values": {"max-players": 30, "gamemode": "flying"}}
    refused = await root("PATCH", f"{path}/config", params={"path": "server.properties"}, json=bad)
    assert refused.status_code == 422
    good = {"values": {"max-players": "30", "gamemode": "creative"}}
    changed = await root("PATCH", f"{path}/config", params={"path": "server.properties"}, json=good)
    values = {option["key"]: option["value"] for option in changed.json()["items"]}
    assert (values["max-players"], values["gamemode"]) == (30, "creative")
    assert (await root("GET", path)).json()["properties"]["max-players"] == 30


async def test_a_server_is_kept_for_longer_only_while_it_runs(house: House, root: Client) -> None:
    record = await house.server(package="minecraft")
    path = f"/servers/{record.server.uuid}"
    changed = await root("PATCH", path, json={"idle_stop_minutes": 10})
    assert changed.json()["idle_stop_minutes"] == 10
    assert (await root("POST", f"{path}/extend", json={"seconds": 60})).status_code == 409
    await root("POST", f"{path}/start", params={"wait": 10})
    kept = await root("POST", f"{path}/extend", json={"seconds": 3600})
    assert kept.status_code == 200
    assert (await root("GET", path)).json()["keep_until"] == kept.json()["keep_until"]
    assert (await root("PATCH", path, json={"idle_stop_minutes": None})).json()["idle_stop_minutes"] is None


async def test_how_a_server_is_handled_is_said_shown_and_given_back_to_its_package(house: House, root: Client) -> None:
    record = await house.server(package="minecraft")
    path = f"/servers/{record.server.uuid}"
    usual = {
        "stop_command": None,
        "stop_timeout_s": None,
        "clean_exits": None,
        "autostart_delay_s": 0,
        "show_status": False,
    }
    assert (await root("GET", path)).json()["handling"] == usual
    wanted = {
        "stop_command": "end",
        "stop_timeout_s": 30,
        "clean_exits": [0, -15],
        "autostart_delay_s": 20,
        "show_status": True,
    }
    assert (await root("PATCH", path, json={"handling": wanted})).json()["handling"] == wanted
    assert (await root("PATCH", path, json={"name": "another"})).json()["handling"] == wanted
    stop = house.gateway.desired[record.server.uuid].blueprint.stop
    assert (stop.command, stop.timeout_s, stop.clean_exit) == ("end", 30, (0, -15))
    late = {"autostart_delay_s": 86_401}
    for wrong in ({"clean_exits": [256]}, {"stop_timeout_s": -1}, {"stop_command": "a\nb"}, late):
        assert (await root("PATCH", path, json={"handling": wrong})).status_code in (400, 422), wrong
    assert (await root("PATCH", path, json={"handling": {}})).json()["handling"] == usual


async def test_sharing_a_log_where_nothing_is_to_be_shared_says_so(house: House, root: Client) -> None:
    record = await house.server(package="minecraft")
    refused = await root("POST", f"/servers/{record.server.uuid}/console/share")
    assert 400 <= refused.status_code < 500 or refused.status_code == 503
    assert refused.json()["error"]["message"]


async def test_a_game_without_a_management_server_says_so(house: House, root: Client) -> None:
    record = await house.server(start=True)
    refused = await root("POST", f"/servers/{record.server.uuid}/management", json={"method": "minecraft:players"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "management_is_unavailable")

"""Tasks and webhooks through Crafty's routes: what is given comes back, and what it means here."""

from typing import Any

import pytest

from innkeeper.core.schedules.model import Act, After, Cron, Every, Schedule, ScheduleChanges, ScheduleDraft
from tests.dialects.crafty.served import Served

SEED: dict[str, Any] = {
    "name": "Test 1234",
    "enabled": True,
    "action": "custom_command",
    "interval": 1,
    "interval_type": "minutes",
    "command": "say hello world",
    "parent": None,
    "one_time": False,
    "cron_string": "",
    "delay": 0,
}
"""The example of the documentation."""


def task(**changes: Any) -> dict[str, Any]:
    return SEED | {"start_time": "02:00"} | changes


async def kept(served: Served, task_id: str) -> Schedule:
    house = served.house
    return await house.product.schedules.get(house.actor(house.root), served.example, int(task_id))


async def make(served: Served, body: dict[str, Any]) -> str:
    made = await served.data("POST", f"/servers/{served.example.server.id}/tasks/", json=body)
    assert isinstance(made["schedule_id"], str)
    return str(made["schedule_id"])


async def shown(served: Served, task_id: str) -> dict[str, Any]:
    path = f"/servers/{served.example.server.id}/tasks/{task_id}"
    reply = await served.ask("GET", path, token=await served.token("root"))
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


@pytest.mark.parametrize(
    ("body", "trigger", "act"),
    [
        (SEED, Every(count=1, unit="minutes"), Act(kind="command", command="say hello world")),
        (task(interval_type="hours", interval=3), Every(count=3, unit="hours"), None),
        (task(interval_type="days", interval=2, start_time="4:30"), Every(count=2, unit="days", at="04:30"), None),
        (task(interval_type="", interval=0, cron_string="*/5 * * * *"), Cron(expression="*/5 * * * *"), None),
        (task(action="start", command="start_server"), None, Act(kind="start")),
        (task(action="backup", command="backup_server"), None, Act(kind="backup")),
        (task(action="stop", command=""), None, Act(kind="stop")),
        (task(action="restart", command=None), None, Act(kind="restart")),
        (task(action="start", command="say start"), None, Act(kind="command", command="say start")),
    ],
)
async def test_a_task_is_a_schedule_and_comes_back_word_for_word(
    served: Served, body: dict[str, Any], trigger: Any, act: Act | None
) -> None:
    if body["action"] == "backup" and served.house.product.schedules is None:
        pytest.skip("no backups")
    task_id = await make(served, body)
    schedule = await kept(served, task_id)
    assert trigger in (None, schedule.trigger)
    assert act in (None, schedule.act)
    row = await shown(served, task_id)
    assert row["schedule_id"] == int(task_id)
    assert row["server_id"]["server_id"] == served.example.server.id
    due = body | {"start_time": schedule.trigger.at} if schedule.trigger == trigger and "days" in str(trigger) else body
    assert {name: row[name] for name in due} == due | {"command": body["command"] or ""}
    assert schedule.next_at is not None
    assert row["next_run"] == f"{schedule.next_at:%m/%d/%Y, %H:%M:%S}"


async def test_what_is_left_out_is_as_its_form_says(served: Served) -> None:
    task_id = await make(served, {"name": "short", "action": "start", "interval": 1, "interval_type": "hours"})
    row = await shown(served, task_id)
    assert (row["enabled"], row["one_time"], row["start_time"], row["delay"]) == (True, False, "00:00", 0)


async def test_a_reaction_follows_its_parent_and_is_listed_among_its_children(served: Served) -> None:
    parent = await make(served, task())
    child = await make(served, task(interval_type="reaction", interval=0, parent=int(parent), delay=5, name="re"))
    assert (await kept(served, child)).trigger == After(schedule_id=int(parent), delay_s=5)
    row = await shown(served, child)
    assert (row["interval_type"], row["parent"], row["delay"], row["next_run"]) == ("reaction", int(parent), 5, "")
    path = f"/servers/{served.example.server.id}/tasks"
    assert [one["schedule_id"] for one in await served.data("GET", path)] == [int(parent), int(child)]
    assert [one["schedule_id"] for one in await served.data("GET", f"{path}/{parent}/children")] == [int(child)]


async def test_a_task_is_changed_in_part(served: Served) -> None:
    task_id = await make(served, task(action="label of mine"))
    path = f"/servers/{served.example.server.id}/tasks/{task_id}"
    await served.data("PATCH", path, json={"name": "Test 5678", "enabled": False})
    row = await shown(served, task_id)
    assert (row["name"], row["enabled"], row["next_run"], row["action"]) == ("Test 5678", False, "", "label of mine")
    await served.data("PATCH", path, json={"interval": 5, "command": "stop_server", "enabled": True})
    schedule = await kept(served, task_id)
    assert (schedule.trigger, schedule.act) == (Every(count=5, unit="minutes"), Act(kind="stop"))
    await served.data("PATCH", path, json={"interval_type": "", "cron_string": "0 4 * * 1"})
    assert (await shown(served, task_id))["cron_string"] == "0 4 * * 1"


async def test_a_label_that_was_overtaken_by_other_means_is_not_told_any_more(served: Served) -> None:
    task_id, house = await make(served, task(action="mine", command="start_server")), served.house
    changes = ScheduleChanges(act=Act(kind="kill"))
    await house.product.schedules.change(house.actor(house.root), served.example, int(task_id), changes)
    row = await shown(served, task_id)
    assert (row["action"], row["command"]) == ("kill", "kill_server")


async def test_a_schedule_that_verifies_comes_back_as_it_was_shown(served: Served) -> None:
    house = served.house
    draft = ScheduleDraft(name="look", trigger=Every(count=1, unit="hours"), act=Act(kind="verify"))
    made = await house.product.schedules.create(house.actor(house.root), served.example, draft)
    row = await shown(served, str(made.id))
    assert (row["action"], row["command"]) == ("verify", "verify_backup")
    path = f"/servers/{served.example.server.id}/tasks/{made.id}"
    await served.data("PATCH", path, json={name: row[name] for name in ("action", "command", "name")})
    assert (await kept(served, str(made.id))).act == Act(kind="verify")


async def test_a_task_is_removed(served: Served) -> None:
    task_id = await make(served, SEED)
    path, token = f"/servers/{served.example.server.id}/tasks/{task_id}", await served.token("root")
    await served.data("DELETE", path)
    for method, body in (("GET", None), ("PATCH", {"enabled": True}), ("DELETE", None)):
        reply = await served.ask(method, path, token=token, json=body)
        assert (reply.status_code, reply.json()["error"]) == (400, "NO SCHEDULE FOUND")


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (task(interval_type="", cron_string="bad cron"), 405, "Invalid Cron format detected"),
        (task(interval_type="", cron_string=""), 405, "Invalid Cron format detected"),
        (task(interval_type="weeks"), 400, "INVALID_JSON_SCHEMA"),
        (task(start_time="two"), 400, "INVALID_JSON_SCHEMA"),
        ({"name": "only"}, 400, "INVALID_JSON_SCHEMA"),
        ({}, 400, "INVALID_JSON_SCHEMA"),
        (task(interval_type="reaction"), 400, "NO PARENT GIVEN"),
        (task(interval_type="reaction", parent=99), 400, "SCHEDULE_IS_INVALID"),
        (task(interval_type="days", start_time="25:00"), 400, "SCHEDULE_IS_INVALID"),
        (task(interval=0), 400, "SCHEDULE_IS_INVALID"),
        (task(command="", action="dance"), 400, "NO COMMAND GIVEN"),
    ],
)
async def test_a_task_that_cannot_be_is_refused(served: Served, body: dict[str, Any], status: int, error: str) -> None:
    path = f"/servers/{served.example.server.id}/tasks"
    reply = await served.ask("POST", path, token=await served.token("root"), json=body)
    assert (reply.status_code, reply.json()["error"]) == (status, error), reply.text
    assert await served.data("GET", path) == []


# -- webhooks ---------------------------------------------------------------------------------------------------------

HOOK: dict[str, Any] = {
    "webhook_type": "Discord",
    "name": "My example Webhook",
    "url": "https://webhook.example.com/a",
    "bot_name": "Crafty BOT",
    "trigger": ["server_start"],
    "body": "Server Has Started",
    "enabled": True,
}
"""The example of the documentation."""


def hooks(served: Served) -> str:
    return f"/servers/{served.example.server.id}/webhook"


async def test_a_webhook_is_shown_as_the_seed_and_as_the_original_do(served: Served) -> None:
    made = await served.data("POST", f"{hooks(served)}/", json=HOOK)
    webhook_id = made["webhook_id"]
    assert isinstance(webhook_id, int)
    listed = HOOK | {"trigger": "start_server,", "color": "#005cd1"}
    assert await served.data("GET", hooks(served)) == {str(webhook_id): listed}
    assert await served.data("GET", f"{hooks(served)}/{webhook_id}") == {
        "id": webhook_id,
        "server_id": served.example.server.id,
        **listed,
        str(webhook_id): listed,
    }


async def test_triggers_go_by_all_their_names(served: Served) -> None:
    given = ["kill", "server_backup", "start_server", "jar_update", "player_joined", "crash_detected", "server_stop"]
    made = await served.data("POST", hooks(served), json=HOOK | {"trigger": given, "color": "#ff0000"})
    [webhook] = (await served.data("GET", hooks(served))).values()
    assert webhook["trigger"] == "start_server,stop_server,kill,crash_detected,backup_server,jar_update,player_joined,"
    await served.data("PATCH", f"{hooks(served)}/{made['webhook_id']}", json={"webhook_type": "Slack", "trigger": []})
    [webhook] = (await served.data("GET", hooks(served))).values()
    assert (webhook["webhook_type"], webhook["trigger"], webhook["color"]) == ("Slack", "", "#ff0000")


async def test_a_webhook_is_tested_and_deleted(served: Served) -> None:
    path = f"{hooks(served)}/{(await served.data('POST', hooks(served), json=HOOK))['webhook_id']}"
    await served.data("POST", path)
    house = served.house
    which = int(path.rsplit("/", 1)[1])
    deliveries = await house.product.webhooks.deliveries(house.actor(house.root), served.example, which, 10)
    assert [one.happening for one in deliveries.items] == ["test"]
    await served.data("DELETE", path)
    await served.data("DELETE", path)
    token = await served.token("root")
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("POST", None)):
        reply = await served.ask(method, path, token=token, json=body)
        assert (reply.status_code, reply.json()["error"]) == (400, "NO WEBHOOK FOUND"), method


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"webhook_type": "Nope"}, "INVALID_JSON_SCHEMA"),
        ({"trigger": ["server_dances"]}, "UNKNOWN_TRIGGER"),
        ({"color": "blue"}, "WEBHOOK_IS_INVALID"),
        ({"url": "ftp://example.com"}, "WEBHOOK_IS_INVALID"),
        ({"body": "{{ broken"}, "WEBHOOK_IS_INVALID"),
        ({"more": 1}, "INVALID_JSON_SCHEMA"),
    ],
)
async def test_a_webhook_that_cannot_be_is_refused(served: Served, change: dict[str, Any], error: str) -> None:
    reply = await served.ask("POST", hooks(served), token=await served.token("root"), json=HOOK | change)
    assert (reply.status_code, reply.json()["error"]) == (400, error), reply.text
    assert await served.data("GET", hooks(served)) == {}

"""Bodies that nobody means well with: refused in Crafty's shape, in no time, and never a fault of ours."""

import asyncio
import json

import pytest

from innkeeper.panel.dialects.crafty.asking import MOST, parse
from innkeeper.panel.dialects.crafty.errors import BodyIsNoJson
from tests.dialects.crafty.served import Served

TASK = {"name": "a task", "action": "start_server", "interval_type": "minutes"}


@pytest.mark.parametrize(
    "text", [r'"\ud800"', r'{"\udfff": 1}', r'["a", {"b": "\ud800\ud800"}]', "1e400", "-1e999", "NaN"]
)
def test_what_cannot_be_written_down_again_is_no_json(text: str) -> None:
    with pytest.raises(BodyIsNoJson):
        parse(text.encode())


def test_a_pair_that_is_escaped_is_one_character() -> None:
    assert parse(rb'"\ud83d\ude00"') == "\U0001f600"


def test_a_whole_number_is_an_integer_however_it_is_written() -> None:
    found = parse(b"[1.0, 1e3, 1.5, 10000000000000000000000]")
    assert [(type(one), one) for one in found] == [(int, 1), (int, 1000), (float, 1.5), (int, 10**22)]


@pytest.mark.parametrize("field", ["name", "action", "command"])
async def test_half_a_character_in_a_task_is_refused(served: Served, field: str) -> None:
    path, token = f"/servers/{served.example.server.id}/tasks", await served.token("root")
    body = json.dumps(TASK | {"interval": 1, field: "\ud800"})
    answer = await served.ask("POST", path, token=token, content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_JSON")


@pytest.mark.parametrize("number", ["1e308", "1e400", "-1e308", "1" + "0" * 5000])
async def test_numbers_out_of_all_bounds_are_refused(served: Served, number: str) -> None:
    token = await served.token("root")
    for method, path, body in (
        ("POST", f"/servers/{served.example.server.id}/tasks", json.dumps(TASK | {"interval": 7777})),
        (
            "PATCH",
            f"/users/{served.account('root').id}",
            '{"permissions": [{"name": "SERVER_CREATION", "quantity": 7777, "enabled": true}]}',
        ),
    ):
        answer = await served.ask(method, path, token=token, content=body.replace("7777", number))
        assert answer.status_code == 400, answer.text
        assert answer.json()["status"] == "error"


async def test_an_interval_with_a_point_is_a_whole_number(served: Served) -> None:
    path, token = f"/servers/{served.example.server.id}/tasks", await served.token("root")
    answer = await served.ask("POST", path, token=token, content=json.dumps(TASK | {"interval": 2.0}))
    task = (await served.ask("GET", f"{path}/{answer.json()['data']['schedule_id']}", token=token)).json()
    assert (type(task["interval"]), task["interval"]) == (int, 2)


async def test_a_large_body_that_is_wrong_keeps_nobody_waiting_and_is_not_told_back(served: Served) -> None:
    token = await served.token("root")
    role = {"server_id": 1, "permissions": "0000000"}
    body = json.dumps({"name": "x", "servers": [role] * 5000, "x" * 8000: 1})
    assert len(body) < MOST
    asking = asyncio.create_task(served.ask("POST", "/roles", token=token, content=body))
    others = 0
    while not asking.done():
        assert (await served.ask("GET", "/")).is_success
        others += 1
    answer = await asking
    assert others > 1
    assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_JSON_SCHEMA")
    assert len(answer.text) < 10_000


async def test_a_body_past_all_need_is_refused_unread(served: Served) -> None:
    answer = await served.ask("POST", "/roles", token=await served.token("root"), content="[" * (MOST + 1))
    assert (answer.status_code, answer.json()["error"]) == (413, "BODY_IS_TOO_LARGE")


async def test_a_narrow_key_of_a_superuser_is_refused_one_that_carries_everything(served: Served) -> None:
    narrow = await served.key("root", "1" * 8, "1" * 3)
    body = {"name": "all of it", "superuser": True}
    answer = await served.ask("PATCH", "/users/@me/key", token=narrow, json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_SUPERUSER_CREATE")
    assert len(await served.data("GET", "/users/@me/key")) == 1


@pytest.mark.parametrize("path", ["./////", "./.", ".//."])
async def test_a_servers_own_folder_is_not_deleted_by_another_name(served: Served, path: str) -> None:
    token = await served.token("root")
    files = f"/servers/{served.example.server.id}/files"
    listed = await served.data("POST", files, json={"path": path})
    assert listed["root_path"]["top"] is True
    answer = await served.ask("DELETE", files, token=token, json={"filename": f"{path:/<5}"})
    assert (answer.status_code, answer.json()["error"]) == (400, "TRAVERSAL DETECTED")

"""Second factors, roles for each server, managers and keys of others, over HTTP."""

import asyncio
from typing import Any

import pyotp

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.testing.products import PASSWORD, House
from tests.unit.panel.api.conftest import Asking, Client


def code_of(answer: Any) -> str:
    return str(answer.json()["error"]["code"])


def now(house: House, secret: str, later: int = 0) -> str:
    return pyotp.HOTP(secret).at(int(house.clock.now().timestamp()) // 30 + later)


async def test_a_second_factor_from_the_first_look_to_its_end(house: House, ask: Asking) -> None:
    guest = await house.account("guest")
    me, body = await ask.by(guest), {"username": "guest", "password": PASSWORD}
    assert (await me("GET", "/second-factor")).json() == {"on": False, "recovery_codes_left": 0}
    begun = (await me("POST", "/second-factor")).json()
    assert begun["uri"].startswith("otpauth://totp/Innkeeper:guest?")
    assert (await ask.nobody("POST", "/sessions", json=body)).status_code == 201
    wrong = await me("POST", "/second-factor/confirm", json={"code": "nonsense"})
    assert (wrong.status_code, code_of(wrong)) == (401, "second_factor_is_wrong")
    confirmed = await me("POST", "/second-factor/confirm", json={"code": now(house, begun["secret"])})
    assert (confirmed.status_code, len(confirmed.json()["recovery_codes"])) == (200, 10)
    assert (await me("GET", "/second-factor")).json() == {"on": True, "recovery_codes_left": 10}
    assert code_of(await me("POST", "/second-factor")) == "second_factor_is_on"

    missing = await ask.nobody("POST", "/sessions", json=body)
    assert (missing.status_code, code_of(missing)) == (401, "second_factor_is_missing")
    replayed = await ask.nobody("POST", "/sessions", json=body | {"code": now(house, begun["secret"])})
    assert code_of(replayed) == "second_factor_is_wrong"
    recovery = confirmed.json()["recovery_codes"][0]
    let_in = await ask.nobody("POST", "/sessions", json=body | {"code": recovery})
    assert (let_in.status_code, let_in.json()["account"]["second_factor"]) == (201, True)
    assert let_in.json()["account"]["last_login_at"] is not None

    assert (await me("POST", "/second-factor/disable", json={"password": "wrong"})).status_code == 401
    assert (await me("POST", "/second-factor/disable", json={"password": PASSWORD})).status_code == 204
    assert (await ask.nobody("POST", "/sessions", json=body)).status_code == 201


async def test_an_administrator_turns_off_a_lost_second_factor(house: House, ask: Asking, root: Client) -> None:
    guest = await house.account("guest")
    me = await ask.by(guest)
    path = f"/accounts/{guest.uuid}/second-factor"
    assert (await me("DELETE", path)).status_code == 403
    assert (await root("DELETE", path)).status_code == 409
    secret = (await me("POST", "/second-factor")).json()["secret"]
    await me("POST", "/second-factor/confirm", json={"code": now(house, secret)})
    assert (await root("DELETE", path)).status_code == 204
    assert (await ask.nobody("POST", "/sessions", json={"username": "guest", "password": PASSWORD})).status_code == 201


async def test_recovery_codes_are_renewed_by_a_code_or_the_password(house: House, ask: Asking) -> None:
    me, path = await ask.by(await house.account("guest")), "/second-factor/recovery-codes"
    assert code_of(await me("POST", path, json={"password": PASSWORD})) == "second_factor_is_off"
    secret = (await me("POST", "/second-factor")).json()["secret"]
    answer = await me("POST", "/second-factor/confirm", json={"code": now(house, secret)})
    before = answer.json()["recovery_codes"]
    for proof in ({}, {"password": "wrong"}, {"code": "nonsense"}):
        refused = await me("POST", path, json=proof)
        assert (refused.status_code, "recovery_codes" in refused.json()) == (401, False)
    by_code = (await me("POST", path, json={"code": before[0]})).json()["recovery_codes"]
    by_password = await me("POST", path, json={"password": PASSWORD})
    after = by_password.json()["recovery_codes"]
    assert (by_password.status_code, len({*before, *by_code, *after})) == (200, 30)
    body = {"username": "guest", "password": PASSWORD}
    for void in (before[1], by_code[0]):
        assert code_of(await ask.nobody("POST", "/sessions", json=body | {"code": void})) == "second_factor_is_wrong"
    assert (await ask.nobody("POST", "/sessions", json=body | {"code": after[0]})).status_code == 201


async def test_an_administrator_turns_off_his_own_by_the_password_alone(
    house: House, ask: Asking, root: Client
) -> None:
    secret = (await root("POST", "/second-factor")).json()["secret"]
    await root("POST", "/second-factor/confirm", json={"code": now(house, secret)})
    refused = await root("DELETE", f"/accounts/{house.root.uuid}/second-factor")
    assert (refused.status_code, code_of(refused)) == (403, "permission_is_missing")
    assert (await root("GET", "/second-factor")).json()["on"] is True
    assert (await root("POST", "/second-factor/disable", json={"password": PASSWORD})).status_code == 204


async def test_who_may_change_accounts_does_not_become_the_owner_of_a_server(
    house: House, ask: Asking, root: Client
) -> None:
    owner, keeper = await house.account("owner"), await house.account("keeper")
    permissions = ["accounts.read", "accounts.write"]
    await root("PATCH", f"/accounts/{keeper.uuid}", json={"permissions": permissions})
    server, me = await house.server(owner=owner), await ask.by(keeper)
    account, key = f"/accounts/{owner.uuid}", {"account": str(owner.uuid), "name": "k"}
    for method, path, body in (
        ("PATCH", account, {"password": "quite another passphrase"}),
        ("PATCH", account, {"username": "mine"}),
        ("DELETE", f"{account}/second-factor", None),
        ("POST", "/keys", key),
        ("GET", f"/keys?account={owner.uuid}", None),
    ):
        refused = await me(method, path, json=body)
        assert (refused.status_code, code_of(refused)) == (403, "permission_is_missing"), (method, path)
    assert (await me("PATCH", account, json={"disabled": True})).status_code == 200
    assert (await me("PATCH", account, json={"disabled": False})).status_code == 200
    await house.product.servers.delete(house.actor(house.root), server, at_once=True)
    await house.settle()
    assert (await me("PATCH", account, json={"password": "quite another passphrase"})).status_code == 200


async def test_a_change_of_one_thing_of_a_role_leaves_what_others_changed(house: House, root: Client) -> None:
    guest = await house.account("guest")
    role = (await root("POST", "/roles", json={"name": "crew"})).json()
    path = f"/roles/{role['id']}"
    changes = ({"name": "team"}, {"members": [str(guest.uuid)]}, {"permissions": ["nodes.read"]})
    answers = await asyncio.gather(*(root("PATCH", path, json=change) for change in changes))
    assert [answer.status_code for answer in answers] == [200] * 3
    now_ = (await root("GET", path)).json()
    assert (now_["name"], now_["members"], now_["permissions"]) == ("team", [str(guest.uuid)], ["nodes.read"])


async def test_sessions_end_at_once_and_keys_stay(house: House, ask: Asking, root: Client) -> None:
    guest, other = await house.account("guest"), await house.account("other")
    me = await ask.by(guest)
    session = (await ask.nobody("POST", "/sessions", json={"username": "guest", "password": PASSWORD})).json()["token"]
    path = f"/accounts/{guest.uuid}/sessions"
    assert (await (await ask.by(other))("DELETE", path)).status_code == 404
    assert (await me("DELETE", path)).status_code == 204
    assert (await ask.with_key(session)("GET", "/me")).status_code == 401
    assert (await me("GET", "/me")).status_code == 200
    assert (await root("DELETE", path)).status_code == 204


async def test_what_an_account_may_of_itself_and_how_often(house: House, ask: Asking, root: Client) -> None:
    boss = await house.account("boss")
    body = {
        "username": "guest",
        "password": PASSWORD,
        "permissions": ["accounts.read", "accounts.write"],
        "limits": {"accounts.write": 1},
        "manager": str(boss.uuid),
        "language": "de_CH",
        "theme": "dark",
        "hints": False,
    }
    made = (await root("POST", "/accounts", json=body)).json()
    assert {name: made[name] for name in ("permissions", "limits", "language", "theme", "hints")} == {
        name: body[name] for name in ("permissions", "limits", "language", "theme", "hints")
    }
    assert made["manager"] == {"id": str(boss.uuid), "username": "boss"}
    guest = house.product.authority.by_username("guest")
    assert guest is not None
    theirs = await ask.by(guest)
    friend = {"username": "friend", "password": PASSWORD}
    assert (await theirs("POST", "/accounts", json=friend)).status_code == 201
    refused = await theirs("POST", "/accounts", json=friend | {"username": "second"})
    assert (refused.status_code, code_of(refused)) == (409, "too_many_accounts")
    used = (await theirs("GET", f"/accounts/{guest.uuid}/limits")).json()
    assert used == {
        "limits": {"accounts.write": 1},
        "used": {"servers.create": 0, "accounts.write": 1, "roles.write": 0},
    }
    manager = await ask.by(boss)
    path = f"/accounts/{guest.uuid}"
    assert (await manager("PATCH", path, json={"theme": "", "disabled": True})).json()["disabled"] is True
    assert (await manager("PATCH", path, json={"permissions": []})).status_code == 403
    assert (await root("PATCH", path, json={"manager": None})).json()["manager"] is None
    assert (await manager("GET", path)).status_code == 404
    assert (await root("PATCH", path, json={"username": "visitor"})).json()["username"] == "visitor"
    assert code_of(await root("PATCH", path, json={"limits": {"nodes.write": 1}})) == "limit_is_invalid"


async def test_a_role_gives_on_each_server_what_it_says_there(house: House, ask: Asking, root: Client) -> None:
    boss, guest = await house.account("boss"), await house.account("guest")
    camp, other = await house.server(owner=boss), await house.server(name="other")
    body = {
        "name": "crew",
        "servers": [{"server": str(camp.server.uuid), "permissions": ["server.view"]}],
        "manager": str(boss.uuid),
    }
    made = (await root("POST", "/roles", json=body)).json()
    assert (made["servers"], made["manager"]["username"], made["changed_at"]) == (body["servers"], "boss", None)
    assert code_of(await root("POST", "/roles", json={"name": "CREW"})) == "role_name_is_taken"
    manager, path = await ask.by(boss), f"/roles/{made['id']}"
    assert [item["name"] for item in (await manager("GET", "/roles")).json()["items"]] == ["crew"]
    wider = [{"server": str(camp.server.uuid), "permissions": ["server.view", "power.start"]}]
    changed = await manager("PATCH", path, json={"servers": wider, "members": [str(guest.uuid)]})
    assert (changed.status_code, changed.json()["servers"][0]["permissions"]) == (200, ["power.start", "server.view"])
    assert house.actor(guest).on(camp.server.id, boss.id) == {"server.view", "power.start"}
    beyond = [{"server": str(other.server.uuid), "permissions": ["server.view"]}]
    assert (await manager("PATCH", path, json={"servers": beyond})).status_code == 404, "it does not even see it"
    assert (await manager("PATCH", path, json={"manager": None})).status_code == 403
    assert (await manager("DELETE", path)).status_code == 403
    assert (await (await ask.by(guest))("GET", "/roles")).status_code == 403


async def test_an_administrator_makes_and_ends_keys_of_others(house: House, ask: Asking, root: Client) -> None:
    guest = await house.account("guest")
    made = await root("POST", "/keys", json={"name": "theirs", "account": str(guest.uuid)})
    assert (await ask.with_key(made.json()["secret"])("GET", "/me")).json()["account"]["username"] == "guest"
    listed = (await root("GET", "/keys", params={"account": str(guest.uuid)})).json()["items"]
    assert [key["name"] for key in listed] == ["theirs"]
    theirs = await ask.by(guest)
    assert (await theirs("GET", "/keys", params={"account": str(house.root.uuid)})).status_code == 404
    assert (await root("DELETE", f"/keys/{listed[0]['id']}")).status_code == 204


async def test_the_past_of_a_console_needs_another_permission_than_its_present(house: House, ask: Asking) -> None:
    server, live, past = await house.server(), await house.account("live"), await house.account("past")
    await house.share(server, live, ServerPermission.VIEW, ServerPermission.CONSOLE_READ)
    await house.share(server, past, ServerPermission.VIEW, ServerPermission.LOGS_READ)
    base = f"/servers/{server.server.uuid}/console"
    for account, reads, follows in ((live, 403, 201), (past, 200, 403)):
        client = await ask.by(account)
        assert (await client("GET", base)).status_code == reads
        assert (await client("GET", f"{base}/search", params={"text": "x"})).status_code == reads
        assert (await client("POST", f"{base}/tickets")).status_code == follows
        assert ((await client("POST", f"{base}/share")).status_code == 403) == (reads == 403)

"""People as Crafty knows them: what is asked of accounts, roles and keys is done to the house's own, or not at all."""

import asyncio

import pyotp
import pytest

from innkeeper.core.access.errors import CannotGiveMoreThanHeld, NoSuchRole
from innkeeper.core.accounts.errors import PasswordIsTooWeak, WrongCredentials
from innkeeper.testing.products import PASSWORD
from tests.dialects.crafty.served import NOTHING, Served


async def test_a_password_of_eight_characters_is_enough_here_and_not_elsewhere(served: Served) -> None:
    house = served.house
    await served.data("POST", "/users", json={"username": "short", "password": "password"})
    assert await served.token("short", "password")
    with pytest.raises(PasswordIsTooWeak):
        await house.product.accounts.create(house.actor(house.root), username="other", password="password")


async def test_who_holds_the_whole_account_gives_it_a_new_password_and_is_signed_out(served: Served) -> None:
    token = await served.with_role("helper", NOTHING)
    await served.data("PATCH", "/users/@me", token=token, json={"password": "password2"})
    assert (await served.ask("GET", "/users/@me", token=token)).status_code == 403
    served.tokens.clear()
    assert await served.token("helper", "password2")
    actor = served.house.actor(served.account("helper"))
    with pytest.raises(WrongCredentials):
        await served.house.product.accounts.change(actor, actor.account.uuid, password="password three")


async def test_a_narrow_key_gives_no_new_password(served: Served) -> None:
    await served.with_role("helper", NOTHING)
    key = await served.key("helper", "1" * 8, "1" * 3)
    answer = await served.ask("PATCH", "/users/@me", token=key, json={"password": "password2"})
    assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_PASSWORD_MODIFY")


async def test_an_account_has_exactly_the_roles_that_it_is_given(served: Served) -> None:
    await served.with_role("helper", "1" * 8)
    other = (await served.data("POST", "/roles", json={"name": "other"}))["role_id"]
    user = served.account("helper").id
    await served.data("PATCH", f"/users/{user}", json={"roles": [other]})
    assert [role["role_id"] for role in (await served.data("GET", f"/users/{user}"))["roles"]] == [other]
    await served.data("PATCH", f"/users/{user}", json={"roles": []})
    assert (await served.data("GET", f"/users/{user}"))["roles"] == []


async def test_nobody_gives_a_role_that_gives_more_than_they_hold(served: Served) -> None:
    house = served.house
    await served.with_role("helper", "1" * 8)
    await served.with_role("chief", NOTHING, "111")
    role = next(iter(house.product.authority.roles))
    chief = house.actor(served.account("chief"))
    with pytest.raises(CannotGiveMoreThanHeld):
        await house.product.access.set_roles(chief, chief.account.id, frozenset({role}))
    with pytest.raises(NoSuchRole):
        await house.product.access.set_roles(chief, chief.account.id, frozenset({role, 987654321}))
    body = {"username": "crony", "password": PASSWORD, "roles": [role]}
    answer = await served.ask("POST", "/users", token=await served.token("chief"), json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "INVALID_ROLES_CREATE")
    assert house.product.authority.by_username("crony") is None


async def test_a_mask_that_is_written_leaves_alone_what_no_bit_stands_for(served: Served) -> None:
    house = served.house
    server = served.example.server.id
    role = await house.product.access.create_role(
        house.actor(house.root), name="mixed", servers={server: frozenset({"server.view", "console.manage"})}
    )
    body = {"servers": [{"server_id": server, "permissions": "00100000"}]}
    await served.data("PATCH", f"/roles/{role.id}", json=body)
    held = house.product.authority.roles[role.id].servers[server]
    assert {"console.manage", "logs.read"} <= held
    assert await served.data("GET", f"/roles/{role.id}/servers") == [{"server_id": server, "permissions": "00100000"}]


async def test_a_permission_that_is_given_so_often_is_shown_and_taken_back(served: Served) -> None:
    await served.with_role("helper", NOTHING)
    user = served.account("helper").id
    for quantity, enabled, mask, limit in ((5, True, "100", 5), (-1, True, "100", -1), (3, False, "000", 0)):
        given = [{"name": "SERVER_CREATION", "quantity": quantity, "enabled": enabled}]
        await served.data("PATCH", f"/users/{user}", json={"permissions": given})
        shown = await served.data("GET", f"/users/{user}/permissions")
        assert (shown["permissions"], shown["limits"]["SERVER_CREATION"]) == (mask, limit)


async def test_a_token_ends_with_its_key_its_session_and_its_account(served: Served) -> None:
    await served.with_role("helper", "1" * 8)
    user = served.account("helper").id
    key, session = await served.key("helper", "1" * 8), await served.token("helper")
    await served.data("PATCH", f"/users/{user}", json={"enabled": False})
    for token in (key, session):
        assert (await served.ask("GET", "/users/@me", token=token)).status_code == 403
    answer = await served.ask("POST", "/auth/login", json={"username": "helper", "password": PASSWORD})
    assert (answer.status_code, answer.json()) == (403, {"status": "error", "error": "ACCOUNT_DISABLED", "token": None})


async def test_a_second_factor_is_asked_for(served: Served) -> None:
    house = served.house
    await served.with_role("helper", NOTHING)
    actor, factors = house.actor(served.account("helper")), house.product.accounts.second_factors
    _, secret = await factors.begin(actor)
    recovery, *_ = await factors.confirm(actor, pyotp.HOTP(secret).at(int(house.clock.now().timestamp()) // 30))
    body = {"username": "helper", "password": PASSWORD}
    missing = await served.ask("POST", "/auth/login", json=body)
    assert (missing.status_code, missing.json()["error"]) == (401, "MFA_REQUIRED")
    wrong = await served.ask("POST", "/auth/login", json=body | {"totp": "no code at all"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "INCORRECT_CREDENTIALS")
    assert (await served.ask("POST", "/auth/login", json=body | {"totp": recovery})).status_code == 200


async def test_who_may_configure_users_does_not_become_one_that_holds_more_on_a_server(served: Served) -> None:
    house, chief = served.house, await served.with_role("chief", NOTHING, "010")
    await served.with_role("helper", "1" * 8)
    owner = await house.account("owner")
    await house.server(owner=owner, name="theirs")
    for name in ("helper", "owner"):
        path = f"/users/{served.account(name).id}"
        taken = await served.ask("PATCH", path, token=chief, json={"password": "password2"})
        assert (taken.status_code, taken.json()["error"]) == (400, "INVALID_PASSWORD_MODIFY")
        renamed = await served.ask("PATCH", path, token=chief, json={"username": "mine_now"})
        assert (renamed.status_code, renamed.json()["error"]) == (400, "NOT_AUTHORIZED")
        assert served.account(name).password_hash == f"plain:{PASSWORD}"
    await served.data("PATCH", f"/users/{owner.id}", token=chief, json={"lang": "de_DE"})
    await served.data("POST", "/users", token=chief, json={"username": "newcomer", "password": PASSWORD})
    newcomer = served.account("newcomer").id
    await served.data("PATCH", f"/users/{newcomer}", token=chief, json={"password": "password2"})
    assert await served.token("newcomer", "password2")


async def test_roles_that_are_changed_at_the_same_time_keep_what_each_was_given(served: Served) -> None:
    role = (await served.data("POST", "/roles", json={"name": "crew"}))["role_id"]
    server = served.example.server.id
    await served.with_role("helper", NOTHING)
    user = served.account("helper").id
    await asyncio.gather(
        served.data("PATCH", f"/roles/{role}", json={"name": "team"}),
        served.data("PATCH", f"/roles/{role}", json={"servers": [{"server_id": server, "permissions": "1" * 8}]}),
        served.data("PATCH", f"/users/{user}", json={"roles": [role]}),
    )
    now = served.house.product.authority.roles[role]
    assert (now.name, set(now.servers), now.members) == ("team", {server}, {user})

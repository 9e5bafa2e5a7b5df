"""Credit pools of exaroton's dialect and starts with one's own credits: its real clients, real money, a real game."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.asking import Api, Server
from tests.acceptance.exaroton.proving import ON_ONE_INNKEEPER
from tests.acceptance.innkeepers import Embedded
from tests.acceptance.looking import eventually
from tests.clients.bots import ExarotonNode
from tests.clients.exaroton_python import ExarotonPython

pytestmark = ON_ONE_INNKEEPER

COUNTER = Path(__file__).parents[1] / "games" / "counter.py"
CREDIT = 1_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def friend(inn: Embedded) -> str:
    """The id of another account, whose password is `friendship`."""
    made = await inn.api.ask("POST", "/accounts", json={"username": "friend", "password": "friendship is all"})
    id: str = made["id"]
    return id


async def give(inn: Embedded, account: str, credits: int) -> None:
    """Give an account credits."""
    await inn.api.ask("POST", f"/billing/wallets/{account}/credits", json={"amount_micro": credits * CREDIT})


async def me(inn: Embedded) -> str:
    """Return the id of the account whose key the clients have."""
    found = (await inn.api.ask("GET", "/accounts"))["items"]
    return next(str(account["id"]) for account in found if account["username"] == "admin")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pooled(inn: Embedded, friend: str) -> Server:
    """A server that a pool pays for: the administrator's, with 30 credits, and a friend's in it, with 10."""
    server = await inn.api.program(COUNTER, "20", start=False)
    await give(inn, await me(inn), 100)
    await give(inn, friend, 10)
    made = await inn.api.ask("POST", "/billing/pools", json={"name": "club"})
    where = f"/billing/pools/{made['id']}"
    await inn.api.ask("PUT", f"{where}/members/{friend}")
    await inn.api.ask("POST", f"{where}/deposits", json={"amount_micro": 30 * CREDIT})
    signed_in = await inn.api.ask("POST", "/sessions", json={"username": "friend", "password": "friendship is all"})
    theirs = Api(inn.url, signed_in["token"])
    try:
        await theirs.ask("POST", f"{where}/deposits", json={"amount_micro": 10 * CREDIT})
    finally:
        await theirs.aclose()
    await inn.api.ask("PUT", f"/servers/{server.id}/payer", json={"pool": made["id"]})
    return server


@pytest.mark.proves(
    "exaroton GET /billing/pools",
    "exaroton GET /billing/pools/{pool}",
    "exaroton GET /billing/pools/{pool}/members",
    "exaroton GET /billing/pools/{pool}/servers",
    by=["npm 1", "npm 2", "PyPI"],
)
async def test_every_client_sees_who_has_what_in_a_pool(
    npm: ExarotonNode, npm2: ExarotonNode, pypi: ExarotonPython, pooled: Server
) -> None:
    for client in (npm, npm2):
        [listed] = await client.get("pools")
        id = listed["id"]
        assert await client.get("get", pool=id) == listed
        members = await client.get("getMembers", pool=id)
        _check(listed, members)
        assert [server["id"] for server in await client.get("getServers", pool=id)] == [pooled.exaroton_id]
        assert (await client.get("account"))["credits"] == 70
        assert (await client.refused("get", pool="A" * 16))[0] == 404
    [found] = await pypi.call("get_credit_pools")
    assert vars(await pypi.call("get_credit_pool", found.id)) == vars(found)
    _check(vars(found), [vars(member) for member in await pypi.call("get_credit_pool_members", found.id)])
    assert [server.id for server in await pypi.call("get_credit_pool_servers", found.id)] == [pooled.exaroton_id]


def _check(pool: dict[str, Any], members: list[dict[str, Any]]) -> None:
    owner, friend = members
    assert len(pool["id"]) == len(pool["owner"]) == 16
    assert pool == {
        "id": pool["id"],
        "name": "club",
        "credits": 40,
        "servers": 1,
        "owner": owner["account"],
        "isOwner": True,
        "members": 2,
        "ownShare": 0.75,
        "ownCredits": 30,
    }
    assert owner == {"account": pool["owner"], "name": "admin", "share": 0.75, "credits": 30, "isOwner": True}
    assert friend == {"account": friend["account"], "name": "friend", "share": 0.25, "credits": 10, "isOwner": False}


@pytest_asyncio.fixture(loop_scope="module")
async def paid(inn: Embedded) -> AsyncIterator[None]:
    """Running costs: a credit a second for each GiB."""
    await inn.api.ask("PUT", "/billing/price", json={"amount_micro": 3600 * CREDIT})
    yield
    await inn.api.ask("PUT", "/billing/price", json={"amount_micro": 0})


@pytest.mark.proves("exaroton POST /servers/{server}/start", by=["npm 1", "npm 2"])
@pytest.mark.usefixtures("paid")
async def test_whoever_starts_with_own_credits_pays(each_npm: ExarotonNode, inn: Embedded, friend: str) -> None:
    await give(inn, await me(inn), 500)
    server = await inn.api.program(COUNTER, "20", start=False, owner=friend, limits={"memory_mib": 1024})
    client, id = each_npm, server.exaroton_id
    assert (await client.get("get", id))["shared"] is True
    before = (await client.get("account"))["credits"]
    status, message = await client.refused("start", id)
    assert (status, "credits" in message.lower()) == (400, True), message

    await client.get("start", id, True)
    await server.until("running")
    assert (await inn.api.ask("GET", f"/servers/{server.id}/payer"))["account"]["username"] == "admin"
    await client.get("stop", id)
    await server.until("stopped")

    async def has_paid() -> bool:
        return bool((await client.get("account"))["credits"] < before)

    await eventually(has_paid, "the run to be charged")
    assert (await inn.api.ask("GET", f"/billing/wallets/{friend}"))["balance_micro"] == 0
    assert (await inn.api.ask("GET", "/billing/check"))["faults"] == []

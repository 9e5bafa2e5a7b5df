"""The stores of nodes' backups over HTTP."""

from innkeeper.core.access.permissions import ProductPermission
from innkeeper.testing.products import House
from tests.unit.panel.api.conftest import Asking, Client

DAMAGED = "0" * 32


async def test_a_store_is_looked_at_checked_and_rid_of_what_nobody_can_read(house: House, root: Client) -> None:
    path, house.gateway.damaged = f"/nodes/{house.node.uuid}/backups", {DAMAGED}
    known = await root("GET", path)
    assert known.json() == {"where": "the directory /backups", "check": None, "collection": None}
    checked = await root("POST", f"{path}/check")
    assert (checked.status_code, checked.json()["check"]["problems_count"]) == (202, 1)
    assert (await root("POST", f"{path}/collect")).json()["collection"]["failure"] != ""
    assert (await root("DELETE", f"{path}/{DAMAGED}")).status_code == 204
    assert (await root("DELETE", f"{path}/{DAMAGED}")).json()["error"]["code"] == "no_such_backup"
    assert (await root("POST", f"{path}/collect")).json()["collection"]["failure"] == ""
    house.gateway.snapshots["1" * 32] = {}
    sound = await root("DELETE", f"{path}/{'1' * 32}")
    assert (sound.status_code, sound.json()["error"]["code"]) == (409, "backup_is_readable")
    async with house.database.works() as work:
        noted = await work.activity.recent(server_id=None, account_id=None, before_id=None, limit=20)
    told = [entry.action for entry in noted if entry.action.startswith("backup_store.")]
    assert sorted(told) == [f"backup_store.{deed}" for deed in ("check", "collect", "collect", "discard")]


async def test_whoever_may_only_look_at_nodes_neither_sees_nor_changes_their_stores(house: House, ask: Asking) -> None:
    looking = await ask.by(house.root, ProductPermission.NODES_READ)
    path = f"/nodes/{house.node.uuid}/backups"
    for method, where in (("GET", path), ("POST", f"{path}/check"), ("DELETE", f"{path}/{DAMAGED}")):
        assert (await looking(method, where)).status_code == 403

"""The stores of nodes' backups on the command line."""

import json

from tests.unit.cli.conftest import Inn

DAMAGED = "0" * 32


async def test_a_store_is_shown_checked_and_collected(inn: Inn) -> None:
    node = inn.house.node.name
    shown = await inn.run("backups", "store", node)
    assert "the directory /backups" in shown.out
    assert shown.out.count("not since the node was started") == 2
    assert (await inn.run("backups", "check", node)).out == "Nothing is wrong with it.\n"
    assert (await inn.run("backups", "collect", node)).out == "0 B are free again.\n"
    assert (await inn.run("backups", "store", node)).out.count("well") == 2
    begun = await inn.run("backups", "check", node, "--no-wait")
    assert begun.out == f"It is begun; see `innkeeper backups store {node}`.\n"


async def test_a_damaged_backup_is_told_and_discarded(inn: Inn) -> None:
    node, inn.house.gateway.damaged = inn.house.node.name, {DAMAGED}
    ran = await inn.run("backups", "check", node, "--json")
    assert (ran.code, ran.error["code"]) == (1, "backup_store_is_damaged")
    assert ran.error["data"]["check"]["problems"] == [f"snapshots/{DAMAGED} is no snapshot"]
    ran = await inn.run("backups", "collect", node, "--json")
    assert (ran.code, ran.error["code"]) == (1, "backup_store_failed")
    assert "is no snapshot" in (await inn.run("backups", "store", node)).out
    ran = await inn.run("backups", "discard", node, f"snapshots/{DAMAGED}", "--yes", "--json")
    assert json.loads(ran.out) == {"id": DAMAGED}
    assert (await inn.run("backups", "check", node)).code == 0
    ran = await inn.run("backups", "discard", node, DAMAGED, "--yes", "--json")
    assert (ran.code, ran.error["code"]) == (1, "no_such_backup")

"""`innkeeper plans`, `regions`, and what of nodes, packages and servers goes with selling."""

import json

from tests.unit.cli.conftest import Inn

NEW_PLAN = ("--package", "custom", "--title", "Small", "--memory", "512", "--cpu", "100", "--disk", "1000")


async def test_a_plan_is_made_changed_sold_and_deleted(inn: Inn) -> None:
    made = await inn.run("plans", "set", "custom.small", *NEW_PLAN, "--price", "eur=0.01/5")
    assert made.code == 0
    listed = json.loads((await inn.run("plans", "ls", "--package", "custom", "--json")).out)
    assert [(item["name"], item["prices"]) for item in listed] == [
        ("custom.small", [{"currency": "EUR", "hourly_micro": 10_000, "monthly_micro": 5_000_000}])
    ]
    await inn.run("plans", "set", "custom.small", "--memory", "768")
    text = (await inn.run("plans", "ls")).out
    assert all(word in text for word in ("custom.small", "768 MiB", "EUR 0.01/h 5/month", "mc.stone"))
    deployed = await inn.run(
        "servers", "create", "camp", "--package", "custom", "--command", "run", "--plan", "custom.small",
        "--region", "local", "--billing", "monthly", "--no-wait",
    )  # fmt: skip
    assert deployed.code == 0
    shown = (await inn.run("servers", "show", "camp")).out
    assert "custom.small, monthly" in shown and "memory_mib 768" in shown
    assert "plan_is_in_use" in (await inn.run("plans", "rm", "custom.small", "--yes", "--json")).err
    await inn.run("servers", "delete", "camp", "--yes")
    assert (await inn.run("plans", "rm", "custom.small", "--yes")).code == 0


async def test_a_new_plan_needs_all_of_it_and_prices_are_decimals(inn: Inn) -> None:
    assert (await inn.run("plans", "set", "custom.small", "--memory", "5")).code == 2
    for price in ("EUR", "EUR=1", "EUR=1/x", "=1/2"):
        assert (await inn.run("plans", "set", "custom.small", *NEW_PLAN, "--price", price)).code == 2
    assert (await inn.run("plans", "set", "Custom", *NEW_PLAN)).code == 1


async def test_what_is_retired_is_offered_no_more_and_again(inn: Inn) -> None:
    for noun, name in (("plans", "mc.stone"), ("regions", "local"), ("packages", "custom")):
        assert "no more" in (await inn.run(noun, "retire", name)).out
        assert "again" in (await inn.run(noun, "offer", name)).out
        assert (await inn.run(noun, "retire", "nothing")).code == 1


async def test_regions_and_capacities_of_nodes(inn: Inn) -> None:
    await inn.run("regions", "set", "uk-1", "--country", "GB")
    await inn.run("regions", "set", "uk-1", "--city", "London")
    assert "uk-1   GB       London" in (await inn.run("regions", "ls")).out
    set_ = await inn.run("nodes", "set", "near", "--region", "uk-1", "--memory", "4096", "--most-servers", "9")
    assert set_.code == 0
    shown = (await inn.run("nodes", "show", "near")).out
    assert "uk-1" in shown and "memory 4096, servers 9" in shown
    assert (await inn.run("regions", "rm", "uk-1", "--yes")).code == 1
    await inn.run("nodes", "set", "near", "--region", "local", "--memory", "none")
    node = json.loads((await inn.run("nodes", "show", "near", "--json")).out)
    assert (node["region"], node["memory_mib"], node["most_servers"]) == ("local", None, 9)
    assert (await inn.run("nodes", "set", "near", "--memory", "much")).code == 2
    assert (await inn.run("regions", "rm", "uk-1", "--yes")).code == 0

"""Schedules on the command line."""

import json

import pytest

from tests.unit.cli.conftest import Inn


async def test_schedules_are_made_listed_changed_run_and_deleted(inn: Inn) -> None:
    await inn.house.server(name="fort", start=True)
    assert "fort has no schedule." in (await inn.run("schedules", "ls", "fort")).err
    words = ("--every", "1d", "--at", "04:30", "--zone", "Europe/Berlin", "--do", "restart", "--make-up")
    made = json.loads((await inn.run("schedules", "create", "fort", "nightly", *words, "--json")).out)
    assert made["trigger"] == {"kind": "every", "count": 1, "unit": "days", "at": "04:30"}
    assert (made["zone"], made["act"]["kind"], made["missed"]) == ("Europe/Berlin", "restart", "run")
    words = ("--after", "nightly", "--delay", "9", "-c", "say one", "-c", "say two", "--disabled")
    assert (await inn.run("schedules", "create", "fort", "then", *words)).out == "then is disabled.\n"
    listed = (await inn.run("schedules", "ls", "fort")).out
    assert "every 1 days at 04:30 (Europe/Berlin)" in listed
    assert "9 s after nightly" in listed
    assert "say one; say two" in listed

    changed = await inn.run("schedules", "set", "fort", "nightly", "--cron", "0 5 * * MON", "--json")
    assert json.loads(changed.out)["trigger"] == {"kind": "cron", "expression": "0 5 * * MON"}
    assert len(json.loads((await inn.run("schedules", "next", "fort", "nightly", "-n", "3", "--json")).out)) == 3
    assert "then is not due by itself." in (await inn.run("schedules", "set", "fort", "then", "--enable")).out

    assert "has not run" in (await inn.run("schedules", "runs", "fort", "nightly")).err
    assert (await inn.run("schedules", "run", "fort", "nightly")).out.startswith("nightly runs")
    await inn.house.settle()
    [run] = json.loads((await inn.run("schedules", "runs", "fort", "nightly", "--json")).out)
    assert (run["state"], run["cause"]) == ("done", "asked")

    assert (await inn.run("schedules", "delete", "fort", "nightly", "--yes")).out == "nightly is deleted.\n"
    assert "after one that is gone" in (await inn.run("schedules", "ls", "fort")).out


@pytest.mark.parametrize(
    "words",
    [
        ("--every", "1d"),
        ("--do", "stop"),
        ("--every", "1d", "--cron", "* * * * *", "--do", "stop"),
        ("--every", "1d", "--do", "stop", "-c", "say no"),
        ("--every", "often", "--do", "stop"),
    ],
)
async def test_what_is_not_said_or_said_twice_is_wrong_usage(inn: Inn, words: tuple[str, ...]) -> None:
    await inn.house.server(name="fort")
    assert (await inn.run("schedules", "create", "fort", "nightly", *words)).code == 2


async def test_what_the_house_refuses_is_said(inn: Inn) -> None:
    await inn.house.server(name="fort")
    ran = await inn.run("schedules", "create", "fort", "nightly", "--cron", "99 * * * *", "--do", "stop", "--json")
    assert (ran.code, ran.error["code"]) == (1, "schedule_is_invalid")
    ran = await inn.run("schedules", "create", "fort", "nightly", "--on", "soon", "--do", "stop", "--json")
    assert (ran.code, ran.error["code"]) == (1, "time_is_invalid")

"""Second factors, own permissions, limits and managers from the command line."""

import json
from pathlib import Path

import pyotp

from innkeeper.testing.products import PASSWORD
from tests.unit.cli.conftest import Inn


def now(inn: Inn, secret: str) -> str:
    return pyotp.HOTP(secret).at(int(inn.house.clock.now().timestamp()) // 30)


async def test_a_second_factor_is_turned_on_asked_for_and_turned_off(inn: Inn, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    login = ("login", inn.url, "-u", "root", "--password-file", str(password))
    assert (await inn.run(*login)).code == 0
    state = json.loads((await inn.run("second-factor", "show", "--json")).out)
    assert state == {"on": False, "recovery_codes_left": 0}
    _, shared = await inn.house.product.accounts.second_factors.begin(inn.house.actor(inn.house.root))
    enabled = await inn.run("second-factor", "enable", "--code", now(inn, shared))
    assert enabled.code == 0, enabled.err
    codes = enabled.out.split()
    assert len(codes) == 10
    assert (await inn.run(*login, "--code", "000000")).code == 1
    assert (await inn.run(*login, "--code", codes[0])).code == 0
    asked = await inn.run(*login, typed=f"{codes[1]}\n")
    assert asked.code == 0, asked.err
    assert "recovery codes left" in (await inn.run("second-factor", "show")).out
    renewed = await inn.run("second-factor", "renew-codes", "--password-file", str(password))
    assert renewed.code == 0, renewed.err
    assert "not shown again" in renewed.err
    by_code = await inn.run("second-factor", "renew-codes", "--code", renewed.out.split()[0], "--json")
    fresh = json.loads(by_code.out)["recovery_codes"]
    assert len({*codes, *renewed.out.split(), *fresh}) == 30
    assert (await inn.run(*login, "--code", codes[2])).code == 1
    assert (await inn.run(*login, "--code", fresh[0])).code == 0
    off = await inn.run("second-factor", "disable", "--password-file", str(password))
    assert off.code == 0, off.err
    assert (await inn.run(*login)).code == 0


async def test_an_account_is_given_permissions_limits_and_a_manager(inn: Inn) -> None:
    await inn.house.account("boss")
    made = await inn.run(
        "accounts", "create", "guest", "--permission", "servers.create", "--limit", "servers.create=2",
        "--manager", "boss", "--language", "de_CH",
    )  # fmt: skip
    assert made.code == 0, made.err
    shown = await inn.run("accounts", "show", "guest")
    assert "0 of 2" in shown.out
    assert "boss" in shown.out
    changed = await inn.run(
        "accounts",
        "set",
        "guest",
        "--permission",
        "none",
        "--limit",
        "none",
        "--manager",
        "none",
        "--no-hints",
        "--json",
    )
    account = json.loads(changed.out)
    assert (account["permissions"], account["limits"], account["manager"], account["hints"]) == ([], {}, None, False)
    key = await inn.run("keys", "create", "theirs", "--account", "guest")
    assert key.out.startswith("ink_")
    assert "theirs" in (await inn.run("keys", "ls", "--account", "guest")).out
    assert (await inn.run("accounts", "end-sessions", "guest")).code == 0
    assert (await inn.run("accounts", "reset-second-factor", "guest", "-y")).code == 1

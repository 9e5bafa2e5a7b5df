"""npm packages in the store that servers share."""

import asyncio
import json
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from innkeeper.contracts.installer import InstallFailed
from innkeeper.drivers.installers.npm import NpmInstaller
from tests.unit.drivers.installers.conftest import Site, make_site

MANIFEST = json.dumps({"name": "game", "private": True, "dependencies": {"is-number": "7.0.0"}})
INTEGRITY = "sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng=="
LOCK = json.dumps(
    {
        "name": "game",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {
            "": {"name": "game", "dependencies": {"is-number": "7.0.0"}},
            "node_modules/is-number": {
                "version": "7.0.0",
                "integrity": INTEGRITY,
            },
        },
    }
)


class ScriptedNpm:
    """Stands where npm does: makes a small tree, and counts how often it was asked."""

    def __init__(self, status: int = 0) -> None:
        self.calls: list[tuple[Sequence[str], Mapping[str, str]]] = []
        self.called = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.status = status

    async def __call__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: timedelta) -> int:
        self.calls.append((argv, env))
        (cwd / "node_modules").mkdir()
        (cwd / "node_modules" / "index.js").write_text("module", encoding="utf-8")
        (cwd / "node_modules" / "run").write_text("#!", encoding="utf-8")
        (cwd / "node_modules" / "run").chmod(0o777)
        (cwd / "node_modules" / "link").symlink_to("run")
        self.called.set()
        await self.gate.wait()
        return self.status


def place_of(site: Site, npm: ScriptedNpm) -> Any:
    return replace(site.place, run=npm, tool=lambda name: Path("/opt/node/bin") / name)


async def test_a_tree_is_made_once_published_whole_and_closed_to_writers(site: Site) -> None:
    npm = ScriptedNpm()
    installer = NpmInstaller({"npm_config_registry": "https://registry.example/", "SECRET": "x", "HOME": "/home/x"})
    for _ in range(2):
        await installer.install({"package": "flying-squid", "version": "1.12.0"}, place_of(site, npm))
    tree = site.place.shared / "npm" / "flying-squid@1.12.0"
    assert len(npm.calls) == 1
    assert site.exports == {"npm": str(tree)}
    assert os.listdir(tree.parent) == [tree.name]
    modes = {
        path.name: stat.S_IMODE(path.lstat().st_mode) for path in [tree, *tree.rglob("*")] if not path.is_symlink()
    }
    assert modes == {tree.name: 0o555, "package.json": 0o444, "node_modules": 0o555, "index.js": 0o444, "run": 0o555}
    argv, env = npm.calls[0]
    assert argv[:2] == ["/opt/node/bin/npm", "install"] and "--ignore-scripts" in argv
    assert env["npm_config_registry"] == "https://registry.example/"
    assert env["npm_config_userconfig"] == "/home/x/.npmrc"
    assert env["HOME"] != "/home/x" and "SECRET" not in env


async def test_settings_of_the_host_that_would_change_what_is_installed_do_not_pass(site: Site) -> None:
    npm = ScriptedNpm()
    host = {"npm_config_ignore_scripts": "false", "NPM_CONFIG_PREFIX": "/usr", "npm_config_cafile": "/ca.pem"}
    await NpmInstaller(host).install({"package": "a", "version": "1.0.0"}, place_of(site, npm))
    names = {name.lower() for name in npm.calls[0][1] if name.lower().startswith("npm_config_")}
    assert names == {"npm_config_cafile", "npm_config_userconfig", "npm_config_cache"}


async def test_two_servers_that_want_the_same_at_once_have_it_made_once(site: Site, tmp_path: Path) -> None:
    npm = ScriptedNpm()
    npm.gate.clear()
    installer = NpmInstaller({})
    step = {"package": "a", "version": "1.0.0"}
    async with asyncio.TaskGroup() as tasks:
        for number in range(2):
            tasks.create_task(installer.install(step, place_of(site, npm)), name=f"install {number}")
        async with asyncio.timeout(10):
            await npm.called.wait()
        assert any("Waiting" in text for text, _ in site.reports)
        npm.gate.set()
    assert len(npm.calls) == 1
    assert (site.place.shared / "npm" / "a@1.0.0" / "node_modules" / "index.js").exists()


async def test_two_daemons_that_make_the_same_at_once_both_succeed(site: Site) -> None:
    first, second = ScriptedNpm(), ScriptedNpm()
    first.gate.clear()
    step = {"package": "a", "version": "1.0.0"}
    async with asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(NpmInstaller({}).install(step, place_of(site, first)), name="slow")
        async with asyncio.timeout(10):
            await first.called.wait()
        await NpmInstaller({}).install(step, place_of(site, second))
        first.gate.set()
        await slow
    assert os.listdir(site.place.shared / "npm") == ["a@1.0.0"]


async def test_a_failure_leaves_nothing_and_the_next_attempt_starts_anew(site: Site) -> None:
    step = {"package": "a", "version": "1.0.0"}
    installer = NpmInstaller({})
    with pytest.raises(InstallFailed, match="ended with 1"):
        await installer.install(step, place_of(site, ScriptedNpm(status=1)))
    assert os.listdir(site.place.shared / "npm") == []
    await installer.install(step, place_of(site, ScriptedNpm()))


async def test_cancelled_it_leaves_nothing_and_lets_the_next_one_in(site: Site) -> None:
    npm = ScriptedNpm()
    npm.gate.clear()
    installer = NpmInstaller({})
    step = {"package": "a", "version": "1.0.0"}
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(installer.install(step, place_of(site, npm)), name="install")
        async with asyncio.timeout(10):
            await npm.called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert os.listdir(site.place.shared / "npm") == []
    await installer.install(step, place_of(site, ScriptedNpm()))


@pytest.mark.parametrize(
    "step",
    [
        {},
        {"package": "a"},
        {"package": "a", "version": "latest"},
        {"package": "a", "version": "1.x"},
        {"package": "a", "version": "https://evil.example/x.tgz"},
        {"package": "../a", "version": "1.0.0"},
        {"package": "--global", "version": "1.0.0"},
        {"package": "git+ssh://x", "version": "1.0.0"},
        {"packages": {"a": "file:/etc"}},
        {"manifest": MANIFEST},
        {"manifest": MANIFEST, "lock": LOCK, "package": "a", "version": "1.0.0"},
        {"manifest": MANIFEST, "lock": "{}"},
        {"manifest": MANIFEST, "lock": "[]"},
        {"manifest": MANIFEST, "lock": LOCK.replace('"version"', '"resolved": "file:../x", "version"')},
        {"manifest": MANIFEST, "lock": LOCK.replace('"version"', '"resolved": "git+ssh://x", "version"')},
        {"manifest": MANIFEST, "lock": LOCK.replace('"version"', '"link": true, "version"')},
        {"manifest": MANIFEST, "lock": LOCK.replace("node_modules/is-number", "../../etc")},
    ],
)
async def test_a_step_that_is_not_exact_or_not_from_a_registry_is_refused(site: Site, step: dict[str, Any]) -> None:
    npm = ScriptedNpm()
    with pytest.raises(InstallFailed):
        await NpmInstaller({}).install(step, place_of(site, npm))
    assert npm.calls == []


async def test_a_node_without_npm_says_so(site: Site) -> None:
    def tool(name: str) -> Path:
        raise InstallFailed(f"{name} is not installed on this node")

    with pytest.raises(InstallFailed, match="npm is not installed"):
        await NpmInstaller({}).install({"package": "a", "version": "1.0.0"}, replace(site.place, tool=tool))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here")
async def test_a_locked_tree_is_really_installed_by_npm_and_can_be_used(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    installer = NpmInstaller(os.environ)
    await installer.install({"manifest": MANIFEST, "lock": LOCK}, site.place)
    await installer.install({"packages": {"is-number": "7.0.0"}}, site.place)
    assert (site.place.shared / "npm" / "is-number@7.0.0" / "node_modules" / "is-number" / "package.json").exists()
    [locked] = (site.place.shared / "npm").glob("lock-*")
    script = "process.exit(require('is-number')(42) ? 0 : 1)"
    node = shutil.which("node") or "node"
    assert await site.place.run([node, "-e", script], locked, {}, timedelta(seconds=30)) == 0
    assert not list((site.place.shared / "npm").glob(".*"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here")
async def test_npm_that_fails_is_reported_in_its_own_words(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    bent = LOCK.replace("sha512-41C", "sha512-42C")
    with pytest.raises(InstallFailed, match="npm could not install"):
        await NpmInstaller(os.environ).install({"manifest": MANIFEST, "lock": bent}, site.place)
    assert any("EINTEGRITY" in text for text, _ in site.reports)
    assert os.listdir(site.place.shared / "npm") == []

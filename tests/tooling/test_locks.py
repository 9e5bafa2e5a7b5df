"""The locked files name versions and hashes, never an address, and cover what pyproject.toml asks for."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
PACKAGE_LOCKS = sorted(
    path
    for path in (
        *ROOT.glob("ui/package-lock.json"),
        *ROOT.glob("src/**/package-lock.json"),
        *ROOT.glob("tests/clients/*/package-lock.json"),
    )
    if "node_modules" not in path.parts
)


def locked(path: Path) -> dict[str, str]:
    """Return the normalised names in a requirement file, with the whole entry of each."""
    entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^ *#.*\n?", "", path.read_text()))
    return {name_of(entry): entry.strip() for entry in entries if entry.strip()}


def name_of(requirement: str) -> str:
    """Return the normalised package name that a requirement starts with."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_by_hash_and_has_no_address(path: Path) -> None:
    assert "://" not in path.read_text()
    for name, entry in locked(path).items():
        assert re.match(r"[^ ]+==[^ ]+", entry), name
        assert "--hash=sha256:" in entry, name


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = {name_of(each) for each in project["project"]["dependencies"]}
    groups = project["dependency-groups"]
    development = {name_of(each) for group in ("build", "dev") for each in groups[group] if isinstance(each, str)}
    run, dev = (locked(ROOT / "requirements" / name) for name in ("run.txt", "dev.txt"))
    assert runtime - run.keys() == set(), "run `make lock`"
    assert (runtime | development) - dev.keys() == set(), "run `make lock`"


def test_development_runs_what_is_shipped() -> None:
    run, dev = (locked(ROOT / "requirements" / name) for name in ("run.txt", "dev.txt"))
    assert {name: entry for name, entry in run.items() if dev.get(name) != entry} == {}


@pytest.mark.parametrize("path", PACKAGE_LOCKS, ids=lambda path: path.parent.name)
def test_npm_locks_have_hashes_and_no_address(path: Path) -> None:
    for name, package in json.loads(path.read_text())["packages"].items():
        assert "resolved" not in package, name
        assert not name or package.get("link") or "integrity" in package, name

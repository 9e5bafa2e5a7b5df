"""The documentation holds: links lead somewhere, decisions name checks that exist, and pages say what the code says."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from innkeeper.core.catalog.loader import load_package

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
INDEXES = [ROOT / "README.md", DOCS / "README.md"]
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PLACE_OF_A_MACHINE = re.compile(r"(?<![\w.-])/(?:work|root|home|Users|workspaces?|builds)/|[A-Z]:\\Users")

name = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
each_decision = pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)


# -- links ------------------------------------------------------------------------------------------------------------


def links_of(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Return every relative link of a page: as written, the file it leads to, and the heading within."""
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if not re.match(r"[a-z]+:", target):
            path, _, heading = target.partition("#")
            yield target, (page.parent / path).resolve() if path else page, heading


@cache
def headings_of(page: Path) -> set[str]:
    """Return the anchors that headings of a page get."""
    found = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@name
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, path, heading in links_of(page):
        assert path.exists(), f"{target} leads nowhere"
        assert path.is_relative_to(ROOT), f"{target} leads out of the repository"
        assert not heading or heading in headings_of(path), f"{target} names no heading"


def test_every_page_is_reached_from_an_index() -> None:
    reached: set[Path] = set()
    pending = list(INDEXES)
    while pending:
        page = pending.pop()
        if page not in reached:
            reached.add(page)
            pending += [path for _, path, _ in links_of(page) if path.suffix == ".md" and path.exists()]
    assert {str(page.relative_to(ROOT)) for page in PAGES if page not in reached} == set()


@name
def test_no_page_names_a_place_of_somebodys_machine(page: Path) -> None:
    assert PLACE_OF_A_MACHINE.findall(page.read_text()) == []


# -- decisions --------------------------------------------------------------------------------------------------------


def test_decisions_are_numbered_without_a_gap_and_listed() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    listed = [path for _, path, _ in links_of(DOCS / "decisions" / "README.md")]
    assert listed == DECISIONS


@each_decision
def test_a_decision_is_a_page_of_the_usual_parts(decision: Path) -> None:
    text = decision.read_text()
    assert text.startswith(f"# {decision.name[:4]} ")
    assert "\n**Decided.** " in text
    assert len(text.splitlines()) <= 80


@each_decision
def test_a_decision_names_checks_that_exist(decision: Path) -> None:
    held_by = decision.read_text().partition("**Held by**")[2].partition("\n\n")[0]
    checks = re.findall(r"`([^`]+)`", held_by)
    assert checks, "it names no check"
    contracts = "import" in held_by and ".importlinter" in checks
    for check in checks:
        path, _, test = check.partition("::")
        if contracts and "/" not in check and check != ".importlinter":
            assert f"importlinter:contract:{check}" in import_contracts(), f"there is no contract {check}"
            continue
        assert (ROOT / path).is_file(), f"there is no {path}"
        if test:
            assert re.search(rf"\bdef {test}\(", (ROOT / path).read_text()), f"there is no {test} in {path}"


@cache
def import_contracts() -> list[str]:
    """Return the sections of .importlinter."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return parser.sections()


def test_every_dependency_has_its_row() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [item for group in project["dependency-groups"].values() for item in group if isinstance(item, str)]
    wanted = {plain_name(item) for item in (*project["project"]["dependencies"], *groups)}
    page = (DOCS / "decisions" / "0014-dependencies.md").read_text()
    rows = [row for row in re.findall(r"^\| ([\w.-]+) \|", page, re.MULTILINE) if row != "package" and row.strip("-")]
    assert sorted(map(plain_name, rows)) == sorted(wanted)


def plain_name(requirement: str) -> str:
    """Return the normalised package name that a requirement starts with."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return re.sub(r"[-_.]+", "-", match[0]).lower()


# -- pages that say what the code says --------------------------------------------------------------------------------


@cache
def reference() -> ModuleType:
    """Return tools/reference.py as a module."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date() -> None:
    for path, text in reference().pages().items():
        assert path.read_text() == text, f"{path.name} is out of date: run tools/reference.py"


def test_every_condition_has_a_status_everywhere() -> None:
    told = reference()
    for condition in told.conditions():
        assert 400 <= told.status_of(condition) < 600, condition
        status, text = told.rendered(condition())
        assert status == 208 or 400 <= status < 600, condition
        assert text.strip(), condition


def test_the_package_shown_as_an_example_can_be_loaded(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "add-a-game-package.md").read_text()
    folder = tmp_path / "echo-world"
    folder.mkdir()
    blocks = re.findall(r"^```(?:toml|python)\n# packages/echo-world/(\S+)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    for file, text in blocks:
        (folder / file).write_text(text)
    assert {file for file, _ in blocks} == {"package.toml", "server.py"}
    package = load_package(folder)
    assert package.install[0]["files"]["server.py"].startswith("import socket")


# -- rules of the house that no other tool holds ----------------------------------------------------------------------


def test_core_takes_time_and_chance_from_outside() -> None:
    source = ROOT / "src" / "innkeeper"
    files = [path for room in ("core", "wire", "contracts") for path in (source / room).rglob("*.py")]
    found: list[str] = []
    for path in (*files, source / "node" / "supervisor" / "machine.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=names):
                    found += [f"{path}: import {item.name}" for item in names if item.name in FORBIDDEN]
                case ast.ImportFrom(module=str(module)) if module in FORBIDDEN:
                    found.append(f"{path}: from {module}")
                case ast.Attribute(value=ast.Name(id="datetime"), attr="now" | "utcnow" | "today"):
                    found.append(f"{path}: asks datetime for now")
    assert found == []


FORBIDDEN = frozenset({"time", "random", "secrets"})

"""A real place to install into: a jail, an archive shelf, an import root, and a real runner of commands."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from innkeeper.contracts.installer import InstallFailed, Place
from innkeeper.contracts.runtime import ExecPlan
from innkeeper.node.files.imports import ImportRoots
from innkeeper.node.files.jail import Jail
from innkeeper.node.installs.process import CommandRunner, PlanCommand, ServerCommandRunner


@dataclass
class Site:
    """A place, and what is behind it."""

    base: Path
    place: Place
    reports: list[tuple[str, float | None]] = field(default_factory=list)
    exports: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.base / "server"

    @property
    def uploads(self) -> Path:
        return self.base / "uploads"

    @property
    def imports(self) -> Path:
        return self.base / "imports"

    def content(self) -> dict[str, bytes | str | None]:
        """Give every path in the server's folder: a file's bytes, a link's target, None for a folder."""
        content: dict[str, bytes | str | None] = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if path.is_symlink():
                content[name] = str(path.readlink())
            else:
                content[name] = None if path.is_dir() else path.read_bytes()
        return content


def _tool(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise InstallFailed(f"{name} is not installed on this node")
    return Path(found)


def _plan(folder: Path) -> PlanCommand:
    """Say how a command is executed where there are no users to give."""

    def plan(argv: Sequence[str], environment: Mapping[str, str]) -> ExecPlan:
        return ExecPlan(
            argv=list(argv), env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **environment}, cwd=str(folder)
        )

    return plan


def make_site(base: Path) -> Site:
    """Make a site with folders of its own beneath `base`."""
    for name in ("server", "uploads", "imports", "shared"):
        (base / name).mkdir(parents=True, exist_ok=True)
    reports: list[tuple[str, float | None]] = []
    exports: dict[str, str] = {}

    def report(text: str, fraction: float | None = None) -> None:
        reports.append((text, fraction))

    place = Place(
        folder=Jail(base / "server"),
        shared=base / "shared",
        uploads=Jail(base / "uploads"),
        source=ImportRoots([base / "imports"]),
        run=CommandRunner(report, os.environ),
        report=report,
        tool=_tool,
        home=base / "server",
        as_server=ServerCommandRunner(report, os.environ, "", _plan(base / "server")),
        export=exports.__setitem__,
    )
    return Site(base, place, reports, exports)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)

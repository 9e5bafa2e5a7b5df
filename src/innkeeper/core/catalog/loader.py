"""Read package files: TOML and the texts beside it, checked whole before anything uses them.

Refuses to know what an install step does: a step is a table whose side files are loaded into it.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from innkeeper.core.catalog.errors import PackageIsBroken
from innkeeper.core.catalog.model import READY_PROOFS, Package

SHIPPED = Path(__file__).parent / "shipped"
_MAX_TEXT = 4 * 1024 * 1024


def load_packages(folder: Path) -> list[Package]:
    """Return the packages in `folder` (one folder each, holding package.toml), by name; raise PackageIsBroken."""
    return [load_package(path.parent) for path in sorted(folder.glob("*/package.toml"))]


def load_package(folder: Path) -> Package:
    """Return the package described in `folder`; raise PackageIsBroken with the file and the reason."""
    file = folder / "package.toml"
    try:
        table = tomllib.loads(file.read_text())
        for step in _steps(table):
            _load_texts(step, folder)
        for item in table.get("properties", []):
            item["choices"] = [
                {"value": choice, "label": choice} if isinstance(choice, str) else choice for choice in item.get("choices", [])
            ]
        clean = table.get("stop", {})
        clean.setdefault("clean_exit", [0])
        package = msgspec.convert(table, Package)
        _check(package, folder.name)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise PackageIsBroken(f"{file.name} of {folder.name}: {error}", package=folder.name) from error
    return package


def _steps(table: dict[str, Any]) -> list[dict[str, Any]]:
    steps = list(table.get("install", []))
    for runtime in table.get("runtimes", []):
        steps.extend(runtime.get("install", []))
    return steps


def _load_texts(step: dict[str, Any], folder: Path) -> None:
    """Put the texts that a step names beside the package file into the step itself."""
    for key in [name for name in step if name.endswith("_file")]:
        step[key.removesuffix("_file")] = _text(folder, step.pop(key))
    if "files" in step:
        step["files"] = {target: _text(folder, source) for target, source in step["files"].items()}


def _text(folder: Path, name: str) -> str:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{name} lies outside the package")
    if path.stat().st_size > _MAX_TEXT:
        raise ValueError(f"{name} is too large")
    return path.read_text()


def _check(package: Package, folder_name: str) -> None:
    if package.name != folder_name:
        raise ValueError(f"the package is called {package.name}, its folder {folder_name}")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", package.name):
        raise ValueError("a package's name has lower-case letters, digits and dashes")
    if not package.runtimes:
        raise ValueError("there is no runtime")
    for start in (package.start, *(runtime.start for runtime in package.runtimes)):
        if start and start.ready_when not in READY_PROOFS and not start.ready_when.startswith("{"):
            raise ValueError(f"ready_when is one of {', '.join(sorted(READY_PROOFS))}")
    names = {item.name.lower() for item in package.properties}
    if len(names) != len(package.properties):
        raise ValueError("a property is described twice")
    for notion in (package.motd_property, package.max_players_property):
        if notion is not None and package.property_named(notion) is None:
            raise ValueError(f"there is no property {notion}")
    for item in package.properties:
        if item.type == "select" and not item.choices:
            raise ValueError(f"property {item.name} has no choices")
    for runtime in package.runtimes:
        for alias, version in runtime.aliases.items():
            if version not in runtime.versions:
                raise ValueError(f"alias {alias} of {runtime.name} names no version")
        for console in (package.console, runtime.console):
            for pattern in (console.strip, console.ready, console.join, console.leave, console.chat, console.saving) if console else ():
                if pattern:
                    re.compile(pattern)

"""The installer `npm`: packages into the shared store, once for all servers that want the same.

A tree in `shared/npm/` is made in a temporary directory beside it and renamed when complete, so whatever has its name
is whole and never changes again. No package's scripts are ever run. Refuses to know what the packages are for.
"""

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from innkeeper.contracts.installer import InstallFailed, Place
from innkeeper.drivers.trees import publish, remove, working_folder
from innkeeper.kit.tasks import in_thread
from innkeeper.kit.threads import to_the_end

_NAME = re.compile(r"(@[a-z0-9][a-z0-9._~-]*/)?[a-z0-9][a-z0-9._~-]*")
_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_TIMEOUT = timedelta(minutes=30)
_FLAGS = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--no-progress", "--global=false")
# Settings of the host that would change where or what is installed; those of registry, proxy and certificates pass.
_NOT_PASSED = re.compile(
    r"npm_config_(prefix|local_prefix|global|globalconfig|cache|userconfig|location|ignore_scripts|script_shell|omit"
    r"|include|only|production|dev|workspaces?|package_lock.*|save.*|install_strategy|dry_run|force|.*_only)",
    re.IGNORECASE,
)


class NpmStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of `npm`, in one of three forms.

    - `package` and `version`; or `packages`, a version for each name. Versions are exact. The tree's key is
      `name@version` (with `/` as `+`), or a digest for several packages.
    - `manifest` and `lock`: the texts of package.json and package-lock.json, installed exactly as locked. The key is a
      digest of both.
    """

    uses: str = "npm"
    key: str = "npm"
    """The name under which the tree's place is exported."""
    files: dict[str, str] = {}
    """Texts laid beside `node_modules`, by name: launch scripts."""
    package: str | None = None
    version: str | None = None
    packages: dict[str, str] = {}
    manifest: str | None = None
    lock: str | None = None


class NpmInstaller:
    """Install npm packages into `shared/npm/<key>/node_modules`, and export where that is."""

    name = "npm"

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is the host's: its npm settings for registry, proxy and certificates are used."""
        self._environment = environment
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def install(self, step: Mapping[str, Any], place: Place) -> None:
        """See `contracts.installer.Installer.install` and `NpmStep`."""
        try:
            wanted = msgspec.convert(step, NpmStep)
        except msgspec.ValidationError as error:
            raise InstallFailed(f"The install step is not understood: {error}") from error
        texts, key = _manifest(wanted)
        texts, key = _with_files(texts, key, wanted.files)
        target = place.shared / "npm" / key
        lock = self._locks.setdefault(key, asyncio.Lock())
        if lock.locked():
            place.report(f"Waiting for {key}, which another server is installing")
        async with lock:
            if await in_thread(target.is_dir):
                place.report(f"{key} is installed already", 1.0)
            else:
                await self._install(texts, key, target, place)
        place.export(wanted.key, str(target))

    async def _install(self, texts: Mapping[str, str], key: str, target: Path, place: Place) -> None:
        npm, node = place.tool("npm"), place.tool("node")
        working = working_folder(target.parent)
        try:
            await in_thread(_prepare, working, texts)
            place.report(f"Installing {key} from the npm registry")
            verb = ("ci",) if "package-lock.json" in texts else ("install", "--no-save")
            status = await place.run(
                [str(npm), *verb, *_FLAGS],
                working / "tree",
                self._variables(working, place.shared, npm, node),
                _TIMEOUT,
            )
            if status != 0:
                raise InstallFailed(f"npm could not install {key}: it ended with {status}")
            await in_thread(publish, working / "tree", target)
        finally:
            await to_the_end(lambda: remove(working))
        place.report(f"Installed {key}", 1.0)

    def _variables(self, working: Path, shared: Path, npm: Path, node: Path) -> dict[str, str]:
        variables = {
            name: value
            for name, value in self._environment.items()
            if name.lower().startswith("npm_config_") and not _NOT_PASSED.fullmatch(name)
        }
        userconfig = self._environment.get("npm_config_userconfig") or self._environment.get("NPM_CONFIG_USERCONFIG")
        if userconfig is None and "HOME" in self._environment:
            userconfig = str(Path(self._environment["HOME"]) / ".npmrc")
        return variables | {
            "npm_config_userconfig": userconfig or str(working / "home" / ".npmrc"),
            "npm_config_cache": str(shared / "npm-cache"),
            "HOME": str(working / "home"),
            # npm is a script that looks for `node` by PATH.
            "PATH": os.pathsep.join(dict.fromkeys((str(node.parent), str(npm.parent), "/usr/bin", "/bin"))),
        }


def _manifest(step: NpmStep) -> tuple[dict[str, str], str]:
    """Give the files that npm works from, and the key of the tree they make."""
    packages = dict(step.packages)
    if step.package is not None:
        if step.version is None:
            raise InstallFailed("The install step names an npm package without its version")
        packages[step.package] = step.version
    if step.manifest is not None and step.lock is not None and not packages:
        _check_lock(step.lock)
        digest = hashlib.sha256(f"{len(step.manifest)}\n{step.manifest}{step.lock}".encode()).hexdigest()
        return {"package.json": step.manifest, "package-lock.json": step.lock}, f"lock-{digest[:32]}"
    if not packages or step.manifest is not None or step.lock is not None:
        raise InstallFailed("The install step must have either npm packages with versions, or a manifest and a lock")
    for name, version in packages.items():
        if not _NAME.fullmatch(name) or len(name) > 200:
            raise InstallFailed(f"{name!r} is not the name of an npm package")
        if not _VERSION.fullmatch(version) or len(version) > 64:
            raise InstallFailed(f"{version!r} is not an exact version")
    text = json.dumps({"private": True, "dependencies": dict(sorted(packages.items()))})
    if len(packages) == 1:
        [(name, version)] = packages.items()
        return {"package.json": text}, f"{name}@{version}".replace("/", "+")
    return {"package.json": text}, f"set-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _with_files(texts: Mapping[str, str], key: str, files: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Lay further texts into the tree; another set of them is another tree."""
    if not files:
        return dict(texts), key
    for name in files:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,100}", name) or name in {"node_modules", *texts}:
            raise InstallFailed(f"{name!r} cannot be laid beside the npm packages")
    digest = hashlib.sha256(json.dumps([key, sorted(files.items())]).encode()).hexdigest()
    return {**texts, **files}, f"{key[:40]}-{digest[:16]}"


def _check_lock(lock: str) -> None:
    """Refuse locks that take anything but packages from a registry: files and folders of this host, or git."""
    try:
        packages = json.loads(lock)["packages"]
        for where, package in packages.items():
            resolved = package.get("resolved", "")
            if where and (
                package.get("link")
                or (resolved and not resolved.startswith(("https://", "http://")))
                or ".." in where.split("/")
                or not where.startswith("node_modules/")
            ):
                raise InstallFailed(f"The npm lock takes {where!r} from elsewhere than a registry")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InstallFailed("The npm lock is not a package-lock.json of version 2 or 3") from error


def _prepare(working: Path, texts: Mapping[str, str]) -> None:
    working.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # Nobody else looks into a tree that is being made.
    working.mkdir(mode=0o700)
    (working / "home").mkdir()
    (working / "tree").mkdir(mode=0o755)
    for name, text in texts.items():
        (working / "tree" / name).write_text(text, encoding="utf-8")

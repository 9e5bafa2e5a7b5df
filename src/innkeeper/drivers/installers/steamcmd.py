"""The installer `steamcmd`: a game server from Steam, by Valve's own program, without an account.

The program is the host's, or Valve's archive of it, unpacked into the server's folder: it renews itself where it lies,
and its libraries are what many of the games look for. It runs as the server's user. What it says, it says in lines that
the developer pages of Valve document, and its exit code says little; so it is judged by the lines. Knows no game.

ref: https://developer.valvesoftware.com/wiki/SteamCMD
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec
import structlog

from innkeeper.contracts.installer import FolderError, Installer, InstallFailed, Place
from innkeeper.kit.tasks import in_thread

FOLDER = ".steamcmd"
_UNPACKED = f"{FOLDER}/.unpacked"
"""There once all of the archive is: what was ended in the middle is not taken for whole."""
PAUSES_S = (5.0, 15.0, 30.0, 60.0)
MAX_TIMEOUT_S = 24 * 3600
_APP = re.compile(r"\d{1,10}")
_BETA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PROGRESS = re.compile(r"Update state \(0x[0-9a-fA-F]+\) ([^,]+), progress: (\d+(?:\.\d+)?)")
_DONE = re.compile(r"Success! App '(\d+)' (?:fully installed|already up to date)")
_REFUSED = re.compile(r"ERROR! Failed to install app '\d+' \(([^)]*)\)", re.IGNORECASE)
_STATE = re.compile(r"Error! App '\d+' state is (0x[0-9a-fA-F]+) after update job", re.IGNORECASE)
_NO_CONNECTION = re.compile(r"FAILED.*|.*(?:Timed? ?out|No connection|Rate Limit Exceeded|Service Unavailable).*", re.I)
_NOT_EXECUTABLE = re.compile(r".*(?:linux32/steamcmd|ld-linux\.so\.2).*(?:not found|No such file).*", re.IGNORECASE)
_DISK_STATE = "0x202"
"""What is left where there was no space for the update."""
_FINAL = {
    "no subscription": "it cannot be had without an account that owns it (No subscription)",
    "invalid platform": "it is not made for Linux (Invalid platform)",
    "invalid appid": "Steam has no such app (Invalid AppID)",
    "invalid password": "its beta branch wants a password (Invalid Password)",
    "disk write failure": "the disk cannot be written to (Disk write failure)",
    "not enough disk space": "there is not enough space on the disk",
}
"""Reasons that another try does not change, in lower case, and how they are told."""

log = structlog.get_logger(__name__)


class SteamCmdStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of `steamcmd`.

    - `app`: the number of the dedicated server; `beta`: a branch of it. `into`: the folder to fill.
    - `validate`: check, and restore, the files that are there already.
    - `archive_url`, `algorithm`, `digest`, `size`: Valve's archive of the program, for hosts that lack it.
    """

    app: str
    uses: str = "steamcmd"
    key: str = ""
    beta: str = ""
    validate: bool = True
    into: str = ""
    archive_url: str = ""
    algorithm: Literal["sha256", "sha1", "md5", "sha512"] | None = None
    digest: str = ""
    size: int | None = None
    timeout_s: float = 4 * 3600


class SteamCmdInstaller:
    """Have SteamCMD install an app."""

    name = "steamcmd"

    def __init__(self, archive: Installer, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        """`archive` fetches and unpacks the program; `pauses_s` is waited before each further try."""
        self._archive = archive
        self._pauses_s = tuple(pauses_s)

    async def install(self, step: Mapping[str, Any], place: Place) -> None:
        """See `contracts.installer.Installer.install` and `SteamCmdStep`."""
        wanted = _parsed(step)
        try:
            await in_thread(lambda: place.folder.make_directory(wanted.into, parents=True))
        except FolderError as error:
            raise InstallFailed(f"{wanted.into!r} cannot be made: {error}") from error
        program = await self._program(wanted, place)
        tries = (*self._pauses_s, None)
        for pause in tries:
            heard = _Heard(wanted.app, place)
            status = await place.as_server(
                _command(program, wanted, place), timedelta(seconds=wanted.timeout_s), hear=heard
            )
            if heard.done:
                place.report(f"App {wanted.app} is installed", 1.0)
                return
            reason = heard.reason or f"SteamCMD ended with {status}" + (f": {heard.last}" if heard.last else "")
            if heard.final or pause is None:
                raise InstallFailed(f"Steam's app {wanted.app} could not be installed: {reason}")
            log.info("steamcmd.failed", app=wanted.app, reason=reason)
            place.report(f"{reason}; trying again in {pause:g} s")
            await asyncio.sleep(pause)

    async def _program(self, step: SteamCmdStep, place: Place) -> str:
        try:
            return str(await in_thread(place.tool, "steamcmd"))
        except InstallFailed:
            if not step.archive_url:
                raise
        own = f"{FOLDER}/steamcmd.sh"
        if not await in_thread(lambda: place.folder.exists(own) and place.folder.exists(_UNPACKED)):
            archive = {"url": step.archive_url, "algorithm": step.algorithm, "digest": step.digest, "size": step.size}
            await self._archive.install({**archive, "into": FOLDER, "strip": 0}, place)
            await in_thread(lambda: place.folder.write(_UNPACKED, b""))
        return str(place.home / own)


class _Heard:
    """What SteamCMD has said so far."""

    def __init__(self, app: str, place: Place) -> None:
        self.done = False
        self.final = False
        """The reason is not one that passes."""
        self.reason = ""
        self.last = ""
        self._app = app
        self._report = place.report

    def __call__(self, line: str) -> None:
        line = line.strip()
        self.last = line
        if found := _PROGRESS.search(line):
            percent = float(found[2])
            self._report(f"Steam: {found[1]}, {percent:.1f} %", min(percent / 100, 1.0))
            return
        if found := _DONE.search(line):
            self.done = self.done or found[1] == self._app
        elif found := _REFUSED.search(line):
            known = _FINAL.get(found[1].lower())
            self._fail(known or found[1], final=known is not None)
        elif found := _STATE.search(line):
            state = found[1].lower()
            if state == _DISK_STATE:
                self._fail(f"there is not enough space on the disk (state {state})", final=True)
            else:
                self._fail(f"the update ended in state {state}")
        elif _NOT_EXECUTABLE.fullmatch(line):
            self._fail("SteamCMD is a 32-bit program: this host lacks the libraries for such", final=True)
        elif _NO_CONNECTION.fullmatch(line):
            self._fail(line)
        self._report(line)

    def _fail(self, reason: str, *, final: bool = False) -> None:
        if not self.final:
            self.reason, self.final = reason, final


def _parsed(step: Mapping[str, Any]) -> SteamCmdStep:
    try:
        wanted = msgspec.convert(step, SteamCmdStep)
    except msgspec.ValidationError as error:
        raise InstallFailed(f"The install step is not understood: {error}") from error
    if not _APP.fullmatch(wanted.app):
        raise InstallFailed(f"{wanted.app!r} is not the number of a Steam app")
    if wanted.beta and not _BETA.fullmatch(wanted.beta):
        raise InstallFailed(f"{wanted.beta!r} is not the name of a beta branch")
    if not 0 < wanted.timeout_s <= MAX_TIMEOUT_S:
        raise InstallFailed(f"SteamCMD may take {MAX_TIMEOUT_S} seconds, not {wanted.timeout_s}")
    return wanted


def _command(program: str, step: SteamCmdStep, place: Place) -> list[str]:
    # Where it installs to must come before the login.
    argv = [program, "+force_install_dir", str(place.home / step.into), "+login", "anonymous", "+app_update", step.app]
    argv += ["-beta", step.beta] if step.beta else []
    return [*argv, *(["validate"] if step.validate else []), "+quit"]

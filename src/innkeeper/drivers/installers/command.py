"""The installer `command`: run a program of the game's own in the server's folder, such as one that makes a world.

It runs as the server's user and sees what the game sees. What it has made so far stays where it fails, but for what
would be taken for proof of its success, and the installation counts as failed. Refuses to know what the program does.
"""

from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from innkeeper.contracts.installer import Folder, FolderError, InstallFailed, Place
from innkeeper.kit.threads import to_the_end

MAX_TIMEOUT_S = 6 * 3600
_LAST_LINES = 3
_MAX_REASON = 500
_MAKING = ".making"
"""Ends the name of a file beside what proves success, while the program runs: proof that was being made is none."""

log = structlog.get_logger(__name__)


class CommandStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of `command`.

    - `argv`: the program and its arguments, without a shell; a program with a slash in its name is below the server's
      folder.
    - `environment`: what it gets beside what every command has. `timeout_s`: it is ended after so long.
    - `unless_exists`: a path in the server's folder that is proof enough: nothing is run where it is there already.
    """

    argv: tuple[str, ...]
    uses: str = "command"
    key: str = ""
    environment: dict[str, str] = {}
    timeout_s: float = 600
    unless_exists: str = ""


class CommandInstaller:
    """Run a program that an earlier step has installed."""

    name = "command"

    async def install(self, step: Mapping[str, Any], place: Place) -> None:
        """See `contracts.installer.Installer.install` and `CommandStep`."""
        try:
            wanted = msgspec.convert(step, CommandStep)
        except msgspec.ValidationError as error:
            raise InstallFailed(f"The install step is not understood: {error}") from error
        if not wanted.argv or not wanted.argv[0]:
            raise InstallFailed("The install step names no program")
        if not 0 < wanted.timeout_s <= MAX_TIMEOUT_S:
            raise InstallFailed(f"A program may take {MAX_TIMEOUT_S} seconds, not {wanted.timeout_s}")
        if not wanted.unless_exists:
            await _run(wanted, place)
        elif await to_the_end(lambda: _is_made(wanted.unless_exists, place.folder)):
            place.report(f"{wanted.unless_exists} is there already", 1.0)
        else:
            await _make(wanted, place)


async def _make(step: CommandStep, place: Place) -> None:
    """Run what makes `unless_exists`; of what fails, or is cancelled, there is no such thing afterwards."""
    proof = step.unless_exists
    try:
        await to_the_end(lambda: _begin(proof, place.folder))
        await _run(step, place)
        if not await to_the_end(lambda: place.folder.exists(proof)):
            raise InstallFailed(f"{step.argv[0]} ended well, and made no {proof}")
    except BaseException:
        await to_the_end(lambda: _delete((proof, proof + _MAKING), place.folder))
        raise
    await to_the_end(lambda: _delete((proof + _MAKING,), place.folder))


def _is_made(proof: str, folder: Folder) -> bool:
    return folder.exists(proof) and not folder.exists(proof + _MAKING)


def _begin(proof: str, folder: Folder) -> None:
    above, _, _ = proof.rpartition("/")
    try:
        folder.make_directory(above, parents=True)
        folder.write(proof + _MAKING, b"")
        if folder.exists(proof):  # of a node that was killed in the middle
            folder.delete(proof, recursive=True)
    except FolderError as error:
        raise InstallFailed(f"{proof!r} cannot be made: {error}") from error


def _delete(paths: tuple[str, ...], folder: Folder) -> None:
    for path in paths:
        try:
            if folder.exists(path):
                folder.delete(path, recursive=True)
        except FolderError as error:
            log.warning("command.proof.left", path=path, error=str(error))


async def _run(step: CommandStep, place: Place) -> None:
    said: deque[str] = deque(maxlen=_LAST_LINES)

    def hear(line: str) -> None:
        said.append(line)
        place.report(line)

    program, *arguments = step.argv
    if "/" in program:
        # Whatever it is, it is run as the server's user, who could run it in any case.
        program = str(place.home / program)
    place.report(f"Running {step.argv[0]}")
    timeout = timedelta(seconds=step.timeout_s)
    status = await place.as_server([program, *arguments], timeout, env=step.environment, hear=hear)
    if status != 0:
        last = " / ".join(said)[-_MAX_REASON:]
        raise InstallFailed(f"{step.argv[0]} ended with {status}" + (f": {last}" if last else ""))
    place.report(f"{step.argv[0]} is done", 1.0)

"""Bring every game of a data folder to an orderly end, with the node dead or alive.

Talks to the keepers themselves. A node that lives sees its games end by themselves, and leaves them stopped where
they ended cleanly. Knows only what is written in the data folder.
"""

import asyncio
import signal
from pathlib import Path
from uuid import UUID

import structlog

from innkeeper.kit.tasks import in_thread
from innkeeper.node.keeper.client import (
    Inspection,
    KeeperError,
    KeeperLink,
    Lost,
    NotRunning,
    RequestRefused,
    Running,
    Zygote,
    inspect,
    kill_lost,
)
from innkeeper.node.layout import DataFolder
from innkeeper.node.limits.cgroups import detect
from innkeeper.node.supervisor.place import ServerPlace, load_desired
from innkeeper.wire.messages import StopRule

log = structlog.get_logger(__name__)

PASSES = 5
"""A living node may start a game again that had to be killed: it is looked for so often."""


async def stop_all_servers(data: Path) -> list[UUID]:
    """Stop every game below `data`, all at once, and the zygote; return those that would not end.

    Each is asked as its own stop rule says and killed when its time is over. Returns when no keeper lives.
    """
    folder = DataFolder(data)
    places = [folder.place(UUID(path.parent.name)) for path in sorted(folder.servers.glob("*/keeper"))]
    living = places
    for _ in range(PASSES):
        living = [place for place in living if await in_thread(_lives, place)]
        if not living:
            break
        await asyncio.gather(*(_stop(place) for place in living))
    else:
        living = [place for place in living if await in_thread(_lives, place)]
    await Zygote(folder.zygote).quit()
    await in_thread(lambda: detect(folder.root).close())
    return [UUID(place.root.name) for place in living]


def _inspect(place: ServerPlace) -> Inspection:
    return inspect(place.keeper)


def _lives(place: ServerPlace) -> bool:
    match _inspect(place):
        case Running():
            return True
        case Lost(leftovers=leftovers):
            return bool(leftovers)
    return False


async def _stop(place: ServerPlace) -> None:
    server = place.root.name
    found = await in_thread(_inspect, place)
    if isinstance(found, Lost):
        left = await in_thread(kill_lost, found)
        log.info("server.leftovers.killed", server=server, left=left)
        return
    desired = await in_thread(load_desired, place)
    rule = desired.stop if desired is not None else StopRule()
    try:
        link = await KeeperLink.connect(place.keeper)
    except NotRunning:
        return  # it ended meanwhile; whether it did is looked at again
    try:
        log.info("server.stopping", server=server)
        await _ask(link, rule)
        if not await _ended(link, rule.timeout_s):
            log.warning("server.stop.timed_out", server=server, timeout_s=rule.timeout_s)
            await link.kill()
    except NotRunning:
        log.info("server.stopped", server=server)
    except KeeperError as error:
        log.error("server.stop.failed", server=server, error=str(error))
    finally:
        link.close()


async def _ask(link: KeeperLink, rule: StopRule) -> None:
    try:
        if rule.command is not None:
            await link.send(rule.command.encode() + b"\n")
        else:
            await link.signal(getattr(signal, rule.signal, signal.SIGTERM))
    except RequestRefused as error:
        log.warning("server.stop.unheard", error=str(error))


async def _ended(link: KeeperLink, timeout_s: float) -> bool:
    """Wait for the end of the game, which closes the connection; tell whether it came in time."""
    try:
        async with asyncio.timeout(timeout_s):
            async for _ in link.blocks:
                pass  # what it says last is in its journal
    except TimeoutError:
        return False
    return True

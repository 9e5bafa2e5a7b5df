"""Find out from outside whether a starting game can be played on.

Knows the game's address and how to ask; what an answer means is the machine's business.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

import structlog

from innkeeper.contracts.game import GameSilent, Query
from innkeeper.node.supervisor.preparing import reachable
from innkeeper.wire.messages import DesiredServer

log = structlog.get_logger(__name__)

PROBE_EVERY_S = 1.0
PATIENCE = timedelta(seconds=2)


async def probe(desired: DesiredServer, queries: Mapping[str, Query]) -> None:
    """Return when the game answers its query, or takes a connection on its port; for ever otherwise."""
    query = queries.get(desired.query) if desired.ready_when == "query" and desired.query is not None else None
    if desired.port is None or (desired.ready_when == "query" and query is None):
        log.warning("server.probe.impossible", server=str(desired.uuid), query=desired.query, port=desired.port)
        await asyncio.Event().wait()
        return
    host = reachable(desired.address)
    while True:
        if await (_answers(query, host, desired.port) if query is not None else _accepts(host, desired.port)):
            return
        await asyncio.sleep(PROBE_EVERY_S)


async def _answers(query: Query, host: str, port: int) -> bool:
    try:
        await query.ask(host, port, PATIENCE)
    except GameSilent:
        return False
    return True


async def _accepts(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
